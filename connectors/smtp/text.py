"""Words as mail may carry them: an alert can break no header with them, forge no line and turn no text round."""

from __future__ import annotations

import json
import re
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

_CONTROLS: Final = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Control characters, halves of characters, and what else begins a line."""
_TURNING: Final = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
"""They make the eye read another order than the letters stand in."""
_ADDRESS: Final = re.compile(
    r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*"
    r"@(?=.{1,253}\Z)([A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.)*[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
)


def one_line(value: object, limit: int) -> str:
    """A value on one line, cut."""
    text = value if isinstance(value, str) else _written(value)
    return cut(" ".join("".join(_kept(character) for character in text).split()), limit)


def lines(text: str, limit: int) -> str:
    """A text that may have lines, cut; they end as lines do in memory."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    return cut("".join(each if each == "\n" else _kept(each) for each in plain), limit)


def cut(text: str, limit: int) -> str:
    """At most so many characters, with a sign where something is missing."""
    return text if len(text) <= limit else f"{text[: limit - 1].rstrip()}…"


def instant(at: int | None) -> str:
    """Milliseconds since 1970 as a person reads them."""
    return "no time limit" if at is None else f"{datetime.fromtimestamp(at / 1000, UTC):%Y-%m-%d %H:%M:%S} UTC"


def plain_address(value: object) -> str:
    """One mail address and nothing else.

    Raises:
        ValueError: it is none, or more than one.
    """
    text = value.strip() if isinstance(value, str) else ""
    if not _ADDRESS.fullmatch(text) or len(text.partition("@")[0]) > 64:
        raise ValueError(
            "must be one plain mail address such as soc@example.com: no name, no list, no quotes, letters of ASCII only"
        )
    return text


def _kept(character: str) -> str:
    if character in _TURNING:
        return ""
    return " " if unicodedata.category(character) in _CONTROLS else character


def _written(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, default=str)
