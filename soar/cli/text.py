"""Text as a terminal may show it: what an alert says must not move the cursor, colour the screen or hide a name."""

from __future__ import annotations

import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

from soar.clock import Millis, as_datetime

_UNSAFE: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that steer a terminal or are not seen: controls, direction marks, line separators."""
_JOINERS: Final = frozenset({"\u200c", "\u200d"})
"""Parts of ordinary words in Persian and Hindi, and of many emoji."""
_NAMED: Final = {"\n": "\\n", "\r": "\\r", "\t": "\\t"}
SHORT: Final = 8
"""Characters of an id that a table shows: its last ones, which are the random ones."""


def plain(value: object) -> str:
    r"""Any value as one line that is safe to show; what steers a terminal is written out (`\x1b`)."""
    text = "" if value is None else str(value)
    if text.isascii() and text.isprintable():
        return text
    return "".join(map(_visible, text))


def _visible(char: str) -> str:
    if char in _JOINERS or unicodedata.category(char) not in _UNSAFE:
        return char
    if named := _NAMED.get(char):
        return named
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def paragraph(value: object) -> str:
    """Like `plain`, but lines stay lines."""
    return "\n".join(plain(line) for line in str(value).splitlines())


def short(identifier: str | None) -> str:
    """The end of an id, as tables show it; every command takes it back."""
    return plain(identifier)[-SHORT:]


def moment(at: Millis | None) -> str:
    """An instant for people: UTC, to the second."""
    return "" if at is None else as_datetime(at).strftime("%Y-%m-%d %H:%M:%S")


def span(seconds: float) -> str:
    """A duration for people, in at most two units: `1d 3h`, `2m 5s`, `340ms`."""
    if seconds < 0:
        return f"-{span(-seconds)}"
    if seconds < 1:
        return f"{round(seconds * 1000)}ms"
    if seconds < 10:
        return f"{seconds:.1f}s"
    return _units(round(seconds))


def _units(seconds: int) -> str:
    parts = []
    for size, unit in ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")):
        count, seconds = divmod(seconds, size)
        if count:
            parts.append(f"{count}{unit}")
        elif parts:
            break
    return " ".join(parts[:2]) or "0s"


def until(at: Millis | None, now: Millis) -> str:
    """How long from now, or how long ago."""
    if at is None:
        return ""
    return f"in {span((at - now) / 1000)}" if at >= now else f"{span((now - at) / 1000)} ago"


def took(start: Millis | None, end: Millis | None) -> str:
    """How long something took; empty while it lasts."""
    return "" if start is None or end is None else span((end - start) / 1000)


def as_moment(text: str) -> Millis:
    """`2026-03-01`, `2026-03-01T08:00Z` or an age (`90m`, `24h`, `7d`) as an instant; UTC where no zone is said.

    Raises:
        ValueError: it is none of these.
    """
    ages = {"s": 1, "m": 60, "h": 3_600, "d": 86_400}
    now = datetime.now(UTC)
    if text[:-1].isdigit() and text[-1:] in ages:
        return int(now.timestamp() * 1000) - int(text[:-1]) * ages[text[-1]] * 1000
    at = datetime.fromisoformat(text)
    return int((at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp() * 1000)


def jsonable(value: Any) -> Any:
    """What `json` cannot write by itself, as text."""
    return plain(value)
