"""Concurrency slots: the execution row itself holds one, from its opening to its final state (S18)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from soar.clock import Millis
from soar.ids import derived_id
from soar.model.execution import Execution
from soar.store.connection import Connection
from soar.store.signals import wake
from soar.store.units import Signal

WhenFull = Literal["queue", "skip", "cancel_oldest"]
_NOT_FINAL: Final = "state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped')"
_HOLDING: Final = f"slot_key = ? AND waits_for_slot = 0 AND {_NOT_FINAL}"


def take_slots(connection: Connection, opened: Sequence[Execution], when_full: Mapping[str, WhenFull]) -> set[str]:
    """Let those that were just opened have their slot, or wait, or be skipped, in the order of their opening.

    The ids of those that have none.
    """
    without: set[str] = set()
    for execution in opened:
        if execution.slot_key is None or _ancestor_holds(connection, execution):
            continue
        holding = [
            row[0]
            for row in connection.execute(
                # Only those before it: the later ones of the same opening have not been looked at yet.
                f"SELECT id FROM executions WHERE {_HOLDING} AND seq < (SELECT seq FROM executions WHERE id = ?)"
                " ORDER BY opened_at, seq",
                (execution.slot_key, execution.id),
            )
        ]
        if len(holding) < execution.slot_limit:
            continue
        without.add(execution.id)
        rule = when_full.get(execution.id, "queue")
        if rule == "skip":
            _skip(connection, execution)
            continue
        _wait(connection, execution.id)
        if rule == "cancel_oldest":
            _cancel(connection, holding[0], execution)
    return without


def free_slot(connection: Connection, slot: str, limit: int) -> None:
    """Queue the next of those that wait, by priority and age, as far as there is room."""
    (holding,) = connection.execute(f"SELECT count(*) FROM executions WHERE {_HOLDING}", (slot,)).fetchone()
    room = max(limit - holding, 0)
    connection.execute(
        "UPDATE executions SET waits_for_slot = 0, state = 'queued', awaiting = NULL, due_at = NULL, job_id = NULL"
        " WHERE id IN ("
        f" SELECT id FROM executions WHERE slot_key = ? AND waits_for_slot = 1 AND {_NOT_FINAL}"
        " ORDER BY book_priority DESC, opened_at, seq LIMIT ?)",
        (slot, room),
    )


def free_all(connection: Connection) -> None:
    """The safety net: every slot with room and somebody who waits for it (S40)."""
    sql = (
        "SELECT slot_key, max(slot_limit) FROM executions"
        f" WHERE slot_key IS NOT NULL AND waits_for_slot = 1 AND {_NOT_FINAL} GROUP BY slot_key"
    )
    for slot, limit in connection.execute(sql).fetchall():
        free_slot(connection, slot, limit)


def _ancestor_holds(connection: Connection, execution: Execution) -> bool:
    """A child does not wait for a slot its ancestor holds."""
    parent = execution.parent_id
    while parent is not None:
        row = connection.execute("SELECT slot_key, parent_id FROM executions WHERE id = ?", (parent,)).fetchone()
        if row is None:
            return False
        if row[0] == execution.slot_key:
            return True
        parent = row[1]
    return False


def _skip(connection: Connection, execution: Execution) -> None:
    message = f"skipped: the {execution.slot_limit} places of {execution.slot_key!r} were taken"
    connection.execute(
        "UPDATE executions SET state = 'skipped', finished_at = ?, message = ? WHERE id = ?",
        (execution.opened_at, message, execution.id),
    )
    if execution.parent_id is not None:
        error = {"step": "", "kind": "limit", "message": message}
        data: dict[str, Any] = {"path": execution.parent_path, "execution": execution.id, "state": "skipped"}
        data |= {"outputs": None, "error": error}
        at = execution.opened_at
        wake(connection, Signal(derived_id(execution.id, "ended"), execution.parent_id, "child", data, at))


def _wait(connection: Connection, execution_id: str) -> None:
    connection.execute(
        "UPDATE executions SET state = 'parked', awaiting = 'slot', waits_for_slot = 1, job_id = NULL WHERE id = ?",
        (execution_id,),
    )


def _cancel(connection: Connection, holder: str, newer: Execution) -> None:
    at: Millis = newer.opened_at
    data = {"by": "policy", "reason": f"a newer execution, {newer.id}, takes its place", "undo": False}
    wake(connection, Signal(derived_id(newer.id, "replaces", holder), holder, "cancel", data, at))
