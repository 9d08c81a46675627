"""What a unit means for other executions: sub-playbooks, requests, events, and who waits for its end."""

from __future__ import annotations

from typing import Any, Final

from soar.ids import derived_id
from soar.store import audit, rows
from soar.store.approvals import insert_approvals, withdraw
from soar.store.connection import Connection
from soar.store.events import insert_events
from soar.store.signals import wake
from soar.store.slots import free_slot, take_slots
from soar.store.units import ExecutionChange, ExecutionUnit, Signal

_STANDING: Final = (
    "SELECT kind, parent_id, parent_path, slot_key, slot_limit, containment_id FROM executions WHERE id = ?"
)


def write(connection: Connection, unit: ExecutionUnit) -> None:
    """The rows of others that a unit holds."""
    opened = rows.insert_executions(connection, unit.children)
    take_slots(connection, [child for child in unit.children if child.id in opened], unit.when_full)
    for child in unit.cancel:
        _cancel_child(connection, unit, child)
    if unit.approvals:
        insert_approvals(connection, unit.approvals)
    withdraw(connection, unit.withdrawals)
    insert_events(connection, unit.events)
    audit.write(connection, unit.audit)


def _cancel_child(connection: Connection, unit: ExecutionUnit, child: str) -> None:
    row = connection.execute("SELECT opened_at FROM executions WHERE id = ?", (child,)).fetchone()
    if row is None:
        return
    at = max([row[0], *(fact.at for fact in unit.facts)])
    by = f"execution:{unit.execution_id}"
    data = {"by": by, "reason": "its caller was cut", "undo": False}
    wake(connection, Signal(derived_id(unit.execution_id, "cancel", child), child, "cancel", data, at))


def ended(connection: Connection, execution_id: str, change: ExecutionChange) -> None:
    """Tell the caller, and let the next one have the slot."""
    kind, parent, path, slot, limit, containment = connection.execute(_STANDING, (execution_id,)).fetchone()
    at = change.finished_at or 0
    if parent is not None and kind == "run":
        data: dict[str, Any] = {"path": path, "execution": execution_id, "state": change.state}
        data |= {"outputs": change.outputs, "error": change.error}
        wake(connection, Signal(derived_id(execution_id, "ended"), parent, "child", data, at))
    if kind == "lift":
        _tell_lifted(connection, execution_id, (parent, path, containment), change)
    if slot is not None:
        free_slot(connection, slot, limit)
    connection.execute("DELETE FROM subscriptions WHERE execution_id = ?", (execution_id,))


def _tell_lifted(
    connection: Connection, lift: str, origin: tuple[str | None, str | None, str], change: ExecutionChange
) -> None:
    parent, path, containment = origin
    result = "lifted" if change.state == "succeeded" else "stuck"
    waiting = [] if parent is None else [(parent, path)]
    waiting += connection.execute("SELECT execution_id, path FROM lift_waiters WHERE lift_id = ?", (lift,)).fetchall()
    for execution_id, place in waiting:
        data = {"path": place, "lift": lift, "containment": containment, "result": result}
        identity = derived_id(lift, "lifted", execution_id, place or "")
        wake(connection, Signal(identity, execution_id, "lifted", data, change.finished_at or 0))
