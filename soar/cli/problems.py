"""Problems in files, as people read them: the place, the line with a caret, the cause, the remedy."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Final

from rich.cells import cell_len
from rich.text import Text

from soar.cli.output import WIDTH, console
from soar.cli.text import plain
from soar.errors import Problem

_CUT: Final = "…"


def ordered(problems: Iterable[Problem]) -> list[Problem]:
    """By place, each once."""
    return sorted(dict.fromkeys(problems), key=lambda problem: (problem.location, problem.message))


def show(problems: Sequence[Problem]) -> None:
    """Print each problem with its line."""
    screen = console()
    for problem in problems:
        screen.print(rendered(problem), soft_wrap=True)


def rendered(problem: Problem) -> Text:
    """One problem, two to five lines."""
    text = Text()
    text.append(plain(problem.location), style="bold")
    text.append(f": {problem.severity}: ", style="red" if problem.severity == "error" else "yellow")
    text.append(plain(problem.message))
    if line := problem.excerpt or _line(problem.location.file, problem.location.line):
        number = str(problem.location.line)
        excerpt, indent = window(line, problem.location.column, WIDTH - len(number) - 4)
        text.append(f"\n {number} | ", style="dim").append(excerpt)
        text.append(f"\n {' ' * len(number)} | ", style="dim").append(" " * indent).append("^", style="bold")
    if problem.remedy:
        text.append(f"\n {plain(problem.remedy)}")
    return text


def window(line: str, column: int, width: int) -> tuple[str, int]:
    """The part of a line around a column that fits, and the cells before that column's character."""
    before, after = plain_cells(line[: column - 1]), plain_cells(line[column - 1 :])
    if cell_len(before) > width // 2 and cell_len(before + after) > width:
        before = _CUT + _last_cells(before, width // 2 - 1)
    room = max(width - cell_len(before), 1)
    if cell_len(after) > room:
        after = _first_cells(after, room - 1) + _CUT
    return before + after, cell_len(before)


def plain_cells(text: str) -> str:
    """A piece of a line with tabs as single spaces, so that the caret stands below its character."""
    return plain(text.rstrip("\r\n").replace("\t", " "))


def _first_cells(text: str, cells: int) -> str:
    while cell_len(text) > cells:
        text = text[:-1]
    return text


def _last_cells(text: str, cells: int) -> str:
    while cell_len(text) > cells:
        text = text[1:]
    return text


def _line(file: str, number: int) -> str:
    """That line of the file as it is now; empty when it cannot be read."""
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").splitlines()[number - 1]
    except (OSError, IndexError):
        return ""


def as_json(problem: Problem) -> dict[str, Any]:
    """One problem for programs."""
    return {
        "file": problem.location.file,
        "line": problem.location.line,
        "column": problem.location.column,
        "severity": problem.severity,
        "message": problem.message,
        "remedy": problem.remedy,
    }
