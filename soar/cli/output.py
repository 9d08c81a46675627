"""What commands print: tables that fit a terminal, JSON for programs on stdout, errors on stderr.

Nothing here reads markup: cells are `Text`, so `[red]` in an alert stays `[red]`.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, TextIO

from soar.cli.text import jsonable, paragraph, plain

if TYPE_CHECKING:
    from rich.console import Console

WIDTH: Final = 80
"""Columns where no terminal says otherwise."""

STYLES: Final = {
    **dict.fromkeys(("succeeded", "ok", "matched", "live", "done", "lifted"), "green"),
    **dict.fromkeys(("failed", "stuck", "critical", "fatal", "error", "unavailable", "refused"), "red"),
    **dict.fromkeys(("outcome_unknown", "suspected", "unknown?", "high", "warning", "parked"), "yellow"),
    **dict.fromkeys(("running", "held", "lifting", "queued"), "cyan"),
    **dict.fromkeys(("skipped", "unmatched", "voided", "released", "duplicate"), "dim"),
}
"""Colours by word; colour never says what the word does not."""


@dataclass(frozen=True, slots=True)
class Column:
    """One column of a table."""

    title: str
    align: Literal["left", "right"] = "left"
    flexible: bool = False
    """May be cut short (`…`) so that the table fits."""
    wraps: bool = False
    """Goes on in the next line instead of being cut short."""


def console(stream: TextIO | None = None) -> Console:
    """A console on that stream: colours only on a terminal, never markup, emoji codes or links."""
    from rich.console import Console

    stream = stream or sys.stdout
    terminal = stream.isatty()
    return Console(
        file=stream,
        width=None if terminal else _columns(),
        markup=False,
        emoji=False,
        highlight=False,
        no_color=not terminal or "NO_COLOR" in os.environ,
        force_terminal=terminal,
        legacy_windows=False,
    )


def _columns() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isdigit() and int(columns) > 0 else WIDTH


def styled(word: object) -> Any:
    """A word in its colour, as a `Text`."""
    from rich.text import Text

    text = plain(word)
    return Text(text, style=STYLES.get(text, ""))


def table(columns: Sequence[Column], rows: Iterable[Sequence[object]], *, empty: str) -> None:
    """Print rows under their titles; or say in one line that there are none."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        grid.add_column(
            column.title,
            justify=column.align,
            no_wrap=not column.wraps,
            overflow="fold" if column.wraps else "ellipsis",
            ratio=1 if column.flexible or column.wraps else None,
        )
    for row in rows:
        grid.add_row(*map(styled, row))
    if grid.row_count:
        console().print(grid)
    else:
        say(empty)


def fields(pairs: Iterable[tuple[str, object]]) -> None:
    """Print `name  value` lines; pairs without a value are left out."""
    from rich.table import Table

    grid = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), show_header=False)
    grid.add_column(no_wrap=True, style="bold")
    grid.add_column(overflow="fold", ratio=1)
    for name, value in pairs:
        if value not in (None, "", [], (), {}):
            grid.add_row(styled(name), styled(value))
    console().print(grid)


def say(text: object = "", *, style: str = "") -> None:
    """Print one line, or several, for people."""
    from rich.text import Text

    console().print(Text(paragraph(text), style=style), soft_wrap=True)


def heading(text: object) -> None:
    """A title over what follows, set off by an empty line."""
    say()
    say(text, style="bold")


def block(value: Any, *, indent: int = 4) -> None:
    """Nested data as indented JSON, every string of it safe to show."""
    text = json.dumps(_readable(value), indent=2, ensure_ascii=False, default=jsonable)
    lead = " " * indent
    say("\n".join(lead + line for line in text.splitlines()))


def _readable(value: Any) -> Any:
    """Nested data with what steers a terminal written out, before JSON gives it its own escapes."""
    if isinstance(value, dict):
        return {plain(key): _readable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_readable(item) for item in value]
    return plain(value) if isinstance(value, str) and not value.isprintable() else value


def emit(data: Any) -> None:
    """Write JSON, and nothing but JSON, on stdout: ASCII only, so that it is safe to show as well."""
    sys.stdout.write(json.dumps(data, indent=2, ensure_ascii=True, default=jsonable) + "\n")


def complain(text: object) -> None:
    """One error on stderr, as `soar: what, where, what to do`."""
    sys.stderr.write(f"soar: {paragraph(text)}\n")


def note(text: object) -> None:
    """Something a person may want to know, on stderr, so that stdout stays clean."""
    sys.stderr.write(f"{paragraph(text)}\n")
