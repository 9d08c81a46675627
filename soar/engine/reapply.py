"""Making a containment again that its system has lost: an execution of its own, made of the stored call (S35).

It holds nothing: while its call is open nobody lets the containment go, and once that has its outcome, what takes it
back stands beside the other undo calls, and the holds decide as before how long it lasts.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from soar.clock import Clock, Millis
from soar.engine.calls import Ready, RunCalls
from soar.engine.clearance import Clearance, Cleared, Halt
from soar.engine.history import History
from soar.engine.joining import Holders, stored_calls
from soar.engine.lift import StoredInputs
from soar.engine.outcomes import outcome_fact
from soar.engine.round import Run
from soar.errors import Location, NotFound
from soar.model.action import ActionSpec, Connections, Outcome, Prepared
from soar.model.containment import Containment
from soar.model.execution import Execution, Fact
from soar.model.playbook import Action, Playbook, Retry, Step, UndoRule
from soar.model.trigger import Trigger
from soar.store import Store
from soar.store.units import Apply, LedgerChange

REAPPLY_RETRY: Final = Retry(attempts=8, delay=2.0, backoff="exponential")
"""Some minutes of trying: a gateway that starts anew needs its time."""


def reapply_playbook(containment: Containment, now: Millis) -> Playbook:
    """The one step that makes the newest stored call again, for as long as the containment lasts.

    Raises:
        NotFound: nothing is stored that can be made again.
    """
    calls = stored_calls(containment)
    if not calls:
        raise NotFound(f"containment {containment.id}: no call is stored that could be made again")
    location = Location("reapply")
    connection, _, action = calls[0].name.partition(".")
    left = containment.expires_at and max((containment.expires_at - now) / 1000, 0.001)
    rule = UndoRule(after=(left,)) if left else UndoRule(never=True)
    step = Step("@0", None, Action(connection, action, StoredInputs(calls[0].inputs), REAPPLY_RETRY, rule), location)
    return Playbook("reapply", "", Trigger(), (step,), location, "")


class ReapplyCalls(RunCalls):
    """As the calls of a playbook, but only while the containment is held, and only to put it back."""

    def __init__(
        self, store: Store, connections: Connections, clock: Clock, execution: Execution, clearance: Clearance
    ) -> None:
        super().__init__(connections, clock, execution, clearance, Holders(store, connections))
        self._store = store

    async def ready(self, run: Run, history: History) -> Ready | Fact | Halt:
        if history.get(run.path, "attempt", run.attempt) is None:
            standing = await self._store.containments.get(self._execution.containment_id or "")
            if standing.state != "held":
                told = f"it is {standing.state}: nothing is made again"
                return outcome_fact(run, Outcome("done", {}, told, sent=False), history.now)
        ready = await super().ready(run, history)
        if not isinstance(ready, Ready):
            return ready
        return replace(ready, ledger=tuple(self._within(change) for change in ready.ledger))

    def _within(self, change: LedgerChange) -> LedgerChange:
        return replace(change, within=self._execution.containment_id) if isinstance(change, Apply) else change

    def _cleared(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> Cleared | Fact:
        """What policy forbids by now is not made again. What it asked people about was approved, and counted, once."""
        cleared = self._clearance.check(run, spec, prepared, at)
        return Cleared() if isinstance(cleared, Cleared) or cleared.kind == "demanded" else cleared
