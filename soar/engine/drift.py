"""Looking after what is held: is it still there, and who is to know that it is about to end (S35)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from soar.clock import Clock
from soar.engine.joining import look, stored_calls
from soar.engine.stops import StopSwitches
from soar.errors import NotFound
from soar.model.action import Connections
from soar.model.containment import Containment
from soar.model.execution import Execution
from soar.store import Store

log = structlog.get_logger(__name__)

SIDE_BY_SIDE: Final = 8
"""Looks at one time."""
BATCH: Final = 64
"""Containments that one round looks at; the next ones follow with the next round."""
_LOOK: Final = 10.0
"""Seconds for one look; systems that are away are asked again later."""


@dataclass(frozen=True, slots=True)
class Upkeep:
    """How what is held is looked after."""

    check: float | None = 300.0
    """Seconds between two looks at one containment; None never looks."""
    reapply: int = 3
    """How often in a day one that is gone is made again; then it is left to a person. 0: never."""
    notice: float = 900.0
    """Seconds before its end in which an expiry is announced."""


class Watch:
    """Asks each system, by the read that its connector's action names, whether what is held is there."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        clock: Clock,
        stops: StopSwitches,
        upkeep: Upkeep,
        wanted: Callable[[str], bool],
    ) -> None:
        self._store = store
        self._connections = connections
        self._clock = clock
        self._stops = stops
        self._upkeep = upkeep
        self._wanted = wanted

    async def announce(self) -> None:
        """Tell who listens what is about to expire."""
        if self._wanted("containment.expiring"):
            await self._store.drift.announce(round(self._upkeep.notice * 1000), self._clock.now())

    async def round(self) -> list[Execution]:
        """Look at those whose turn it is; the executions that make again what is gone."""
        if self._upkeep.check is None:
            return []
        before = self._clock.now() - round(self._upkeep.check * 1000)
        due = await self._store.drift.due(before, BATCH)
        places = asyncio.Semaphore(SIDE_BY_SIDE)

        async def one(containment_id: str) -> Execution | None:
            async with places:
                return await self._look(containment_id)

        opened = await asyncio.gather(*(one(containment_id) for containment_id in due))
        return [execution for execution in opened if execution is not None]

    async def _look(self, containment_id: str) -> Execution | None:
        seen = await self._store.containments.get(containment_id)
        told = await self._told(seen)
        now = self._clock.now()
        if told == "absent":
            tell = self._wanted("containment.drift")
            again = await self._store.drift.missing(seen, self._upkeep.reapply, now, tell=tell)
            if seen.missing_since is None:
                about = {"target": seen.target, "connection": seen.connection, "reapplies": again is not None}
                log.warning("what is held is gone from its system", containment=seen.id, **about)
            return again
        if told == "done":
            await self._store.drift.standing(seen, now)
        else:
            await self._store.drift.unclear(seen, now)
        return None

    async def _told(self, seen: Containment) -> str:
        """`done`, `absent`, or that it cannot be told: no way to ask, a stop switch, a system that is away."""
        if self._stops.reason(seen.connection, None) is not None:
            return "unknown"
        try:
            verifies = all(self._connections.spec(call.name).verifies for call in stored_calls(seen))
        except NotFound:
            return "unknown"
        if not verifies:
            return "unknown"
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_LOOK):
                return (await look(self._connections, seen, _LOOK)).kind
        return "unknown"
