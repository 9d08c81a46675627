"""An execution's units: written as one, tried again while the store cannot write, guarded by the epoch."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from soar.clock import Millis
from soar.engine.around import Around
from soar.engine.history import History
from soar.engine.pending import Pending
from soar.engine.round import Finish
from soar.errors import CommitUnknown, LeaseLost, StoreUnavailable
from soar.ids import derived_id
from soar.model.execution import FINAL, Execution, Fact
from soar.store.units import Audit, Event, ExecutionChange, LedgerChange, LiftEnded, Subscription

log = structlog.get_logger(__name__)

STORE_PAUSE: Final = 1.0
"""Seconds between tries to write."""
FRESH: Final = 2.0
"""Seconds after its commit within which a call may be sent without looking at the epoch again (S20)."""


class Writing:
    """Writes what is pending."""

    def __init__(self, execution: Execution, history: History, around: Around, pending: Pending) -> None:
        self.timed = False
        self.woken = False
        self._execution = execution
        self._history = history
        self._around = around
        self._pending = pending
        self._epoch = execution.epoch
        self._taken = False
        # Others wait for the end of few executions: the units of all the rest are written in bulk.
        self._related = bool(execution.parent_id or execution.slot_key or execution.containment_id)

    async def commit(
        self,
        change: ExecutionChange | None,
        facts: list[Fact] | None = None,
        ledger: list[LedgerChange] | None = None,
        subscriptions: list[Subscription] | None = None,
    ) -> None:
        """Write all that is pending, and this with it, as one unit. A store that cannot write is waited for (S20)."""
        unit = self._pending.unit(
            self._execution.id,
            self._epoch,
            take=not self._taken,
            change=change,
            facts=facts,
            ledger=ledger,
            subscriptions=subscriptions,
            related=self._related and change is not None and change.state in FINAL,
        )
        if unit.empty and self._taken:
            return
        for content in self._pending.artefacts:
            await self._around.store.artefacts.put(content, self._history.now)
        while True:
            try:
                signalled = await self._around.store.executions.commit(unit)
                self.woken = self.woken or signalled or unit.related or bool(unit.events or unit.children)
                break
            except CommitUnknown as error:
                # Memory may be behind the rows now: it is dropped, and whoever is free reads them again (S41).
                raise LeaseLost(f"execution {self._execution.id}: {error}") from error
            except StoreUnavailable as error:
                log.warning("history not written, trying again", execution=self._execution.id, reason=str(error))
                await self._around.clock.sleep(STORE_PAUSE)
        if not self._taken:
            self._taken, self._epoch = True, self._epoch + 1
            self._around.written()
        parked = change is not None and change.due_at is not None
        self.timed = self.timed or bool(unit.ledger) or bool(unit.approvals) or parked
        self._pending.clear()

    def confirmed(self, committed: float) -> Callable[[], Awaitable[None]]:
        """What a call waits for before it is sent: that it is sent soon after its commit, or still ours (S20)."""

        async def confirm() -> None:
            if self._around.clock.monotonic() - committed > FRESH:
                await self._around.store.executions.confirm(self._execution.id, self._epoch)

        return confirm

    async def finish(self, finish: Finish) -> None:
        """The final unit."""
        now = self._history.now
        change = ExecutionChange(
            finish.state, finished_at=now, error=finish.error, message=finish.message, outputs=finish.outputs
        )
        ledger: list[LedgerChange] = []
        if self._execution.containment_id is not None:
            ledger = self._contained(self._execution.containment_id, finish, now)
        else:
            self._tell(f"execution.{finish.state}", self._about(finish), now)
            self._audit(finish, now)
        await self.commit(change, ledger=ledger)

    def _contained(self, containment: str, finish: Finish, now: Millis) -> list[LedgerChange]:
        """What the end of a lift, or of making it again, means for the containment; people hear of what failed."""
        succeeded = finish.state == "succeeded"
        data: dict[str, object] = {"containment": containment, "execution": self._execution.id, "error": finish.error}
        if self._execution.kind == "reapply":
            if not succeeded:
                self._tell("containment.not_reapplied", data, now)
                entry = Audit("engine", "containment.not_reapplied", f"containment:{containment}", now, data)
                self._pending.audit.append(entry)
            return []
        self._tell("containment.lifted" if succeeded else "containment.stuck", data, now)
        if not succeeded:
            self._pending.audit.append(Audit("engine", "containment.stuck", f"containment:{containment}", now, data))
        return [LiftEnded(containment, "lifted" if succeeded else "stuck", now)]

    def _about(self, finish: Finish) -> dict[str, object]:
        execution = self._execution
        return {
            "execution": execution.id,
            "playbook": execution.playbook_id,
            "alert": execution.alert_id,
            "state": finish.state,
            "error": finish.error,
        }

    def held_back(self, fact: Fact) -> None:
        """A guardrail's no or question is on record, and told to whom it may concern (I02)."""
        if fact.kind == "outcome" and fact.data.get("error_kind") == "guardrail":
            action, reason = "policy.refused", fact.data["message"]
        elif fact.kind == "demanded":
            action, reason = "policy.asked", fact.data["reason"]
        else:
            return
        execution = self._execution
        told = {"playbook": execution.playbook_id, "step": fact.path, "reason": reason}
        self._pending.audit.append(Audit("policy", action, f"execution:{execution.id}", fact.at, told))
        about = {"execution": execution.id, "alert": execution.alert_id, **told}
        self._tell(action, about, fact.at, fact.path, fact.attempt)

    def _tell(self, name: str, data: dict[str, object], at: Millis, *place: str | int) -> None:
        """An event, where some playbook listens to it; shadow and dry run tell nobody (S36)."""
        if self._execution.mode == "live" and self._around.wanted(name):
            identity = derived_id(self._execution.id, "event", name, *place)
            self._pending.events.append(Event(identity, name, data, at, self._execution.hops))

    def _audit(self, finish: Finish, at: Millis) -> None:
        if finish.state != "succeeded":
            action, subject = f"execution.{finish.state}", f"execution:{self._execution.id}"
            data = {"playbook": self._execution.playbook_id, "error": finish.error}
            self._pending.audit.append(Audit("engine", action, subject, at, data))
