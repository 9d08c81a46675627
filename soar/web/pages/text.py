"""Text as a page may show it: whatever an alert says, what is read is what is sent."""

from __future__ import annotations

import json
import unicodedata
from typing import Any, Final

from soar.clock import Millis, as_datetime

_UNSEEN: Final = frozenset({"Cc", "Cf", "Co", "Cs", "Zl", "Zp"})
"""Unicode categories that are not seen, or turn the text around them: one target could be shown and another meant."""
_KEPT: Final = frozenset("\n\t\u200c\u200d")
"""Lines stay lines; the joiners are parts of ordinary words in Persian and Hindi, and of many emoji."""


def seen(value: Any) -> Any:
    r"""Text with what would not be seen written out, as `\u202e`; whatever is no plain text is left alone."""
    if type(value) is not str or (value.isascii() and value.isprintable()):
        return value
    return "".join(map(_visible, value))


def _visible(char: str) -> str:
    if char in _KEPT or unicodedata.category(char) not in _UNSEEN:
        return char
    code = ord(char)
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def parameter(value: Any) -> str:
    """A value that is handed to an action: text as it is, anything else as JSON."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, indent=2, default=str)


def moment(at: Millis | None) -> str:
    """An instant for people, in UTC."""
    return "" if at is None else as_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def lasting(seconds: float) -> str:
    """A duration as playbooks write it: `15m`."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def who(actor: str | None) -> str:
    """An actor without its kind, where it is a person."""
    return (actor or "").removeprefix("person:")
