"""What an execution is carried out with: its playbook, how its calls are made, its alert."""

from __future__ import annotations

from typing import Final

from soar.clock import Clock
from soar.engine.artefacts import with_artefacts
from soar.engine.calls import CallMaker, LiftCalls, RunCalls
from soar.engine.clearance import Clearance, Guardrails
from soar.engine.joining import Holders
from soar.engine.lift import lift_playbook
from soar.engine.pinned import PinnedPlaybooks
from soar.engine.reapply import ReapplyCalls, reapply_playbook
from soar.engine.rerun import Inherited
from soar.model.action import Connections
from soar.model.alert import Alert
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.store import Store

KEPT_ALERTS: Final = 2_000
"""Alerts kept at hand for executions that wait for a place; the others are read when their turn comes."""

Loaded = tuple[Playbook, CallMaker, dict[str, object]]


class Loader:
    """Reads what an execution needs, by its kind."""

    def __init__(
        self,
        store: Store,
        connections: Connections,
        playbooks: PinnedPlaybooks,
        clock: Clock,
        guardrails: Guardrails,
    ) -> None:
        self._store = store
        self._connections = connections
        self._playbooks = playbooks
        self._clock = clock
        self._guardrails = guardrails
        self._alerts: dict[str, Alert] = {}

    def keep(self, alert: Alert) -> None:
        """Have an alert at hand for when its execution's turn comes."""
        if len(self._alerts) < KEPT_ALERTS:
            self._alerts[alert.id] = alert

    async def load(self, execution: Execution) -> Loaded:
        """All of it.

        Raises:
            NotFound, DefinitionError: its playbook is no longer there, or is no longer understood.
        """
        if execution.kind == "lift":
            return await self._lift(execution)
        alert = await self._alert(execution)
        clearance = Clearance(self._guardrails, self._connections, execution, alert)
        holders = Holders(self._store, self._connections)
        if execution.kind == "reapply":
            containment = await self._store.containments.get(execution.containment_id or "")
            book = reapply_playbook(containment, self._clock.now())
            return book, ReapplyCalls(self._store, self._connections, self._clock, execution, clearance), alert
        playbook = await self._playbooks.get(execution.playbook_digest)
        inherited = await self._inherited(execution)
        calls = RunCalls(self._connections, self._clock, execution, clearance, holders, inherited)
        return playbook, calls, alert

    async def _lift(self, execution: Execution) -> Loaded:
        undo_calls = await self._store.containments.undo_calls(execution.containment_id or "")
        playbook, by_path = lift_playbook(undo_calls)
        clearance = Clearance(self._guardrails, self._connections, execution, {})
        return playbook, LiftCalls(self._connections, execution, by_path, clearance), {}

    async def _inherited(self, execution: Execution) -> Inherited | None:
        """What the original of a rerun has done."""
        if execution.rerun_of is None:
            return None
        facts = await self._store.executions.facts(execution.id)
        marker = next((fact for fact in facts if fact.kind == "inherits"), None)
        if marker is None or marker.data["again"]:
            return None
        original = await self._store.executions.get(execution.rerun_of)
        playbook = await self._playbooks.get(original.playbook_digest)
        facts = await with_artefacts(await self._store.executions.facts(original.id), self._store)
        return Inherited(playbook, facts)

    async def _alert(self, execution: Execution) -> dict[str, object]:
        if execution.alert_id is None:
            return {}
        alert = self._alerts.pop(execution.alert_id, None)
        if alert is None:
            alert = (await self._store.alerts.get(execution.alert_id)).alert
        return {} if alert is None else alert.model_dump()
