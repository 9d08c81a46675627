"""Calls through connections of another zone are made by a worker of that zone (S44).

The activation never moves: to it, such a connection is one that answers a little later. The call goes through the
database as a small execution of its own, with the key it has anyway; whoever takes it up makes it once, and one that
died of it leaves an outcome that nobody knows, which the activation makes sure of as of any other.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import asdict
from typing import Any, Final

import structlog

from soar.clock import Clock, Millis
from soar.engine.stops import StopSwitches
from soar.errors import StoreError
from soar.ids import derived_id, new_id
from soar.model.action import ActionCall, ActionSpec, Connections, Outcome, Prepared, UndoCall
from soar.model.execution import Execution
from soar.model.lease import current_lease
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit

log = structlog.get_logger(__name__)

LOOK: Final = 0.05
"""Seconds between looks for calls that are over; one look is for all that are waited for."""
LOST: Final = 15.0
"""Seconds beyond a call's own time after which nobody waits for its end: its worker died, and so did the next one."""
FRESH: Final = 2.0
"""Seconds after it was taken up in which a call is begun without looking at the epoch again (S20)."""


class ZonedConnections:
    """Connections, wherever they are reached from: as the engine sees them, all are alike."""

    def __init__(
        self,
        own: Connections,
        zone_of: Callable[[str], str],
        zones: tuple[str, ...],
        store: Store,
        clock: Clock,
        mask: Callable[[Any], Any],
    ) -> None:
        self._own = own
        self._zone_of = zone_of
        self._zones = zones
        self._store = store
        self._clock = clock
        self._mask = mask
        self._waiting: dict[str, asyncio.Future[Any]] = {}
        self._looking: asyncio.Task[None] | None = None

    def spec(self, name: str) -> ActionSpec:
        return self._own.spec(name)

    def prepare(self, name: str, inputs: Mapping[str, Any]) -> Prepared:
        return self._own.prepare(name, inputs)

    def fingerprint(self, name: str) -> str:
        return self._own.fingerprint(name)

    async def perform(self, call: ActionCall) -> Outcome:
        zone = self._foreign(call.name)
        if zone is None or call.simulated:
            return await self._own.perform(call)
        identity = derived_id(call.execution_id, call.path, "call", call.attempt)
        return await self._asked(identity, zone, {"perform": asdict(call)}, call.inputs, call.timeout)

    async def verify(self, call: ActionCall) -> Outcome:
        zone = self._foreign(call.name)
        if zone is None or call.simulated:
            return await self._own.verify(call)
        told = await self._asked(new_id(), zone, {"verify": asdict(call)}, call.inputs, call.timeout)
        return told if told.kind in ("done", "absent", "unknown") else Outcome("unknown", message=told.message)

    async def undo(self, call: UndoCall, *, key: str, timeout: float) -> Outcome:  # the protocol's
        zone = self._foreign(call.name)
        if zone is None:
            return await self._own.undo(call, key=key, timeout=timeout)
        asked = {"undo": asdict(call), "key": key, "timeout": timeout}
        return await self._asked(new_id(), zone, asked, call.inputs, timeout)

    def _foreign(self, name: str) -> str | None:
        zone = self._zone_of(name.partition(".")[0])
        return None if zone in self._zones else zone

    async def _asked(
        self, identity: str, zone: str, asked: Mapping[str, Any], inputs: Mapping[str, Any], seconds: float
    ) -> Outcome:
        """Have it made there, and wait for what becomes of it."""
        if self._mask(inputs) != inputs:
            message = (
                f"its values hold a secret, and calls into zone '{zone}' go through the database; nothing was sent"
            )
            return Outcome("refused", message=f"{message}: let the connection carry the secret", sent=False)
        now = self._clock.now()
        try:
            await self._store.calls.open(identity, zone, asked, now, now + round(seconds * 1000))
            return await self._ended(identity, zone, seconds)
        except StoreError as error:
            return Outcome("unknown", message=f"the call into zone '{zone}' is out of sight: {error}")
        except asyncio.CancelledError:
            await self._withdraw(identity)
            raise

    async def _ended(self, identity: str, zone: str, seconds: float) -> Outcome:
        try:
            async with asyncio.timeout(seconds):
                told = await self._end_of(identity)
        except TimeoutError:
            if await self._withdraw(identity):
                message = f"no worker of zone '{zone}' took the call up within {seconds:g} s"
                return Outcome("unavailable", message=message, sent=False, error_kind="timeout")
            try:
                async with asyncio.timeout(seconds + LOST):
                    told = await self._end_of(identity)
            except TimeoutError:
                return Outcome("unknown", message=f"nothing was heard of the call in zone '{zone}'")
        if told is None:
            return Outcome("unavailable", message=f"the call into zone '{zone}' was not begun in time", sent=False)
        return Outcome(**told)

    async def _withdraw(self, identity: str) -> bool:
        try:
            return await self._store.calls.withdraw(identity, self._clock.now())
        except StoreError as error:
            log.warning("a call in another zone could not be taken back", call=identity, reason=str(error))
            return False

    # -- one look for all ---------------------------------------------------------------------

    async def _end_of(self, identity: str) -> Any:
        future = self._waiting.setdefault(identity, asyncio.get_running_loop().create_future())
        if self._looking is None or self._looking.done():
            self._looking = asyncio.create_task(self._look())
        try:
            return await asyncio.shield(future)
        finally:
            if future.done():
                self._waiting.pop(identity, None)

    async def _look(self) -> None:
        while self._waiting:
            try:
                over = await self._store.calls.ended(list(self._waiting))
            except StoreError as error:
                log.warning("calls in other zones are out of sight", reason=str(error))
                over = {}
            for identity, told in over.items():
                future = self._waiting.pop(identity, None)
                if future is not None and not future.done():
                    future.set_result(told)
            await asyncio.sleep(LOOK)


class CallWorker:
    """Makes the calls that processes of other zones ask for."""

    def __init__(self, store: Store, own: Connections, clock: Clock, stops: StopSwitches) -> None:
        self._store = store
        self._own = own
        self._clock = clock
        self._stops = stops

    async def carry(self, execution: Execution, takes: int) -> bool:
        """Make one that was taken up, and say what became of it."""
        taken = self._clock.monotonic()
        outcome = await self._outcome(execution, takes, taken)
        change = ExecutionChange("succeeded", finished_at=self._clock.now(), outputs=asdict(outcome))
        unit = ExecutionUnit(execution.id, execution.epoch, take=True, change=change)
        await self._store.executions.commit(unit)
        return False

    async def _outcome(self, execution: Execution, takes: int, taken: float) -> Outcome:
        asked = execution.inputs
        if takes > 1 and "verify" not in asked:
            return Outcome("unknown", message="the worker that made this call died before its answer was on record")
        now: Millis = self._clock.now()
        if now > execution.deadline_at:
            return Outcome("unavailable", message="its time was over before a worker of its zone began", sent=False)
        given = next(asked[name] for name in ("perform", "verify", "undo") if name in asked)
        held = self._stops.reason(str(given["name"]).partition(".")[0], None)
        if held is not None and "perform" in asked:
            return Outcome("unavailable", message=held, sent=False)

        async def owned() -> None:
            if self._clock.monotonic() - taken > FRESH:
                await self._store.executions.confirm(execution.id, execution.epoch)

        current_lease.set(owned)
        await owned()
        if "perform" in asked:
            return await self._own.perform(ActionCall(**given))
        if "verify" in asked:
            return await self._own.verify(ActionCall(**given))
        return await self._own.undo(UndoCall(**given), key=asked["key"], timeout=asked["timeout"])
