"""The embedded engine: a ready queue rebuilt by a scan, activations side by side, and bells for what is due."""

from __future__ import annotations

import asyncio
import contextlib
import heapq
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import structlog

from soar.clock import Clock, Millis, SystemClock
from soar.engine.activation import Activation
from soar.engine.around import Around, nothing_wanted
from soar.engine.artefacts import with_artefacts
from soar.engine.bells import Bells
from soar.engine.calls import CallMaker
from soar.engine.children import Children
from soar.engine.clearance import Guardrails
from soar.engine.drift import Upkeep, Watch
from soar.engine.history import History
from soar.engine.loading import Loader
from soar.engine.pinned import PinnedPlaybooks
from soar.engine.poison import Quarantine
from soar.engine.registrar import EVERY, Registrar
from soar.engine.requests import Requests
from soar.errors import DefinitionError, LeaseLost, NotFound, SoarError, StoreError, StoreUnavailable
from soar.model.action import Connections
from soar.model.alert import Alert
from soar.model.execution import FINAL, Execution
from soar.model.playbook import Playbook
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit

log = structlog.get_logger(__name__)

WATCH: Final = 0.25
"""Seconds between looks for what other processes wrote (S42)."""
SWEEP: Final = 5.0
"""Seconds between sweeps, the safety net under every wake-up (S40)."""


Rank = tuple[bool, bool, int, int]
"""What goes first: what has to run alone, lifts, then by the playbook's priority, then by severity."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How much is done at once."""

    active: int = 500
    """Executions worked on side by side."""
    scan: int = 2_000
    """Rows one scan brings in."""
    on_failure: float = 900.0
    """Seconds for a playbook's own `on_failure`, and for its `finally`."""
    timeout: float = 7 * 86_400.0
    """Seconds for a sub-playbook that names no timeout of its own."""
    items: int = 10_000
    """Items that one `for_each` may go over."""


def unmasked(given: Any) -> Any:
    """Nothing is secret: for tests."""
    return given


class Engine:
    """Owns every execution of its database; others leave signals and wake it."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        playbooks: PinnedPlaybooks,
        clock: Clock | None = None,
        limits: Limits | None = None,
        *,
        guardrails: Guardrails | None = None,
        mask: Callable[[Any], Any] = unmasked,
        wanted: Callable[[str], bool] = nothing_wanted,
        upkeep: Upkeep | None = None,
    ) -> None:
        self._store = store
        self._connections = connections
        self._playbooks = playbooks
        self._clock = clock or SystemClock()
        self._limits = limits or Limits()
        self._guardrails = guardrails or Guardrails()
        self._mask = mask
        self._wanted = wanted
        self._children = Children(playbooks, self._limits.timeout)
        upkeep, stops = upkeep or Upkeep(), self._guardrails.stops
        self._held = Watch(store, connections, self._clock, stops, upkeep, wanted)
        self._registrar = Registrar(store, self._clock)
        self._loader = Loader(store, connections, playbooks, self._clock, self._guardrails)
        self._quarantine = Quarantine(store, self._clock, wanted, self._fill)
        self._ready: list[tuple[Rank, Millis, str, Execution]] = []
        self._queued: set[str] = set()
        self._signalled: set[str] = set()
        """Queued here, and told something meanwhile."""
        self._halted: set[str] = set()
        """Parked because a stop switch holds one of their calls."""
        self._active: dict[str, Activation] = {}
        self._set_aside: set[str] = set()
        self._woken = False
        self._tasks: set[asyncio.Task[None]] = set()
        self._bells: Bells | None = None
        self._stopping = False
        self._scanning = asyncio.Lock()

    @property
    def running(self) -> bool:
        return self._bells is not None and not self._stopping

    @property
    def backlog(self) -> int:
        """Executions that are ready and wait for a place."""
        return len(self._ready)

    @property
    def active(self) -> int:
        return len(self._active)

    @property
    def waits_for(self) -> int | None:
        """How many calls and timers all activations wait for; None while one has something to do itself."""
        waits = [activation.waits_for for activation in self._active.values()]
        return None if None in waits else sum(filter(None, waits))

    async def start(self) -> None:
        """Take over what a dead process left running, take up what is ready, and start the bells."""
        await self._guardrails.stops.refresh(self._store)
        await self.take_over(unclean=await self._store.suspects.begin())
        await self.scan()
        self._bells = Bells()
        self._bells.every(WATCH, "watch", self._watch)
        self._bells.every(EVERY, "registrar", self._registrar.tick)
        self._bells.every(SWEEP, "sweep", self._sweep)
        self._bells.every(SWEEP, "upkeep", self.look_after)
        self._bells.start()
        await self._set_bell()

    async def take_over(self, *, unclean: bool = True) -> None:
        """What was running belonged to a process that is gone: it is ours now, from its facts on.

        `unclean`: that process died, perhaps of one of them (S24).
        """
        suspects = await self._quarantine.begin(unclean=unclean)
        for execution in [*suspects, *await self._store.executions.interrupted()]:
            self._push(execution)

    async def stop(self, grace: float = 5.0) -> None:
        """Start nothing new, let calls under way end, and give the rest back to the queue."""
        self._stopping = True
        if self._bells is not None:
            await self._bells.stop(grace)
        left = list(self._active)
        for activation in self._active.values():
            activation.stop()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if left:
            await self._store.executions.release(left)
        if self._bells is not None:
            with contextlib.suppress(StoreError):
                await self._store.suspects.end()

    def wake(self, executions: Iterable[Execution], alerts: Mapping[str, Alert] | None = None) -> None:
        """Take up executions that were just opened; their alerts, where at hand, need not be read again."""
        for execution in executions:
            self._push(execution)
            alert = (alerts or {}).get(execution.alert_id or "")
            if alert is not None:
                self._loader.keep(alert)
        self._fill()

    async def scan(self) -> None:
        """Take up whatever is ready by the rows."""
        if self._stopping:
            return
        async with self._scanning:
            now = self._clock.now()
            for execution in await self._store.executions.ready(now, self._limits.scan):
                self._push(execution)
            await self._store.containments.release_expired(now)
            await self._store.approvals.advance(now)
            for execution in await self._store.executions.ready(now, self._limits.scan):
                self._push(execution)
        self._fill()

    async def settle(self) -> None:
        """Wait until nothing is ready and nothing is under way."""
        await self.scan()
        while self._tasks or self._ready:
            self._fill()
            if self._tasks:
                await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
            if not self._tasks and not self._ready:
                await self.scan()

    async def next_due(self) -> Millis | None:
        """The earliest instant at which something parked or held comes due."""
        dues = [
            await self._store.executions.next_due(),
            await self._store.containments.next_expiry(),
            await self._store.approvals.next_due(),
        ]
        return min((due for due in dues if due is not None), default=None)

    # -- the queue ----------------------------------------------------------------------------

    def _push(self, execution: Execution) -> None:
        known = execution.id in self._active or execution.id in self._queued or execution.id in self._set_aside
        if known or execution.state in FINAL:
            return
        self._queued.add(execution.id)
        # A lift goes before everything else: what we did must be taken back on time (S33).
        first = (not self._quarantine.suspected(execution), execution.kind != "lift")
        rank = (*first, -execution.priority, -execution.severity_id)
        heapq.heappush(self._ready, (rank, execution.opened_at, execution.id, execution))

    def _fill(self) -> None:
        while self._ready and self._has_room:
            execution = heapq.heappop(self._ready)[3]
            self._queued.discard(execution.id)
            self._quarantine.enter(execution.id)
            # Not an activation yet, but no second one may begin meanwhile.
            self._active[execution.id] = NOT_YET
            task = asyncio.create_task(self._run(execution))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    @property
    def _has_room(self) -> bool:
        return len(self._active) < self._limits.active and not self._stopping and self._quarantine.alone is None

    async def _run(self, execution: Execution) -> None:
        await self._guarded(execution.id, self._activate(execution))

    async def _guarded(self, execution_id: str, work: Awaitable[bool]) -> None:
        """The worker's edge: one execution never stops the others, nor is it tried again and again."""
        moved = True
        try:
            moved = await work
        except LeaseLost as error:
            log.warning("execution has another owner", execution=execution_id, reason=str(error))
        except StoreUnavailable as error:
            log.warning("execution put back", execution=execution_id, reason=str(error))
        except Exception as error:
            log.exception("the engine failed on an execution", execution=execution_id)
            await self._broke(execution_id, error)
        finally:
            self._active.pop(execution_id, None)
            self._quarantine.clear(execution_id)
            self._fill()
        if moved:
            await self._set_bell()
        if self._woken:
            self._woken = False
            await self.look()

    async def _broke(self, execution_id: str, error: Exception) -> None:
        try:
            await self._quarantine.broke(execution_id, error)
        except Exception:
            log.exception("execution left until the next start", execution=execution_id)
            self._set_aside.add(execution_id)

    async def _activate(self, execution: Execution) -> bool:
        """Drive one execution; True when it may have moved the next bell."""
        # Before anything is read: its last owner may be frozen, not dead, and must not write behind it.
        fresh = execution.state == "queued" and execution.epoch == 0 and execution.rerun_of is None
        execution, takes = await self._quarantine.take(execution)
        signalled = execution.epoch > 0 or execution.slot_key is not None
        return await self._carry(execution, takes, fresh=fresh, signalled=signalled)

    async def _carry(self, execution: Execution, takes: int, *, fresh: bool, signalled: bool) -> bool:
        """Drive one that is ours; `fresh`: it has no history yet, `signalled`: others may have left something."""
        try:
            playbook, calls, alert = await self._loader.load(execution)
        except (NotFound, DefinitionError) as error:
            await self._give_up(execution, error)
            return False
        facts = [] if fresh else await self._store.executions.facts(execution.id)
        limit = round(self._limits.on_failure * 1000)
        facts = await with_artefacts(facts, self._store)
        history = History(execution, alert, facts, self._clock.now(), limit, self._limits.items)
        if await self._quarantine.aside(execution, history, takes):
            return False
        around = self._around(execution, playbook, calls)
        activation = Activation(execution, playbook, history, around, signalled=signalled)
        self._active[execution.id] = activation
        if execution.id in self._signalled:
            self._signalled.discard(execution.id)
            activation.poke()
        if self._stopping:
            activation.stop()
        await activation.drive()
        self._woken = self._woken or activation.woken
        if activation.halted:
            self._halted.add(execution.id)
        return activation.timed

    def _around(self, execution: Execution, playbook: Playbook, calls: CallMaker) -> Around:
        requests = Requests(self._connections, execution, playbook.author, self._mask)
        written = partial(self._quarantine.clear, execution.id)
        return Around(self._store, self._clock, calls, requests, self._children, self._wanted, written)

    async def _give_up(self, execution: Execution, error: SoarError) -> None:
        """What cannot even be loaded ends as failed and says why; it never stays for ever."""
        failure = {"step": "", "kind": "internal", "message": str(error)}
        change = ExecutionChange("failed", finished_at=self._clock.now(), error=failure)
        await self._store.executions.commit(
            ExecutionUnit(execution.id, execution.epoch, take=True, facts=[], change=change)
        )

    # -- the bells ----------------------------------------------------------------------------

    async def _watch(self) -> None:
        if await self._store.changed():
            await self.look()

    async def look(self) -> None:
        """Somebody else has written: signals for executions under way, what is ready, switches that were turned."""
        for execution_id in await self._store.executions.signalled():
            activation = self._active.get(execution_id)
            if activation is not None:
                activation.poke()
            elif execution_id in self._queued:
                self._signalled.add(execution_id)
        if await self._guardrails.stops.refresh(self._store):
            await self.released()
        await self.scan()
        await self._set_bell()

    async def released(self) -> None:
        """A stop switch was released: what it held is taken up again."""
        halted, self._halted = self._halted, set()
        for execution_id in halted:
            execution = await self._store.executions.get(execution_id)
            if execution.state == "parked":
                self._push(execution)
        self._fill()

    async def _sweep(self) -> None:
        await self._store.executions.free_slots()
        await self.scan()

    async def look_after(self) -> None:
        """See to what is held: whether it is still there, and who is to know that it ends soon."""
        await self._held.announce()
        self.wake(await self._held.round())

    async def _set_bell(self) -> None:
        """One bell for the earliest due time, however many executions are parked (S43)."""
        due = await self.next_due()
        if due is not None and self._bells is not None and not self._stopping:
            self._bells.at(max(due, self._clock.now() + 1), "bell", self._ring)

    async def _ring(self) -> None:
        await self.scan()
        await self._set_bell()


class _NotYet(Activation):
    """Holds the place of an execution whose history is being read."""

    def __init__(self) -> None:  # it has no parts on purpose: it only holds a place
        self.waits_for = None

    def stop(self) -> None:
        """Nothing is under way yet."""

    def poke(self) -> None:
        """Its signals are read when it begins."""


NOT_YET = _NotYet()
