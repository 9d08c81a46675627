"""The one loop: decide, write, perform, until the execution is finished, waits, or is no longer ours."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Final

import structlog

from soar.clock import Clock, Millis
from soar.engine.calls import CallMaker, Ready, outcome_fact
from soar.engine.decide import decide
from soar.engine.history import History
from soar.engine.round import Round, Wait
from soar.errors import StoreUnavailable, TargetBusy
from soar.ids import derived_id
from soar.model.action import Outcome
from soar.model.execution import Execution, Fact, Question
from soar.model.playbook import Playbook
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit, LedgerChange, LiftEnded, Settle, Signal

log = structlog.get_logger(__name__)

STAY: Final[Millis] = 5_000
"""A pause up to this long is waited for here; a longer one parks the execution (S17)."""
SLOW_CALL: Final = 0.25
"""Seconds after which what led to a call that is still under way is written, for people to see."""
STORE_PAUSE: Final = 1.0
TARGET_PAUSE: Final = 0.5


@dataclass(slots=True)
class Pending:
    """What happened and is not committed yet."""

    facts: list[Fact] = field(default_factory=list)
    ledger: list[LedgerChange] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    urgent: bool = False
    """Something in it counts from now on, a step's start for its timeout: write it before waiting."""


class Activation:
    """One execution, worked on by its owner."""

    def __init__(
        self, execution: Execution, playbook: Playbook, history: History, calls: CallMaker, store: Store, clock: Clock
    ) -> None:
        self.execution = execution
        self.timed = False
        """It left something that comes due: a parked timer, or a hold with an expiry."""
        self.woken = False
        """It parked, but somebody had left a signal meanwhile: it is to be taken up again at once."""
        self._playbook = playbook
        self._history = history
        self._calls = calls
        self._store = store
        self._clock = clock
        self._epoch = execution.epoch
        self._taken = False
        self._pending = Pending()
        self._stopping = False

    def stop(self) -> None:
        """Start nothing new; what is under way may end."""
        self._stopping = True

    async def drive(self) -> None:
        """Carry the execution forward until it rests.

        Raises:
            LeaseLost: it has another owner; nothing of ours was written since.
        """
        await self._read_signals()
        while True:
            round = self._decide()
            if round.finish is not None:
                await self._commit(self._finished(round))
                return
            ready = self._ready(round)
            if ready is None:
                continue
            if self._stopping:
                await self._commit(ExecutionChange("queued"))
                return
            if ready:
                if await self._write_ahead(ready):
                    await self._perform(ready)
                    self._take_due(round.waits)
            elif not await self._rest(round):
                return

    def _decide(self) -> Round:
        self._history.move_to(self._clock.now())
        round = decide(self._playbook, self._history)
        pending = self._pending
        pending.facts += round.facts
        pending.urgent = pending.urgent or any(fact.kind == "entered" for fact in round.facts)
        pending.questions += [self._question(ask.path, ask.attempt, ask.action, ask.message) for ask in round.asks]
        return round

    def _question(self, path: str, attempt: int, action: str, message: str) -> Question:
        identity = derived_id(self.execution.id, path, "question", attempt)
        return Question(identity, self.execution.id, path, attempt, action, message, self._history.now)

    def _ready(self, round: Round) -> list[Ready] | None:
        """The calls to make now; None when one of them turned out not to be makeable, so decide again."""
        calls: list[Ready] = []
        for run in round.runs:
            ready = self._calls.ready(run, self._history)
            if isinstance(ready, Fact):
                self._take_in(ready)
                return None
            calls.append(ready)
        return calls

    def _take_in(self, fact: Fact) -> None:
        self._history.add(fact)
        self._pending.facts.append(fact)

    # -- writing ------------------------------------------------------------------------------

    async def _write_ahead(self, calls: list[Ready]) -> bool:
        """Commit the attempts of changing calls before they are sent; False when a target is being lifted."""
        facts = [fact for ready in calls for fact in ready.facts]
        if not facts and not self._pending.urgent:
            return True
        ledger = [change for ready in calls for change in ready.ledger]
        try:
            await self._commit(None, facts, ledger)
        except TargetBusy:
            await self._commit(None)
            await self._clock.sleep(TARGET_PAUSE)
            return False
        for fact in facts:
            self._history.add(fact)
        return True

    async def _commit(
        self, change: ExecutionChange | None, facts: list[Fact] | None = None, ledger: list[LedgerChange] | None = None
    ) -> None:
        """Write all that is pending, and this with it, as one unit. A store that cannot write is waited for (S20)."""
        pending = self._pending
        unit = ExecutionUnit(
            execution_id=self.execution.id,
            epoch=self._epoch,
            take=not self._taken,
            facts=[*pending.facts, *(facts or ())],
            change=change,
            ledger=[*pending.ledger, *(ledger or ())],
            questions=list(pending.questions),
            read_signals=list(pending.signals),
        )
        if change is not None and change.state in ("succeeded", "failed"):
            unit.ledger += self._lift_ended(change)
        if unit.empty and self._taken:
            return
        while True:
            try:
                self.woken = await self._store.executions.commit(unit)
                break
            except StoreUnavailable as error:
                log.warning("history not written, trying again", execution=self.execution.id, reason=str(error))
                await self._clock.sleep(STORE_PAUSE)
        if not self._taken:
            self._taken, self._epoch = True, self._epoch + 1
        self.timed = self.timed or bool(unit.ledger) or (change is not None and change.due_at is not None)
        self._pending = Pending()

    def _lift_ended(self, change: ExecutionChange) -> list[LedgerChange]:
        if self.execution.containment_id is None:
            return []
        lifted = change.state == "succeeded"
        return [LiftEnded(self.execution.containment_id, "lifted" if lifted else "stuck", self._history.now)]

    def _finished(self, round: Round) -> ExecutionChange:
        finish = round.finish
        if finish is None:
            raise ValueError("the round does not finish the execution")
        return ExecutionChange(finish.state, finished_at=self._history.now, error=finish.error, message=finish.message)

    # -- performing ---------------------------------------------------------------------------

    async def _perform(self, calls: list[Ready]) -> None:
        """Make the calls side by side and take in what became of them."""
        started = self._clock.now()
        if len(calls) == 1 and not self._pending.facts and self._taken:
            self._learn(calls[0], await self._calls.outcome(calls[0]), started)
        else:
            tasks = [asyncio.create_task(self._calls.outcome(ready)) for ready in calls]
            await self._finish_calls(calls, tasks, started)
        self._history.move_to(self._clock.now())

    async def _finish_calls(self, calls: list[Ready], tasks: list[asyncio.Task[Outcome]], started: Millis) -> None:
        try:
            _, slow = await asyncio.wait(tasks, timeout=SLOW_CALL)
            if slow:
                await self._commit(None)
            for ready, task in zip(calls, tasks, strict=True):
                self._learn(ready, await task, started)
        finally:
            for task in tasks:
                task.cancel()

    def _learn(self, ready: Ready, outcome: Outcome, started: Millis) -> None:
        at = self._history.stamp(self._clock.now())
        self._take_in(outcome_fact(ready.run, outcome, at, ready, started))
        self._pending.ledger += self._calls.settle(ready, outcome, at)

    def _take_due(self, waits: list[Wait]) -> bool:
        """Timers that have come become facts, so that decide may know of them (S3); True when one has."""
        now, came = self._history.now, False
        for wait in waits:
            if wait.due <= now and self._history.get(wait.path, "due", wait.attempt) is None:
                self._take_in(Fact(wait.path, "due", wait.attempt, now, {}))
                came = True
        return came

    # -- resting ------------------------------------------------------------------------------

    async def _rest(self, round: Round) -> bool:
        """Wait here for a short pause, or park; True when there is more to do."""
        if self._take_due(round.waits):
            return True
        due = min((wait.due for wait in round.waits), default=None)
        if due is not None and due - self._history.now <= STAY and not round.on_person:
            await self._commit(None)
            await self._clock.sleep((due - self._history.now) / 1000)
            self._history.move_to(self._clock.now())
            self._take_due(round.waits)
            return True
        await self._commit(ExecutionChange("parked", awaiting="person" if round.on_person else "timer", due_at=due))
        return False

    async def _read_signals(self) -> None:
        """Take in what others left for this execution; what is left from now on requeues it when it parks."""
        if self.execution.epoch == 0:
            return  # just opened: it has asked nobody anything
        for signal in await self._store.executions.signals(self.execution.id):
            self._take_signal(signal)

    def _take_signal(self, signal: Signal) -> None:
        self._pending.signals.append(signal.id)
        if signal.kind == "answer":
            path, attempt = signal.data["path"], signal.data["attempt"]
            at = self._history.stamp(self._clock.now())
            self._take_in(Fact(path, "answered", attempt, at, signal.data))
            attempted = self._history.get(path, "attempt", attempt)
            if signal.data["answer"] == "happened" and attempted is not None and "hold" in attempted.data:
                self._pending.ledger.append(Settle(attempted.data["hold"], "applied", at))
