"""When schedules fire, across clock changes (S47, J01-J03)."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import pairwise
from typing import Final
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from soar.clock import Millis, as_millis
from soar.ingest.schedule import firings_between, next_firing
from soar.model.trigger import Schedule

BERLIN, NEW_YORK, LORD_HOWE = "Europe/Berlin", "America/New_York", "Australia/Lord_Howe"
CHANGES: Final = [
    (BERLIN, "2026-03-29T01:00"),
    (BERLIN, "2026-10-25T01:00"),
    (NEW_YORK, "2026-03-08T07:00"),
    (NEW_YORK, "2026-11-01T06:00"),
    (LORD_HOWE, "2026-04-04T15:00"),
    (LORD_HOWE, "2026-10-03T15:30"),
]
"""Zone and instant (UTC) of both changes of a year."""


def at(utc: str) -> Millis:
    return as_millis(datetime.fromisoformat(utc).replace(tzinfo=UTC))


def fired(cron: str, zone: str, start: str, end: str) -> list[str]:
    """The local times of all firings between two instants, with their offsets."""
    found = firings_between(Schedule(cron, zone), at(start), at(end), 1_000)
    return [datetime.fromtimestamp(one / 1000, ZoneInfo(zone)).isoformat(timespec="minutes") for one in found]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize(("cron", "seconds"), [("*/15 * * * *", 900), ("* * * * *", 60), ("*/5 * * * * *", 5)])
def test_j01_no_gap_is_longer_than_the_interval(zone: str, change: str, cron: str, seconds: int) -> None:
    around = at(change)
    found = firings_between(Schedule(cron, zone), around - 3_600_000, around + 3_600_000, 10_000)
    assert {after - before for before, after in pairwise(found)} == {seconds * 1000}
    assert len(found) == 7200 // seconds


@pytest.mark.parametrize(
    ("zone", "cron", "start", "expected"),
    [
        (BERLIN, "30 2 * * *", "2026-03-28T12:00", "2026-03-29T03:00+02:00"),
        (NEW_YORK, "30 2 * * *", "2026-03-08T00:00", "2026-03-08T03:00-04:00"),
        (LORD_HOWE, "15 2 * * *", "2026-10-03T12:00", "2026-10-04T02:30+11:00"),
    ],
)
def test_j02_s47_a_time_that_does_not_exist_fires_at_the_end_of_the_gap(
    zone: str, cron: str, start: str, expected: str
) -> None:
    end = datetime.fromtimestamp(at(start) / 1000 + 86_400, UTC).strftime("%Y-%m-%dT%H:%M")
    assert fired(cron, zone, start, end) == [expected]


@pytest.mark.parametrize(
    ("zone", "cron", "start", "expected"),
    [
        (BERLIN, "30 2 * * *", "2026-10-24T12:00", "2026-10-25T02:30+02:00"),
        (NEW_YORK, "30 1 * * *", "2026-11-01T00:00", "2026-11-01T01:30-04:00"),
        (LORD_HOWE, "45 1 * * *", "2026-04-04T10:00", "2026-04-05T01:45+11:00"),
    ],
)
def test_j03_s47_a_time_that_comes_twice_fires_at_the_first(zone: str, cron: str, start: str, expected: str) -> None:
    end = datetime.fromtimestamp(at(start) / 1000 + 86_400, UTC).strftime("%Y-%m-%dT%H:%M")
    assert fired(cron, zone, start, end) == [expected]


def test_s47_several_times_in_the_gap_are_one_firing() -> None:
    """02:00, 02:20 and 02:40 do not exist: all three stand for 03:00, which fires once."""
    found = fired("*/20 2,3 * * *", BERLIN, "2026-03-29T00:00", "2026-03-29T02:00")
    assert found == ["2026-03-29T03:00+02:00", "2026-03-29T03:20+02:00", "2026-03-29T03:40+02:00"]


def test_s47_asked_from_within_the_repeated_hour_it_does_not_fire_again() -> None:
    assert fired("30 2 * * *", BERLIN, "2026-10-25T00:30", "2026-10-25T12:00") == []
    assert fired("30 2 * * *", BERLIN, "2026-10-25T01:15", "2026-10-25T12:00") == []


def test_a_day_that_a_zone_left_out_fires_at_the_first_instant_after() -> None:
    """Samoa had no 30 December 2011."""
    found = fired("0 9 * * *", "Pacific/Apia", "2011-12-29T12:00", "2011-12-31T12:00")
    assert found == ["2011-12-29T09:00-10:00", "2011-12-31T00:00+14:00", "2011-12-31T09:00+14:00"]


def test_the_29th_of_february_comes_and_the_30th_never() -> None:
    assert next_firing(Schedule("0 0 29 2 *"), at("2097-01-01T00:00")) == at("2104-02-29T00:00")
    assert next_firing(Schedule("0 0 30 2 *"), at("2026-01-01T00:00")) is None


@settings(max_examples=60, deadline=None, phases=[Phase.generate], suppress_health_check=list(HealthCheck))
@given(
    zone=st.sampled_from([BERLIN, NEW_YORK, LORD_HOWE, "Asia/Kathmandu", "UTC"]),
    hour=st.integers(0, 23),
    minute=st.integers(0, 59),
    start=st.integers(at("2026-01-01T00:00"), at("2027-01-01T00:00")),
)
def test_s47_a_daily_time_fires_once_on_each_of_a_years_days(zone: str, hour: int, minute: int, start: int) -> None:
    schedule = Schedule(f"{minute} {hour} * * *", zone)
    found = firings_between(schedule, start, start + 365 * 86_400_000, 1_000)
    days = [datetime.fromtimestamp(one / 1000, ZoneInfo(zone)).date() for one in found]
    assert days == sorted(set(days))
    assert (days[-1] - days[0]).days + 1 == len(days)
    assert found == sorted(found)
    assert all(next_firing(schedule, one - 1) == one for one in found[::40])
