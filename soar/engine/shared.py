"""The engine as one of several on a database: jobs of the queue say what is to be taken up, by whoever is free.

The one path is the embedded engine's own, from a taken execution to its rest. What differs is how one comes to it: a
job names an execution, and the take accepts it only by the job that its row names (S39).
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

import structlog

from soar.clock import Millis
from soar.engine.bells import Bells
from soar.engine.membership import BEAT, Shared
from soar.engine.registrar import EVERY
from soar.engine.worker import NOT_YET, SWEEP, Engine
from soar.errors import CommitUnknown, StoreError
from soar.ids import new_id
from soar.model.alert import Alert
from soar.model.execution import Execution
from soar.store.store import PRUNED
from soar.store.takes import Asked, Taken
from soar.store.units import Signal

log = structlog.get_logger(__name__)

LOOK: Final = 0.4
"""Seconds between looks for what others left for executions under way here, and for stop switches."""
PRUNE: Final = 60.0
KEPT: Final[Millis] = 3_600_000
"""Milliseconds for which the queue's own log is kept."""


class SharedEngine(Engine):
    """Works on what the queue hands it; shares nothing with the others but the database."""

    def __init__(
        self,
        *args: Any,
        shared: Shared,
        **options: Any,
    ) -> None:
        super().__init__(*args, **options)
        self._queue = shared.queue
        self._url = shared.conninfo
        self._membership = shared.membership
        self._zones = shared.zones
        self._calls = shared.calls
        self._feeding: asyncio.Task[None] | None = None
        self._room = asyncio.Event()

    async def start(self) -> None:
        """Begin to take up what the queue hands out."""
        await self._guardrails.stops.refresh(self._store)
        await self._membership.beat()
        self._bells = Bells()
        self._bells.every(LOOK, "watch", self.look)
        self._bells.every(BEAT, "beat", self._membership.beat)
        self._bells.every(EVERY, "registrar", self._registered)
        self._bells.every(SWEEP, "sweep", self._sweep)
        self._bells.every(SWEEP, "upkeep", self.look_after)
        self._bells.every(PRUNE, "prune", self._prune)
        self._bells.start()
        self._feeding = asyncio.create_task(self._queue.run(self._url, self._zones, self._take_up, self._limits.active))

    async def stop(self, grace: float = 5.0) -> None:
        """Take nothing more, let calls under way end, and give the rest back to the queue."""
        self._stopping = True
        for activation in self._active.values():
            activation.stop()
        await self._queue.stop(grace)
        if self._feeding is not None:
            await asyncio.gather(self._feeding, return_exceptions=True)
        await super().stop(grace)
        await self._membership.leave()

    def wake(self, executions: Iterable[Execution], alerts: Mapping[str, Alert] | None = None) -> None:
        """Their jobs were written with them: whoever is free takes them up."""

    async def scan(self) -> None:
        """What comes due by itself: one looks for all."""
        if self._stopping or not self._membership.keeps:
            return
        now = self._clock.now()
        await self._store.containments.release_expired(now)
        await self._store.approvals.advance(now)

    async def next_due(self) -> Millis | None:
        """The earliest instant at which something held or asked comes due; parked executions have their jobs."""
        if not self._membership.keeps:
            return None
        dues = [await self._store.containments.next_expiry(), await self._store.approvals.next_due()]
        return min((due for due in dues if due is not None), default=None)

    async def released(self) -> None:
        """A stop switch was released: what it held here is told to look again."""
        halted, self._halted = self._halted, set()
        now = self._clock.now()
        for execution_id in halted:
            await self._store.executions.signal(Signal(new_id(), execution_id, "wake", {}, now))

    async def look_after(self) -> None:
        """See to what is held: one does it for all."""
        if self._membership.keeps:
            await super().look_after()

    # -- what the queue hands out -------------------------------------------------------------

    async def _take_up(self, execution_id: str, job_id: int) -> None:
        """One job, to its end: back when the execution rests, or when this job is not the one to take it up."""
        try:
            if not await self._begun(execution_id, job_id, suspect=False):
                found = await self._store.executions.peek(execution_id)
                if found is not None and found[1] > 0:
                    await self._begun(execution_id, job_id, suspect=True)
        except StoreError as error:
            log.warning("a job was put back", execution=execution_id, reason=str(error))

    async def _begun(self, execution_id: str, job_id: int, *, suspect: bool) -> bool:
        """Whether this job was the one to take it up; then it rests now.

        One that may have killed its last owner begins while nothing else does, until it has written something (S24).
        """
        while self._quarantine.alone is not None and not self._stopping:
            self._room.clear()
            await self._room.wait()
        if self._stopping or execution_id in self._active:
            return True  # it is left to others; or its owner is here, and alive
        self._active[execution_id] = NOT_YET
        if suspect:
            self._quarantine.suspect(execution_id)
        taken = None
        try:
            asked = Asked(execution_id, job_id, self._clock.now(), suspect)
            taken = await self._taken(asked)
        finally:
            if taken is None:
                self._quarantine.clear(execution_id)
                self._active.pop(execution_id, None)
        if taken is not None:
            await self._carried(taken)
        return taken is not None

    async def _taken(self, asked: Asked) -> Taken | None:
        """What was taken up by that; asked once more when the answer was lost, which is nobody's death (S41)."""
        while True:
            try:
                return await self._store.executions.take(asked)
            except CommitUnknown as error:
                log.warning("asked once more to take up", execution=asked.execution_id, reason=str(error))
                asked = replace(asked, again=True)

    async def _carried(self, taken: Taken) -> None:
        execution = taken.execution
        if execution.kind == "call":
            work = self._calls.carry(execution, taken.takes)
        else:
            fresh = execution.epoch == 1 and execution.rerun_of is None
            work = self._carry(execution, taken.takes, fresh=fresh, signalled=taken.signalled)
        # In a task of its own: an orderly stop waits for those, as in the embedded engine.
        task = asyncio.create_task(self._guarded(execution.id, work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.wait([task])

    def _fill(self) -> None:
        """There is room again for what waits for its turn."""
        self._room.set()

    # -- what one does for all ----------------------------------------------------------------

    async def _registered(self) -> None:
        if self._membership.keeps:
            await self._registrar.tick()

    async def _sweep(self) -> None:
        if not self._membership.keeps:
            return
        await self._store.executions.free_slots()
        lost = await self._store.executions.sweep(self._queue.live, self._clock.now())
        if lost:
            log.warning("executions were given a new job", executions=lost)
        await self.scan()

    async def _prune(self) -> None:
        """Some rows at a time, so that nobody waits long for the one who writes."""
        while self._membership.keeps and await self._store.prune_queue(self._clock.now() - KEPT) == PRUNED:
            pass
