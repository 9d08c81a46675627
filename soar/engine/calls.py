"""One call from its values to its outcome: checked, written before it is sent, made, and made sure of.

Steps 1 to 5 of docs/decisions/engine.md, "One action, step by step".
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

from soar.clock import Clock, Millis
from soar.engine.history import History
from soar.engine.round import Run
from soar.errors import NotFound, Refused
from soar.ids import derived_id
from soar.model.action import ActionCall, ActionSpec, Connections, Outcome, Prepared, UndoCall
from soar.model.execution import Execution, Fact
from soar.store.units import Apply, LedgerChange, Settle

CUT_GRACE: Final = 0.5
"""Seconds a changing call still gets when its step's time is over (S22)."""
SECOND_LOOK: Final = 2.0
"""Seconds beyond a call's own timeout after which a change that is absent stays absent (S21)."""
ABSENT: Final = frozenset({"unavailable", "refused", "absent"})


@dataclass(frozen=True, slots=True)
class Ready:
    """A call whose values were checked, with what must be written before it is sent."""

    run: Run
    spec: ActionSpec
    call: ActionCall
    facts: tuple[Fact, ...] = ()
    ledger: tuple[LedgerChange, ...] = ()
    resumed: bool = False
    """Its attempt was on record already: a crash came between the write and the outcome."""
    prepared: Prepared = field(default_factory=Prepared)
    hold_attempt: int = 1
    """The try whose hold this one goes on with."""


class CallMaker(Protocol):
    """How the calls of one kind of execution are made; a run's and a lift's differ only here."""

    def ready(self, run: Run, history: History) -> Ready | Fact:
        """The call, or the outcome fact of a call that must not be made."""
        ...

    async def outcome(self, ready: Ready) -> Outcome:
        """Make it and make sure of it."""
        ...

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:
        """What the outcome means for the ledger."""
        ...


class RunCalls:
    """The calls of a playbook's execution."""

    def __init__(self, connections: Connections, clock: Clock, execution: Execution, alert_title: str | None) -> None:
        self._connections = connections
        self._clock = clock
        self._execution = execution
        self.reason = alert_title

    def ready(self, run: Run, history: History) -> Ready | Fact:
        at = history.now
        try:
            spec = self._connections.spec(run.action.name)
            prepared = self._connections.prepare(run.action.name, run.inputs)
        except (NotFound, Refused) as error:
            kind = getattr(error, "error_kind", "")
            return outcome_fact(run, Outcome("refused", message=str(error), sent=False, error_kind=kind), at)
        call = self._call(run, spec)
        if not spec.changes:
            return Ready(run, spec, call, prepared=prepared)
        first = first_of_hold(history, run.path, run.attempt)
        if history.get(run.path, "attempt", run.attempt) is not None:
            return Ready(run, spec, call, resumed=True, prepared=prepared, hold_attempt=first)
        data = {"input": prepared.masked_inputs, "masked": prepared.masked, "key": call.key}
        if spec.undo is not None and prepared.target is not None:
            data["hold"] = hold_id(self._execution.id, run.path, first)
        attempt = Fact(run.path, "attempt", run.attempt, at, data)
        ledger = self._apply(run, spec, prepared, call, at) if first == run.attempt else ()
        return Ready(run, spec, call, (attempt,), ledger, prepared=prepared, hold_attempt=first)

    def _call(self, run: Run, spec: ActionSpec) -> ActionCall:
        left = spec.timeout
        if run.remaining is not None:
            left = min(left, run.remaining + (CUT_GRACE if spec.changes else 0.0))
        key = derived_id(self._execution.id, run.path)
        return ActionCall(
            name=run.action.name,
            inputs=run.inputs,
            key=key,
            execution_id=self._execution.id,
            path=run.path,
            attempt=run.attempt,
            timeout=max(left, 0.001),
            playbook_id=self._execution.playbook_id,
        )

    def _apply(
        self, run: Run, spec: ActionSpec, prepared: Prepared, call: ActionCall, at: Millis
    ) -> tuple[LedgerChange, ...]:
        if spec.undo is None or prepared.target is None:
            return ()
        return (
            Apply(
                containment_id=derived_id(self._execution.id, run.path, "containment", run.attempt),
                hold_id=hold_id(self._execution.id, run.path, run.attempt),
                connection=run.action.connection,
                family=spec.undo,
                target=prepared.target,
                action=run.action.action,
                path=run.path,
                undo_after=run.action.undo.after if run.action.undo else (),
                undo=self._undo_call(run, spec, prepared, call, None),
                playbook_id=self._execution.playbook_id,
                alert_id=self._execution.alert_id,
                reason=self.reason,
                at=at,
            ),
        )

    @staticmethod
    def _undo_call(
        run: Run, spec: ActionSpec, prepared: Prepared, call: ActionCall, outcome: Outcome | None
    ) -> UndoCall:
        """Kept whole or not at all: an undo with a masked value would undo nothing and call it done."""
        kept = outcome is not None and outcome.exact
        return UndoCall(
            name=run.action.name,
            inputs=prepared.masked_inputs,
            key=call.key,
            result=(outcome.output or {}) if outcome is not None and kept else None,
            reverse=f"{run.action.connection}.{spec.undo}",
            exact=kept or not prepared.masked,
        )

    async def outcome(self, ready: Ready) -> Outcome:
        if not ready.resumed:
            outcome = await self._connections.perform(ready.call)
            if outcome.kind != "unknown" or not ready.spec.changes:
                return outcome
        else:
            outcome = Outcome("unknown", message="the engine stopped before the answer was on record")
        if not ready.spec.verifies:
            return outcome
        return await self._made_sure(ready, outcome)

    async def _made_sure(self, ready: Ready, unknown: Outcome) -> Outcome:
        """Ask the system whether it happened (S21)."""
        told = await self._connections.verify(ready.call)
        if told.kind == "absent" and not ready.spec.idempotent:
            # The request may still be on its way: only a second look after its time is over counts.
            await self._clock.sleep(ready.call.timeout + SECOND_LOOK)
            told = await self._connections.verify(ready.call)
        if told.kind in ("done", "absent"):
            return replace(told, message=told.message or f"{unknown.message}; asked: {told.kind}")
        return unknown

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:
        spec, run = ready.spec, ready.run
        if spec.undo is None or ready.prepared.target is None:
            return ()
        hold = hold_id(self._execution.id, run.path, ready.hold_attempt)
        if outcome.kind == "done":
            undo = self._undo_call(run, spec, ready.prepared, ready.call, outcome)
            return (Settle(hold, "applied", at, undo),)
        return (Settle(hold, "absent" if outcome.kind in ABSENT else "unknown", at),)


class LiftCalls:
    """The stored undo calls of one containment: needed by nothing but themselves, least of all their playbook."""

    def __init__(self, connections: Connections, execution: Execution, undo_calls: Mapping[str, UndoCall]) -> None:
        self._connections = connections
        self._execution = execution
        self._undo_calls = undo_calls

    def ready(self, run: Run, history: History) -> Ready | Fact:
        undo = self._undo_calls[run.path]
        try:
            done = self._connections.spec(undo.name)
        except NotFound as error:
            return outcome_fact(run, Outcome("refused", message=str(error), sent=False), history.now)
        key = derived_id(self._execution.id, run.path)
        spec = replace(done, name=undo.reverse, idempotent=True, verifies=False, undo=None)
        call = ActionCall(undo.reverse, run.inputs, key, self._execution.id, run.path, run.attempt, spec.timeout)
        if history.get(run.path, "attempt", run.attempt) is not None:
            return Ready(run, spec, call, resumed=True)
        data = {"input": run.inputs, "masked": False, "key": key}
        return Ready(run, spec, call, (Fact(run.path, "attempt", run.attempt, history.now, data),))

    async def outcome(self, ready: Ready) -> Outcome:
        """Undo is idempotent by contract: what is not known is done again, never asked (S33)."""
        undo = self._undo_calls[ready.run.path]
        return await self._connections.undo(undo, key=ready.call.key, timeout=ready.call.timeout)

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:  # noqa: ARG002
        # The ledger hears of a lift when it ends, not of its calls; the arguments are the protocol's.
        return ()


def outcome_fact(run: Run, outcome: Outcome, at: Millis, ready: Ready | None = None, started: Millis = 0) -> Fact:
    """What became of a try, as history keeps it."""
    data: dict[str, Any] = {"result": outcome.kind, "sent": outcome.sent}
    if outcome.output is not None:
        data["output"] = outcome.output
    for name in ("message", "error_kind", "retry_after"):
        value = getattr(outcome, name)
        if value:
            data[name] = value
    if outcome.kind == "unknown" and ready is not None:
        data["repeatable"] = ready.spec.idempotent
    if outcome.kind == "absent" or (outcome.kind == "unknown" and ready is not None and ready.resumed):
        data["at_once"] = True
    if ready is not None and not ready.facts and not ready.resumed:
        data["input"] = ready.prepared.masked_inputs
        data["started_at"] = started
    return Fact(run.path, "outcome", run.attempt, at, data)


def hold_id(execution_id: str, path: str, first: int) -> str:
    """The hold that the try `first` opened and the ones after it go on with."""
    return derived_id(execution_id, path, "hold", first)


def first_of_hold(history: History, path: str, attempt: int) -> int:
    """The first try since the change was last known to be absent: its hold is still the one that counts."""
    first = 1
    for number in range(1, attempt):
        outcome = history.get(path, "outcome", number)
        if outcome is not None and outcome.data["result"] in ABSENT:
            first = number + 1
    return first
