"""One call from its values to its outcome: checked, written before it is sent, made, and made sure of.

Steps 1 to 5 of docs/decisions/engine.md, "One action, step by step".
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Protocol

import orjson

from soar.clock import Clock, Millis
from soar.engine.clearance import Clearance, Cleared, Halt, target_of
from soar.engine.history import History
from soar.engine.joining import Holders, Joined
from soar.engine.outcomes import ABSENT, first_of_hold, hold_id, outcome_fact
from soar.engine.rerun import Inherited
from soar.engine.round import Run
from soar.errors import NotFound, Refused
from soar.ids import derived_id
from soar.model.action import ActionCall, ActionSpec, Connections, Outcome, Prepared, UndoCall
from soar.model.execution import Execution, Fact
from soar.model.playbook import UndoRule
from soar.store.units import Apply, GiveBack, LedgerChange, Settle

CUT_GRACE: Final = 0.5
"""Seconds a changing call still gets when its step's time is over (S22)."""
CUT_LOOK: Final = 10.0
"""Seconds the one look may take at what a cut call did (S22)."""
INPUT_LIMIT: Final = 256 * 1024
"""Bytes of the rendered parameters of one call (S8)."""
SECOND_LOOK: Final = 2.0
"""Seconds beyond a call's own timeout after which a change that is absent stays absent (S21)."""


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
    contains: Containing | None = None
    reserved: bool = False
    """It counts against a budget."""
    shown: Mapping[str, Any] | None = None
    """What guardrails say, for a dry run or a shadow to show."""


@dataclass(frozen=True, slots=True)
class Containing:
    """What a call contains: whose inverse takes it back, and where the ledger keeps it."""

    family: str
    target: str
    undo: UndoCall


class CallMaker(Protocol):
    """How the calls of one kind of execution are made; a run's and a lift's differ only here."""

    async def ready(self, run: Run, history: History) -> Ready | Fact | Halt:
        """The call, the fact that comes instead of it, or what holds it."""
        ...

    async def outcome(self, ready: Ready) -> Outcome:
        """Make it and make sure of it."""
        ...

    async def cut(self, ready: Ready) -> Outcome:
        """It was dropped: one look at what it did."""
        ...

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:
        """What the outcome means for the ledger and the budgets."""
        ...

    async def joined(self, ready: Ready) -> Joined | None:
        """What holds the target already and is still there, so that no call is needed (S30)."""
        ...

    def over_budget(self, ready: Ready, budget: str, at: Millis) -> Fact:
        """The demand that comes instead of a call for which a budget has no room."""
        ...


class RunCalls:
    """The calls of a playbook's execution."""

    def __init__(
        self,
        connections: Connections,
        clock: Clock,
        execution: Execution,
        clearance: Clearance,
        holders: Holders,
        inherited: Inherited | None = None,
    ) -> None:
        self._connections = connections
        self._clock = clock
        self._execution = execution
        self._clearance = clearance
        self._holders = holders
        self._inherited = inherited

    async def ready(self, run: Run, history: History) -> Ready | Fact | Halt:
        at = history.now
        try:
            spec = self._connections.spec(run.action.name)
            prepared = self._connections.prepare(run.action.name, run.inputs)
        except (NotFound, Refused) as error:
            kind = getattr(error, "error_kind", "")
            return outcome_fact(run, Outcome("refused", message=str(error), sent=False, error_kind=kind), at)
        attempted = history.get(run.path, "attempt", run.attempt)
        size = _size(run.inputs)
        if size > INPUT_LIMIT and attempted is None:
            message = f"{run.action.name}: its parameters are {size} bytes, more than the {INPUT_LIMIT} sent; send less"
            return outcome_fact(run, Outcome("refused", message=message, sent=False, error_kind="too_large"), at)
        halted = self._clearance.halted(run.action.connection)
        call = self._call(run, spec)
        if not spec.changes:
            return halted or Ready(run, spec, call, prepared=prepared)
        first = first_of_hold(history, run.path, run.attempt)
        contains = self._containing(run, spec, prepared, call)
        if attempted is not None:
            reserved = bool(attempted.data.get("reserved"))
            return Ready(run, spec, call, (), (), True, prepared, first, contains, reserved)
        if self._execution.mode != "live":
            judged = self._clearance.judged(run, spec, prepared, at)
            shown = {"verdict": judged.verdict, "reasons": list(judged.reasons)}
            return Ready(run, spec, replace(call, simulated=True), prepared=prepared, shown=shown)
        if halted is not None:
            return halted
        if self._inherited is not None and contains is None:
            output = self._inherited.output(run.path, run.action.name, run.inputs)
            if output is not None:
                data = {"result": "done", "sent": False, "output": output, "inherited": self._execution.rerun_of}
                return Fact(run.path, "outcome", run.attempt, at, data)
        cleared = self._cleared(run, spec, prepared, at)
        if isinstance(cleared, Fact):
            return cleared
        return self._attempt(Ready(run, spec, call, (), (), False, prepared, first, contains), cleared, at)

    def _cleared(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> Cleared | Fact:
        return self._clearance.check(run, spec, prepared, at)

    def _attempt(self, ready: Ready, cleared: Cleared, at: Millis) -> Ready:
        """The call with what is committed before it: its attempt, its hold, its part of the budgets."""
        run, prepared = ready.run, ready.prepared
        data: dict[str, Any] = {"input": prepared.masked_inputs, "masked": prepared.masked, "key": ready.call.key}
        if cleared.reserves:
            data["reserved"] = True
        ledger: tuple[LedgerChange, ...] = cleared.reserves
        if ready.contains is not None:
            data["hold"] = hold_id(self._execution.id, run.path, ready.hold_attempt)
            # Said for a repeated try too: what it contained may have been let go of while a person was asked.
            ledger = (*ledger, self._apply(ready, ready.contains, at))
        attempt = Fact(run.path, "attempt", run.attempt, at, data)
        return replace(ready, facts=(attempt,), ledger=ledger, reserved=bool(cleared.reserves))

    def _call(self, run: Run, spec: ActionSpec) -> ActionCall:
        left = spec.timeout
        if run.remaining is not None:
            left = min(left, run.remaining + (CUT_GRACE if spec.changes else 0.0))
        return ActionCall(
            name=run.action.name,
            inputs=run.inputs,
            key=derived_id(self._execution.id, run.path),
            execution_id=self._execution.id,
            path=run.path,
            attempt=run.attempt,
            timeout=max(left, 0.001),
            playbook_id=self._execution.playbook_id,
            hops=self._execution.hops,
        )

    # -- the ledger ---------------------------------------------------------------------------

    def _containing(self, run: Run, spec: ActionSpec, prepared: Prepared, call: ActionCall) -> Containing | None:
        rule = run.action.undo
        if rule is not None and rule.action is not None:
            reverse = f"{rule.connection}.{rule.action}"
            undo = UndoCall(reverse, run.undo_inputs, call.key, None, reverse, direct=True)
            return Containing(reverse, target_of(run, prepared) or reverse, undo)
        if spec.undo is None or prepared.target is None:
            return None
        return Containing(spec.undo, prepared.target, self._undo_call(run, spec, prepared, call, None))

    def _apply(self, ready: Ready, contains: Containing, at: Millis) -> Apply:
        run, rule = ready.run, ready.run.action.undo
        title = self._clearance.title
        return Apply(
            containment_id=derived_id(self._execution.id, run.path, "containment", run.attempt),
            hold_id=hold_id(self._execution.id, run.path, ready.hold_attempt),
            connection=run.action.connection,
            family=contains.family,
            target=contains.target,
            action=run.action.action,
            path=run.path,
            undo_after=self._clearance.undo_after(run, ready.spec, ready.prepared, at),
            undo=contains.undo,
            playbook_id=self._execution.playbook_id,
            alert_id=self._execution.alert_id,
            reason=title,
            at=at,
            reset=(rule or UndoRule()).reset,
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

    # -- making it ----------------------------------------------------------------------------

    async def outcome(self, ready: Ready) -> Outcome:
        if not ready.resumed:
            outcome = await self._connections.perform(ready.call)
            if not ready.spec.changes or outcome.kind == "done":
                return outcome
            if outcome.kind != "unknown":
                return await self._told_of_all(ready, outcome)
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

    async def _told_of_all(self, ready: Ready, outcome: Outcome) -> Outcome:
        """This try changed nothing. Where an earlier one had no answer, that says nothing of the change (S21).

        A system that knows the key has answered for all of them when it refuses; what it contains stays suspected.
        """
        if ready.hold_attempt == ready.run.attempt:
            return outcome
        told = await self._connections.verify(ready.call) if ready.spec.verifies else None
        if told is not None and told.kind in ("done", "absent"):
            return told if told.kind == "done" else outcome
        message = f"{outcome.message}; and an earlier try, which had no answer, may have happened"
        if outcome.kind == "refused" and ready.spec.idempotent:
            return replace(outcome, message=message, earlier_unknown=True)
        return Outcome("unknown", message=message, retry_after=outcome.retry_after)

    async def cut(self, ready: Ready) -> Outcome:
        unknown = Outcome("unknown", message="it was cut before its answer came")
        if not ready.spec.verifies:
            return unknown
        told = await self._connections.verify(replace(ready.call, timeout=CUT_LOOK))
        return told if told.kind in ("done", "absent") else unknown

    async def joined(self, ready: Ready) -> Joined | None:
        """What holds the target already and is still there, so that no call is needed (S30)."""
        if ready.contains is None or ready.hold_attempt != ready.run.attempt:
            return None
        return await self._holders.standing(ready.run.action, ready.spec, ready.contains.family, ready.contains.target)

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:
        run, contains = ready.run, ready.contains
        back: tuple[LedgerChange, ...] = ()
        absent = outcome.kind in ABSENT and not outcome.earlier_unknown
        if ready.reserved and absent:
            back = (GiveBack(run.path, run.attempt),)
        if contains is None or ready.call.simulated:
            return back
        hold = hold_id(self._execution.id, run.path, ready.hold_attempt)
        if outcome.kind == "done":
            undo = contains.undo
            if not undo.direct:
                undo = self._undo_call(run, ready.spec, ready.prepared, ready.call, outcome)
            return (*back, Settle(hold, "applied", at, undo))
        return (*back, Settle(hold, "absent" if absent else "unknown", at))

    def over_budget(self, ready: Ready, budget: str, at: Millis) -> Fact:
        return self._clearance.over_budget(ready.run, ready.spec, ready.prepared, budget, at)


def _size(inputs: Mapping[str, Any]) -> int:
    """Bytes of parameters as JSON; a number beyond 64 bits is no reason not to know."""
    try:
        return len(orjson.dumps(dict(inputs), default=str))
    except TypeError:
        return len(json.dumps(dict(inputs), default=str))


class LiftCalls:
    """The stored undo calls of one containment: needed by nothing but themselves, least of all their playbook."""

    def __init__(
        self,
        connections: Connections,
        execution: Execution,
        undo_calls: Mapping[str, UndoCall],
        clearance: Clearance,
    ) -> None:
        self._connections = connections
        self._execution = execution
        self._undo_calls = undo_calls
        self._clearance = clearance

    async def ready(self, run: Run, history: History) -> Ready | Fact | Halt:
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
        halted = self._clearance.halted(run.action.connection)
        if halted is not None:
            return halted
        data = {"input": run.inputs, "masked": False, "key": key}
        return Ready(run, spec, call, (Fact(run.path, "attempt", run.attempt, history.now, data),))

    async def outcome(self, ready: Ready) -> Outcome:
        """Undo is idempotent by contract: what is not known is done again, never asked (S33)."""
        undo = self._undo_calls[ready.run.path]
        return await self._connections.undo(undo, key=ready.call.key, timeout=ready.call.timeout)

    async def cut(self, ready: Ready) -> Outcome:  # noqa: ARG002 # the protocol's
        return Outcome("unknown", message="the lift was cut before its answer came")

    def settle(self, ready: Ready, outcome: Outcome, at: Millis) -> tuple[LedgerChange, ...]:  # noqa: ARG002
        # The ledger hears of a lift when it ends, not of its calls; the arguments are the protocol's.
        return ()

    async def joined(self, ready: Ready) -> Joined | None:  # noqa: ARG002 # the protocol's
        return None

    def over_budget(self, ready: Ready, budget: str, at: Millis) -> Fact:  # noqa: ARG002 # the protocol's
        raise AssertionError(f"a lift counts against no budget, and was refused for {budget}")
