"""When a schedule fires: the five fields of cron, and seconds in front of them where six are given."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

_MONTHS: Final = {
    name: place for place, name in enumerate("jan feb mar apr may jun jul aug sep oct nov dec".split(), 1)
}
_DAYS: Final = {name: place for place, name in enumerate("sun mon tue wed thu fri sat".split())}
_FIELDS: Final[tuple[tuple[str, int, int, dict[str, int]], ...]] = (
    ("second", 0, 59, {}),
    ("minute", 0, 59, {}),
    ("hour", 0, 23, {}),
    ("day of month", 1, 31, {}),
    ("month", 1, 12, _MONTHS),
    ("day of week", 0, 7, _DAYS),
)
_PART: Final = re.compile(r"(\*|[a-z]{3}|[0-9]{1,2})(?:-([a-z]{3}|[0-9]{1,2}))?(?:/([0-9]{1,2}))?", re.ASCII)
_LONGEST_MONTHS: Final = {1: 31, 2: 29, 3: 31, 4: 30, 5: 31, 6: 30, 7: 31, 8: 31, 9: 30, 10: 31, 11: 30, 12: 31}
_EXAMPLE: Final = 'write such as "0 6 * * 1" for Mondays at six'
Fault = tuple[str, str]


def cron_fault(text: str) -> Fault | None:
    """What is wrong with it, and what to do; None when it fires now and then."""
    words = text.lower().split()
    if len(words) not in (5, 6):
        return f"{text!r} has {len(words)} fields, not five, or six with seconds in front", _EXAMPLE
    meant: dict[str, set[int]] = {}
    for word, (name, low, high, names) in zip(words, _FIELDS[6 - len(words) :], strict=True):
        found = _values(word, low, high, names)
        if isinstance(found, str):
            return f"the {name} {word!r} {found}", _remedy(name, low, high, names)
        meant[name] = found
    if words[-1] == "*" and not any(min(meant["day of month"]) <= _LONGEST_MONTHS[month] for month in meant["month"]):
        return f"{text!r} names a day that no month has, and never fires", _EXAMPLE
    return None


@dataclass(frozen=True, slots=True)
class Cron:
    """What the fields of a sound expression stand for; Sunday is 0."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]
    either_day: bool
    """Both the day of the month and that of the week are given: either may hold, as cron has it."""


def read_cron(text: str) -> Cron:
    """The sets of an expression in which `cron_fault` found nothing."""
    words = text.lower().split()
    given = words if len(words) == 6 else ["0", *words]
    sets = [_values(word, low, high, names) for word, (_, low, high, names) in zip(given, _FIELDS, strict=True)]
    seconds, minutes, hours, days, months, weekdays = (frozenset(one) for one in sets if isinstance(one, set))
    either = not given[3].startswith("*") and not given[5].startswith("*")
    return Cron(seconds, minutes, hours, days, months, frozenset(day % 7 for day in weekdays), either)


def _values(word: str, low: int, high: int, names: dict[str, int]) -> set[int] | str:
    """What a field stands for, or what is wrong with it."""
    values: set[int] = set()
    for part in word.split(","):
        found = _PART.fullmatch(part)
        if found is None:
            return "cannot be read"
        first, last, step = found.groups()
        bounds = _bounds(first, last, step, low, high, names)
        if bounds is None:
            return f"is not within {low} to {high}" if not names else "is no such name or number"
        begin, end = bounds
        if begin > end:
            return "runs backwards"
        if step is not None and int(step) == 0:
            return "has a step of nothing"
        values.update(range(begin, end + 1, int(step or 1)))
    return values


def _bounds(
    first: str, last: str | None, step: str | None, low: int, high: int, names: dict[str, int]
) -> tuple[int, int] | None:
    if first == "*":
        return (low, high) if last is None else None
    begin = _number(first, low, high, names)
    end = _number(last, low, high, names) if last is not None else (high if step else begin)
    return (begin, end) if begin is not None and end is not None else None


def _number(word: str, low: int, high: int, names: dict[str, int]) -> int | None:
    if word in names:
        return names[word]
    return int(word) if word.isdigit() and low <= int(word) <= high else None


def _remedy(name: str, low: int, high: int, names: dict[str, int]) -> str:
    words = f" or {', '.join(names)}" if names else ""
    return f"the {name} is {low} to {high}{words}, a range 1-5, a list 1,3, a step */2, or *"
