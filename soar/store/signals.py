"""Waking an execution: the one thing that is written to it by somebody else than its owner (S38)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from soar.errors import NotFound
from soar.model.execution import ExecutionState
from soar.store.connection import Connection
from soar.store.text import dumps, loads
from soar.store.units import Signal


def wake(connection: Connection, signal: Signal) -> ExecutionState:
    """Leave the signal and queue the execution if it is parked; the state it was met in.

    The transaction holds the write lock before it looks, so either the parking is seen
    here, or the signal is seen by the parking.
    """
    row = connection.execute("SELECT state FROM executions WHERE id = ?", (signal.execution_id,)).fetchone()
    if row is None:
        raise NotFound(f"execution {signal.execution_id}: there is none")
    connection.execute(
        "INSERT INTO signals (id, execution_id, kind, data, at, taken) VALUES (?, ?, ?, ?, ?, 0)"
        " ON CONFLICT (id) DO NOTHING",
        (signal.id, signal.execution_id, signal.kind, dumps(signal.data), signal.at),
    )
    if signal.kind == "cancel" or not _waits_for_slot(connection, signal.execution_id):
        awake(connection, signal.execution_id)
    state: ExecutionState = row[0]
    return state


def _waits_for_slot(connection: Connection, execution_id: str) -> bool:
    """Such a one begins when it has its slot, and takes in then what was said to it; only a cancel ends the wait."""
    sql = "SELECT waits_for_slot FROM executions WHERE id = ?"
    return bool(connection.execute(sql, (execution_id,)).fetchone()[0])


def awake(connection: Connection, execution_id: str) -> bool:
    """Queue the execution if it is parked; False when it was not."""
    sql = (
        "UPDATE executions SET state = 'queued', awaiting = NULL, due_at = NULL, job_id = NULL"
        " WHERE id = ? AND state = 'parked'"
    )
    return connection.execute(sql, (execution_id,)).rowcount > 0


def unread(connection: Connection, execution_id: str) -> list[Signal]:
    """What was left for the execution and not taken in yet, oldest first."""
    sql = "SELECT id, execution_id, kind, data, at FROM signals WHERE execution_id = ? AND taken = 0 ORDER BY seq"
    return [_signal(row) for row in connection.execute(sql, (execution_id,))]


def _signal(row: Sequence[Any]) -> Signal:
    return Signal(row[0], row[1], row[2], loads(row[3]), row[4])
