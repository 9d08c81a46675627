"""Joining what another execution contains already: the same target is not contained twice (S30)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from soar.clock import Millis
from soar.engine.outcomes import hold_id
from soar.model.action import ActionCall, ActionSpec, Connections
from soar.model.execution import Fact
from soar.model.playbook import Action
from soar.store import Store
from soar.store.units import LedgerChange, Settle


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
        stored = next((hold.undo for hold in held.holds if hold.undo is not None and hold.undo.exact), None)
        if stored is None or stored.direct:
            return None
        call = ActionCall(
            name=stored.name,
            inputs=stored.inputs,
            key=stored.key,
            execution_id=held.id,
            path="",
            attempt=1,
            timeout=spec.timeout,
        )
        told = await self._connections.verify(call)
        return Joined(held.id, told.output or {}) if told.kind == "done" else None


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
