"""How many executions led to a request, as our own connectors say it: a loop by webhook must count on (M01)."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

_HEADER: Final = b"soar-hops"
_MOST: Final = 1_000


def hops_in(headers: Iterable[tuple[bytes, bytes]]) -> int:
    """The number in the header; the highest where it came twice, 0 where it is none from 0 to 1000."""
    values = [value for name, value in headers if name == _HEADER]
    numbers = [int(value) for value in values if value.isdigit() and len(value) <= len(str(_MOST))]
    return max((number for number in numbers if number <= _MOST), default=0)
