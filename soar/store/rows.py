"""Statements many modules share: bulk inserts, and executions as rows and back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from typing import Any, Final

import orjson

from soar.model.execution import Execution
from soar.store.connection import Connection
from soar.store.text import dumps, loads, whole

_SIZES: Final = (64, 16, 4, 1)
"""Rows in one statement. Few sizes, so that each is prepared once and kept."""

EXECUTION: Final = (
    "id",
    "kind",
    "playbook_id",
    "playbook_digest",
    "state",
    "epoch",
    "opened_at",
    "deadline_at",
    "alert_id",
    "containment_id",
    "severity_id",
    "actor",
    "awaiting",
    "due_at",
    "started_at",
    "finished_at",
    "error",
    "message",
    "mode",
    "book_priority",
    "parent_id",
    "parent_path",
    "rerun_of",
    "hops",
    "slot_key",
    "slot_limit",
    "inputs",
    "outputs",
    "pins",
)
"""Columns of `executions` in the order of the fields of Execution."""
_PLAIN: Final = EXECUTION[:18]
"""Those that every execution fills in; the others have defaults, and a bulk insert leaves them to the database."""

FACT: Final = ("execution_seq", "path", "kind", "attempt", "at", "data")

_LIFT_PRIORITY: Final = 10_000
"""Above everything: what is to be let go is let go first (S33)."""
_RANKS: Final = 7
"""Severities there are: a playbook's priority outweighs them all."""


def insert(
    connection: Connection,
    table: str,
    columns: Sequence[str],
    rows: Sequence[Sequence[Any]],
    conflict: str = "",
) -> int:
    """Insert all rows in as few statements as their number allows; how many were new."""
    row = f"({', '.join('?' * len(columns))})"
    head = f"INSERT INTO {table} ({', '.join(columns)}) VALUES "
    return many(connection, head, row, conflict, rows)


def many(connection: Connection, head: str, row: str, tail: str, rows: Sequence[Sequence[Any]]) -> int:
    """Run `head row, row, ... tail` over all rows, some of them at a time; how many rows that changed."""
    start, changed = 0, 0
    for size in _SIZES:
        while len(rows) - start >= size:
            values = [value for given in rows[start : start + size] for value in given]
            changed += connection.execute(_statement(head, row, tail, size), values).rowcount
            start += size
    return changed


def returned(
    connection: Connection, head: str, row: str, tail: str, rows: Sequence[Sequence[Any]]
) -> list[Sequence[Any]]:
    """The same for statements that give rows back; those rows."""
    found: list[Sequence[Any]] = []
    start = 0
    for size in _SIZES:
        while len(rows) - start >= size:
            values = [value for given in rows[start : start + size] for value in given]
            found += connection.execute(_statement(head, row, tail, size), values).fetchall()
            start += size
    return found


@cache
def _statement(head: str, row: str, tail: str, size: int) -> str:
    return f"{head}{', '.join([row] * size)} {tail}"


def ids_json(ids: Iterable[Any]) -> str:
    """A list of ids as one value: `IN (SELECT value FROM json_each(?))`."""
    return orjson.dumps(list(ids)).decode()


def insert_executions(connection: Connection, executions: Sequence[Execution]) -> list[str]:
    """Open those that are not there yet; their ids."""
    if not executions:
        return []
    ids = ids_json(execution.id for execution in executions)
    rows = connection.execute("SELECT id FROM executions WHERE id IN (SELECT value FROM json_each(?))", (ids,))
    there = {row[0] for row in rows}
    new = {execution.id: execution for execution in executions if execution.id not in there}
    plain = [_plain_row(one) for one in new.values() if _is_plain(one)]
    insert(connection, "executions", (*_PLAIN, "priority"), plain)
    special = [(*_plain_row(one), *_special_row(one)) for one in new.values() if not _is_plain(one)]
    insert(connection, "executions", (*_PLAIN, "priority", *EXECUTION[18:]), special)
    return list(new)


def execution(row: Sequence[Any]) -> Execution:
    """An execution from the columns of EXECUTION."""
    inputs, outputs, pins = row[-3:]
    if inputs is None and outputs is None and pins is None:
        return Execution(*(*row[:16], loads(row[16]), *row[17:-3]))
    told = (loads(inputs) or {}, loads(outputs), loads(pins) or {})
    return Execution(*(*row[:16], loads(row[16]), *row[17:-3], *told))


def _is_plain(given: Execution) -> bool:
    """Opened by an alert on a playbook that asks for nothing special: nearly all."""
    marked = given.mode != "live" or given.priority or given.parent_id or given.rerun_of or given.hops
    return not (marked or given.slot_key or given.inputs or given.outputs or given.pins)


def _special_row(given: Execution) -> tuple[Any, ...]:
    origin = (given.mode, given.priority, given.parent_id, given.parent_path, given.rerun_of, given.hops)
    data = (given.inputs or None, given.outputs, given.pins or None)
    return (*origin, given.slot_key, given.slot_limit, *(None if one is None else dumps(one) for one in data))


def _plain_row(given: Execution) -> tuple[Any, ...]:
    return (
        given.id,
        given.kind,
        given.playbook_id,
        given.playbook_digest,
        given.state,
        given.epoch,
        given.opened_at,
        given.deadline_at,
        given.alert_id,
        given.containment_id,
        given.severity_id,
        whole(given.actor),
        given.awaiting,
        given.due_at,
        given.started_at,
        given.finished_at,
        None if given.error is None else dumps(given.error),
        None if given.message is None else whole(given.message),
        _LIFT_PRIORITY if given.kind == "lift" else given.priority * _RANKS + given.severity_id,
    )


def count(connection: Connection, totals: Mapping[str, int]) -> None:
    """Add to the totals."""
    given = [(name, number) for name, number in totals.items() if number]
    conflict = "ON CONFLICT (name) DO UPDATE SET value = counters.value + excluded.value"
    insert(connection, "counters", ("name", "value"), given, conflict)
