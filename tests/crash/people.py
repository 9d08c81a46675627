"""What people and other systems do while the deployment runs: they approve, tell an event, cancel; all in the store."""

from __future__ import annotations

import sqlite3
from typing import Self

from soar.approval import Word, decide
from soar.clock import SystemClock
from soar.engine import view
from soar.errors import NotFound, StoreError
from soar.ids import derived_id
from soar.model.containment import OVER
from soar.model.execution import FINAL, Execution
from soar.playbook import Staff
from soar.store import Store
from soar.store.units import Event
from tests.crash.ending import End, Run

STAFF = Staff({"ana": ("analyst",), "ben": ("analyst",)}, {})
SELF_MOVING = {"timer", "target"}
"""What a parked execution may wait for only with an instant at which it looks again."""


class People:
    """Another process beside the server, whose store outlives every kill."""

    def __init__(self, store: Store) -> None:
        self.store = store
        self._cancelled = False
        self._now = SystemClock().now

    @classmethod
    async def beside(cls, database: str) -> Self | None:
        """None while the server has not made its database."""
        try:
            return cls(await Store.open(database, create=False))
        except (NotFound, StoreError, sqlite3.OperationalError):  # it is being made at this very moment
            return None

    async def act(self) -> None:
        """Do what is waited for now; each thing once, however often the server dies."""
        for approval in (await self.store.approvals.page("open")).items:
            said = {vote.person for vote in approval.votes}
            for person in ("ana", "ben")[: approval.approvers.required]:
                if person not in said:
                    await decide(self.store, STAFF, approval.id, Word(person, "approve", "cli"), self._now())
        for run in await self.executions():
            if run.state == "parked" and run.awaiting == "event":
                case = await self.ref(run)
                event = Event(derived_id(run.id, "told"), "payout.reviewed", {"case": case}, self._now())
                await self.store.events.add([event])
            if run.playbook_id == "lingering" and run.awaiting == "timer" and not self._cancelled:
                told = {"by": "person:ana", "reason": "enough", "undo": True}
                await self.store.executions.tell(run.id, "cancel", told, self._now())
                self._cancelled = True

    async def executions(self) -> list[Execution]:
        return (await self.store.executions.page(limit=200)).items

    async def ref(self, run: Execution) -> str:
        found = (await self.store.alerts.get(run.alert_id)).alert if run.alert_id else None
        return str(found.source_ref) if found else "none"

    async def end(self, runs: int) -> End | None:
        """How all of it ended; None while something is under way."""
        executions = await self.executions()
        for one in executions:
            if one.state == "parked" and one.awaiting in SELF_MOVING:
                assert one.due_at is not None, f"{one.id} waits for {one.awaiting}, and nothing will wake it"
        containments = (await self.store.containments.page(limit=200)).items
        over = all(one.state in FINAL for one in executions) and all(one.state in OVER for one in containments)
        if not over or sum(one.kind == "run" for one in executions) < runs:
            return None
        approvals = (await self.store.approvals.page(limit=200)).items
        return End(
            runs=tuple(sorted([await self._run(one) for one in executions if one.kind == "run"])),
            lifts=tuple(sorted(one.state for one in executions if one.kind == "lift")),
            # A try that died before it was sent leaves a containment that never was.
            held=tuple(
                sorted((one.target, one.state, one.rung, one.round) for one in containments if one.state != "voided")
            ),
            approvals=tuple(sorted((one.path, one.round, one.state) for one in approvals)),
            questions=len((await self.store.questions.page(None)).items),
            alerts=len((await self.store.alerts.page(limit=200)).items),
        )

    async def _run(self, one: Execution) -> Run:
        facts = await self.store.executions.facts(one.id)
        steps = [(step.path, step.status, str((step.error or {}).get("kind", ""))) for step in view.steps(None, facts)]
        ref = await self.ref(one)
        return Run(
            (one.playbook_id, ref), one.state, str(one.error), str(one.outputs), one.slot_key, tuple(sorted(steps))
        )
