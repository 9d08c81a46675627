"""Sub-playbooks: executions of their own, on the versions that were pinned when their root opened (S15)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soar.clock import Millis
from soar.engine.around import WhenFull
from soar.engine.pinned import PinnedPlaybooks
from soar.engine.round import Open
from soar.errors import DefinitionError, ExpressionFailed, NotFound
from soar.ids import derived_id
from soar.model.execution import Execution, Fact
from soar.playbook import fitted, slot_of

HOPS: Final = 5
"""How many executions may lead to one, by sub-playbooks and events (S15)."""


class Children:
    """Makes the executions of sub-playbooks."""

    def __init__(self, playbooks: PinnedPlaybooks, timeout: float) -> None:
        self._playbooks = playbooks
        self._timeout = timeout

    async def child(
        self, parent: Execution, command: Open, alert: Mapping[str, Any], now: Millis
    ) -> tuple[Execution, WhenFull] | Fact:
        """The execution to open; the fact that it ended, when it cannot be opened."""
        if parent.hops >= HOPS:
            return _ended(command, f"it would be {parent.hops + 1} executions deep, and {HOPS} is the limit", now)
        try:
            playbook = await self._playbooks.get(parent.pins.get(command.playbook, ""))
            inputs = fitted(playbook.inputs, command.inputs)
            slot = slot_of(playbook, alert, inputs) if parent.mode == "live" else None
        except (NotFound, DefinitionError):
            return _ended(command, "the version it was pinned to can no longer be read", now)
        except (ValueError, ExpressionFailed) as error:
            return _ended(command, str(error), now)
        identity = derived_id(parent.id, command.path)
        limit = now + round((playbook.timeout or self._timeout) * 1000)
        child = Execution(
            id=identity,
            kind="run",
            playbook_id=playbook.id,
            playbook_digest=playbook.digest,
            state="queued",
            epoch=0,
            opened_at=now,
            deadline_at=limit if command.due is None else min(limit, command.due),
            alert_id=parent.alert_id,
            severity_id=parent.severity_id,
            actor=parent.actor,
            mode=parent.mode,
            priority=parent.priority,
            parent_id=parent.id,
            parent_path=command.path,
            hops=parent.hops + 1,
            inputs=inputs,
            pins=parent.pins,
            slot_key=slot,
            slot_limit=0 if slot is None or playbook.concurrency is None else playbook.concurrency.limit,
        )
        return child, "queue" if playbook.concurrency is None else playbook.concurrency.when_full


def _ended(command: Open, why: str, now: Millis) -> Fact:
    message = f"the sub-playbook {command.playbook!r} cannot be opened: {why}"
    data = {"state": "failed", "error": {"step": command.path, "kind": "child", "message": message}}
    return Fact(command.path, "child", 0, now, data)
