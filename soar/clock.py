"""The one source of time. Instants are integers: milliseconds since 1970-01-01 UTC."""

from __future__ import annotations

import asyncio
import time
from datetime import UTC, datetime
from typing import Protocol

Millis = int
"""Milliseconds since the Unix epoch, UTC."""


class Clock(Protocol):
    """What time it is, how long something took, and how to wait."""

    def now(self) -> Millis:
        """The wall clock."""
        ...

    def monotonic(self) -> float:
        """Seconds on a clock that never jumps, for durations only."""
        ...

    async def sleep(self, seconds: float) -> None:
        """Wait that long on this clock."""
        ...


class SystemClock:
    """The machine's clocks."""

    def now(self) -> Millis:
        return time.time_ns() // 1_000_000

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class FollowedClock:
    """Another's wall clock, looked at now and then; in between it goes on by this machine's own seconds (S43).

    Several processes that go by one clock agree on what is due, whatever their machines' clocks say.
    """

    def __init__(self, now: Millis) -> None:
        self.follow(now)

    def follow(self, now: Millis, lag: float = 0.0) -> None:
        """The other's clock says `now`, or said so `lag` seconds ago."""
        self._now, self._at = now, time.monotonic() - lag

    def now(self) -> Millis:
        return self._now + round((time.monotonic() - self._at) * 1000)

    def monotonic(self) -> float:
        return time.monotonic()

    async def sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


def as_datetime(at: Millis) -> datetime:
    """An instant as an aware UTC datetime, for people and templates."""
    return datetime.fromtimestamp(at / 1000, tz=UTC)


def as_millis(moment: datetime) -> Millis:
    """An aware datetime as an instant; a naive one is refused."""
    if moment.tzinfo is None:
        raise ValueError(f"{moment.isoformat()} has no time zone")
    delta = moment - datetime(1970, 1, 1, tzinfo=UTC)
    return (delta.days * 86_400 + delta.seconds) * 1000 + delta.microseconds // 1000


def rfc3339(at: Millis | None) -> str | None:
    """An instant as RFC 3339 text with milliseconds and `Z`, as the API shows it."""
    if at is None:
        return None
    return as_datetime(at).isoformat(timespec="milliseconds").replace("+00:00", "Z")
