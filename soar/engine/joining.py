"""Joining what another execution contains already: the same target is not contained twice (S30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from soar.clock import Millis
from soar.engine.outcomes import hold_id
from soar.model.action import ActionCall, ActionSpec, Connections, Outcome, UndoCall
from soar.model.containment import Containment
from soar.model.execution import Fact
from soar.model.playbook import Action
from soar.store import Store
from soar.store.units import LedgerChange, Settle

_ASKED: Final = 5
"""Calls of one containment that are asked about, at most."""


@dataclass(frozen=True, slots=True)
class Joined:
    """A containment of the target that its system still shows."""

    containment_id: str
    output: Mapping[str, Any]


class Holders:
    """Looks at what is held, and asks the system whether it is still there."""

    def __init__(self, store: Store, connections: Connections) -> None:
        self._store = store
        self._connections = connections

    async def standing(self, action: Action, spec: ActionSpec, family: str, target: str) -> Joined | None:
        """The containment of the target, when it is held and present; absent or no way to ask means an own call."""
        held = await self._store.containments.current(action.connection, family, target)
        if held is None or held.state != "held" or not spec.verifies:
            return None
        told = await look(self._connections, held, spec.timeout)
        return Joined(held.id, told.output or {}) if told.kind == "done" else None


def stored_calls(containment: Containment) -> list[UndoCall]:
    """The calls that made it, the newest first, as far as they can be asked about and made again."""
    found = [hold.undo for hold in containment.holds if hold.undo is not None]
    return [call for call in reversed(found) if call.exact and not call.direct][:_ASKED]


async def look(connections: Connections, containment: Containment, timeout: float) -> Outcome:
    """Ask its system: `done` where one of its calls still stands, `absent` where none does."""
    told = Outcome("unknown", message="no call is stored that can be asked about")
    absent = True
    for stored in stored_calls(containment):
        call = ActionCall(stored.name, stored.inputs, stored.key, containment.id, "", 1, timeout)
        told = await connections.verify(call)
        if told.kind == "done":
            return told
        absent = absent and told.kind == "absent"
    return told if absent else Outcome("unknown", message=told.message)


def joined_facts(attempt: Fact, joined: Joined, at: Millis) -> list[Fact]:
    """History of a try that needed no call."""
    path, number = attempt.path, attempt.attempt
    outcome = {"result": "done", "sent": False, "output": joined.output, "joined": joined.containment_id}
    return [
        Fact(path, "attempt", number, attempt.at, {**attempt.data, "joined": joined.containment_id}),
        Fact(path, "outcome", number, at, outcome),
    ]


def joined_ledger(execution_id: str, path: str, first: int, at: Millis) -> list[LedgerChange]:
    """Its hold is live at once, with the undo calls that are there."""
    return [Settle(hold_id(execution_id, path, first), "applied", at)]
