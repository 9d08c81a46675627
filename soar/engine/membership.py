"""One of several processes on a database: it says that it is alive, and takes on what one of them does for all.

Only one rings schedules, carries messages, sees to what is held and seals the audit trail: the keeper. It holds that
duty by a row it renews; a keeper that says nothing for six seconds has lost it, and one that was frozen knows so by
its own monotonic clock before it does anything more.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from soar.clock import Clock, FollowedClock, Millis
from soar.engine.zones import CallWorker
from soar.errors import StoreBusy, StoreError
from soar.queue import JobQueue
from soar.store import Process, Share, Store

log = structlog.get_logger(__name__)

BEAT: Final = 1.5
"""Seconds between two words."""
SURE: Final = 5.0
"""Seconds after its last word for which a keeper counts on its duty: less than others wait (`ALIVE`)."""
KEEPER: Final = "keeper"
LEFT: Final[Millis] = 10_000
"""Milliseconds after which a raw alert that still waits has been left by the process it came to (S40)."""


@dataclass(frozen=True, slots=True)
class Shared:
    """What an engine needs to be one of several."""

    queue: JobQueue
    conninfo: str
    membership: Membership
    zones: tuple[str, ...]
    calls: CallWorker


Turn = Callable[[], Awaitable[None]]


class Membership:
    """This process among the others."""

    def __init__(self, store: Store, clock: Clock, process: Process, *, may_keep: bool) -> None:
        self._store = store
        self._clock = clock
        self._process = process
        self._may_keep = may_keep
        self._claimed: float | None = None
        self._keeping = False
        self._reloaded: Millis | None = None
        self._reload: Turn = _nothing
        self._begin: list[Turn] = []
        self._end: list[Turn] = []
        self.others: list[Process] = []
        """Who was alive when this was last asked, this one among them."""

    def while_keeping(self, begin: Turn, end: Turn) -> None:
        """What is begun when the duty comes, and ended when it goes."""
        self._begin.append(begin)
        self._end.append(end)

    def when_asked_to_reload(self, turn: Turn) -> None:
        """What takes the files up anew."""
        self._reload = turn

    @property
    def keeps(self) -> bool:
        """Whether this process is the keeper at this moment."""
        return self._claimed is not None and self._clock.monotonic() - self._claimed < SURE

    def lacking(self, zone: str) -> str | None:
        """Why nobody can make calls in that zone now; None where somebody can."""
        if zone in self._process.zones or any(zone in one.zones for one in self.others):
            return None
        return f"no worker of zone '{zone}' is alive; start one with soar worker --zone {zone}"

    async def alone(self) -> None:
        """For a command that would do the work of an engine: only where nobody else does.

        Raises:
            StoreBusy: somebody does.
        """
        others = await self._store.processes.alive(self._clock.now())
        if others:
            raise StoreBusy(f"{len(others)} processes work on this database; they do what is to be done")

    def share(self) -> Share:
        """Which raw alerts this process takes on: those who take them in share them evenly."""
        takers = sorted(one.id for one in self.others if one.kind != "worker")
        place = takers.index(self._process.id) if self._process.id in takers else -1
        return Share(place, max(len(takers), 1), self._clock.now() - LEFT)

    async def beat(self) -> None:
        """Say that it is alive, and claim or keep the duty; what changes by that is done at once."""
        asked = self._clock.monotonic()
        try:
            await self._store.processes.beat(self._process, self._clock.now())
            if self._may_keep and await self._store.processes.claim(KEEPER, self._process.id, self._clock.now()):
                self._claimed = asked
            else:
                self._claimed = None
            if isinstance(self._clock, FollowedClock):
                looked = self._clock.monotonic()
                now = await self._store.now()
                self._clock.follow(now, (self._clock.monotonic() - looked) / 2)
            await self._heed(await self._store.processes.reload_asked())
            self.others = await self._store.processes.alive(self._clock.now())
        except StoreError as error:
            log.warning("this process cannot say that it is alive", reason=str(error))
        await self._turn()

    async def _heed(self, asked: Millis) -> None:
        """Take up the files anew when that was asked for since this was last looked at."""
        before, self._reloaded = self._reloaded, asked
        if before is not None and asked > before:
            await self._reload()

    async def leave(self) -> None:
        """End in order."""
        self._claimed = None
        await self._turn()
        try:
            await self._store.processes.leave(self._process.id)
        except StoreError as error:
            log.warning("this process could not sign off", reason=str(error))

    async def _turn(self) -> None:
        if self.keeps == self._keeping:
            return
        self._keeping = self.keeps
        log.info("this process keeps the others' house" if self._keeping else "another process is the keeper now")
        for turn in self._begin if self._keeping else self._end:
            await turn()


async def _nothing() -> None:
    """Nobody has said what a reload is."""
