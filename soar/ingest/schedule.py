"""When a schedule fires next, in its own time zone, across clock changes (S47).

A schedule that names its hours fires by the wall clock: a local time that does not exist fires at
the first instant after the gap, one that comes twice at the first. One that runs every hour fires by
the time that passes, so that no change of the clocks makes it stand still (J01).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, date, datetime, time, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from soar.clock import Millis, as_datetime, as_millis
from soar.model.trigger import Schedule
from soar.playbook.cron import Cron, read_cron

_DAYS: Final = 366 * 8
"""29 February comes within eight years."""
_ALL_HOURS: Final = frozenset(range(24))
_SECOND: Final = timedelta(seconds=1)


def next_firing(schedule: Schedule, after: Millis) -> Millis | None:
    """The first firing later than that instant; None when there is none in sight."""
    cron, zone = read_cron(schedule.cron), ZoneInfo(schedule.timezone)
    start = as_datetime(after)
    firings = _by_time(cron, zone, start) if cron.hours == _ALL_HOURS else _by_clock(cron, zone, start)
    return next((as_millis(firing) for firing in firings if firing > start), None)


def firings_between(schedule: Schedule, after: Millis, until: Millis, limit: int) -> list[Millis]:
    """Those later than `after` and not later than `until`, the first `limit` of them."""
    found: list[Millis] = []
    firing = next_firing(schedule, after)
    while firing is not None and firing <= until and len(found) < limit:
        found.append(firing)
        firing = next_firing(schedule, firing)
    return found


def _by_time(cron: Cron, zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    """Instant after instant; whole days and minutes that cannot fit are passed over."""
    moment = start.replace(microsecond=0) + _SECOND
    end = start + timedelta(days=_DAYS)
    while moment < end:
        local = moment.astimezone(zone)
        if not _fits(cron, local.date()):
            moment = _instant(datetime.combine(local.date() + timedelta(days=1), time.min), zone)
        elif local.minute not in cron.minutes:
            moment = moment.replace(second=0) + timedelta(minutes=1)
        else:
            if local.second in cron.seconds:
                yield moment
            moment += _SECOND


def _by_clock(cron: Cron, zone: ZoneInfo, start: datetime) -> Iterator[datetime]:
    """Day after day by the wall clock, each local time once."""
    first = start.astimezone(zone).date() - timedelta(days=1)
    for number in range(_DAYS):
        day = first + timedelta(days=number)
        if not _fits(cron, day):
            continue
        for hour in sorted(cron.hours):
            for minute in sorted(cron.minutes):
                for second in sorted(cron.seconds):
                    yield _instant(datetime.combine(day, time(hour, minute, second)), zone)


def _fits(cron: Cron, day: date) -> bool:
    if day.month not in cron.months:
        return False
    by_month, by_week = day.day in cron.days, day.isoweekday() % 7 in cron.weekdays
    return (by_month or by_week) if cron.either_day else (by_month and by_week)


def _instant(wall: datetime, zone: ZoneInfo) -> datetime:
    """The instant of a local time: the first of two, or the end of the gap it falls into."""
    moment = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    if moment.astimezone(zone).replace(tzinfo=None) == wall:
        return moment
    low, high = moment - timedelta(days=1), moment + timedelta(days=1)
    before = low.astimezone(zone).utcoffset()
    while high - low > _SECOND:
        middle = low + (high - low) / 2
        if middle.astimezone(zone).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high.replace(microsecond=0)
