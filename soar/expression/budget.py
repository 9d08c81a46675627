"""How much work one evaluation may do.

Work is counted, not timed: the same expression on the same data always ends the
same way, on a busy machine too (S1). One unit is about a microsecond at most.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sized
from typing import Any, Final

from soar.errors import ExpressionFailed

WORK_LIMIT: Final = 200_000
"""Units one evaluation may spend: loop turns, items of lists, pieces of text."""
TEXT_LIMIT: Final = 1_048_576
"""Characters a text may have, as a result or on the way to one."""
DIGIT_LIMIT: Final = 1024
"""Bits a whole number may have: enough for any id, too little to hang a process."""
DEPTH_LIMIT: Final = 64
"""Levels of lists and objects inside each other."""
_CHARACTERS_PER_UNIT = 64


class _Purse(threading.local):
    left: int = WORK_LIMIT


_purse = _Purse()


def start() -> None:
    """Begin one evaluation on this thread."""
    _purse.left = WORK_LIMIT


def spend(units: int) -> None:
    """Pay for work before it is done."""
    _purse.left -= units
    if _purse.left < 0:
        raise ExpressionFailed(
            f"it takes more than {WORK_LIMIT:,} units of work; loop over fewer items, or split it over several steps"
        )


def weight(value: Any) -> int:
    """What it costs to go over a value once, without looking inside its items."""
    if isinstance(value, str):
        return 1 + len(value) // _CHARACTERS_PER_UNIT
    if isinstance(value, Mapping | list | tuple) and isinstance(value, Sized):
        return 1 + len(value)
    return 1


def spend_whole(value: Any, depth: int = 0) -> None:
    """Pay for a value with all it holds, so that shared parts cannot make a small text a huge value."""
    spend(weight(value))
    if depth > DEPTH_LIMIT:
        raise ExpressionFailed(f"its lists and objects are nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, Mapping):
        for item in value.values():
            spend_whole(item, depth + 1)
    elif isinstance(value, list | tuple):
        for item in value:
            spend_whole(item, depth + 1)


def allow_text(length: int) -> None:
    """Refuse a text of that many characters before it is made."""
    if length > TEXT_LIMIT:
        raise ExpressionFailed(
            f"its text would pass {TEXT_LIMIT:,} characters; shorten it, such as with `| truncate(500)`"
        )
    spend(1 + length // _CHARACTERS_PER_UNIT)


def allow_number(value: int) -> int:
    """Refuse a whole number that no field could hold."""
    if value.bit_length() > DIGIT_LIMIT:
        raise ExpressionFailed(f"it makes a whole number of more than {DIGIT_LIMIT} bits")
    return value
