"""Calls under way: started side by side, ended one by one, cut when what they belong to ends (S22)."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final

from soar.clock import Clock, Millis
from soar.engine.calls import CallMaker, Ready
from soar.engine.round import Run
from soar.model.action import Outcome
from soar.model.lease import current_lease

Place = tuple[str, int]
"""Path and attempt of a call."""
GRACE: Final = 0.5
"""Seconds a changing call still gets when it is cut (S22)."""


@dataclass(slots=True)
class Flight:
    """One call under way."""

    ready: Ready
    task: asyncio.Task[Outcome]
    started: Millis
    cut: bool = False


class Flights:
    """The calls of one activation."""

    def __init__(self, calls: CallMaker, clock: Clock) -> None:
        self._calls = calls
        self._clock = clock
        self._flying: dict[Place, Flight] = {}

    def __len__(self) -> int:
        return len(self._flying)

    def has(self, run: Run) -> bool:
        return (run.path, run.attempt) in self._flying

    @property
    def tasks(self) -> set[asyncio.Task[Outcome]]:
        return {flight.task for flight in self._flying.values()}

    def start(self, ready: Ready, first: Callable[[], Awaitable[Any]] | None = None) -> None:
        """Make the call; `first` is awaited before it is sent."""

        async def made() -> Outcome:
            if first is not None:
                current_lease.set(first)
                await first()
            return await (self._calls.cut(ready) if ready.run.cut is not None else self._calls.outcome(ready))

        place = (ready.run.path, ready.run.attempt)
        cut = ready.run.cut is not None
        self._flying[place] = Flight(ready, asyncio.create_task(made()), self._clock.now(), cut)

    def cut(self, runs: Iterable[Run]) -> None:
        """Those calls end now: half a second more, then one look at what they did."""
        for run in runs:
            flight = self._flying.get((run.path, run.attempt))
            if flight is not None and run.cut is not None and not flight.cut:
                flight.cut = True
                flight.task = asyncio.create_task(self._ended(flight.ready, flight.task))

    async def _ended(self, ready: Ready, task: asyncio.Task[Outcome]) -> Outcome:
        grace = asyncio.ensure_future(self._clock.sleep(GRACE))
        try:
            await asyncio.wait({task, grace}, return_when=asyncio.FIRST_COMPLETED)
            if task.done():
                return task.result()
        finally:
            grace.cancel()
            task.cancel()
        return await self._calls.cut(ready)

    def drop(self, wanted: set[Place]) -> None:
        """Reading calls that nobody wants any more are given up."""
        for place in [place for place in self._flying if place not in wanted]:
            self._flying.pop(place).task.cancel()

    def landed(self) -> list[tuple[Flight, Outcome]]:
        """The calls that are over, in the order they were started."""
        done = [place for place, flight in self._flying.items() if flight.task.done()]
        return [(flight, flight.task.result()) for flight in map(self._flying.pop, done)]

    def give_up(self) -> None:
        """Let go of all of them: their execution is no longer ours, or this process ends."""
        for flight in self._flying.values():
            flight.task.cancel()
        self._flying.clear()
