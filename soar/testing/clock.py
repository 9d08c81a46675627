"""A clock that moves only when it is told to, and waits that cost no time."""

from __future__ import annotations

import asyncio
import heapq
import itertools
from typing import Final

from soar.clock import Millis

START: Final[Millis] = 1_772_366_400_000
"""2026-03-01T12:00:00Z, where a test's time begins unless it says otherwise."""


class FakeClock:
    """Time as a test sets it; sleepers wake when it passes their hour."""

    def __init__(self, start: Millis = START) -> None:
        self._now = start
        self._sleepers: list[tuple[Millis, int, asyncio.Future[None]]] = []
        self._count = itertools.count()
        self.somebody_sleeps = asyncio.Event()

    def now(self) -> Millis:
        return self._now

    def monotonic(self) -> float:
        return self._now / 1000

    async def sleep(self, seconds: float) -> None:
        wake = asyncio.get_running_loop().create_future()
        heapq.heappush(self._sleepers, (self._now + round(seconds * 1000), next(self._count), wake))
        self.somebody_sleeps.set()
        await wake

    @property
    def sleeping(self) -> int:
        """How many wait on this clock."""
        self._drop_cancelled()
        return len(self._sleepers)

    @property
    def next_wake(self) -> Millis | None:
        self._drop_cancelled()
        return self._sleepers[0][0] if self._sleepers else None

    def move_to(self, instant: Millis) -> None:
        """Let time pass until that instant; it never goes back."""
        self._now = max(self._now, instant)
        self._drop_cancelled()
        while self._sleepers and self._sleepers[0][0] <= self._now:
            wake = heapq.heappop(self._sleepers)[2]
            if not wake.done():
                wake.set_result(None)
        if not self._sleepers:
            self.somebody_sleeps.clear()

    def _drop_cancelled(self) -> None:
        while self._sleepers and self._sleepers[0][2].done():
            heapq.heappop(self._sleepers)
