"""Calls that are made in another zone: asked for by one process, made by another, each a small execution (S44)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.store import rows
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.text import dumps, loads
from soar.store.writer import Writer

_COLUMNS: Final = (
    "id",
    "kind",
    "playbook_id",
    "playbook_digest",
    "state",
    "epoch",
    "opened_at",
    "deadline_at",
    "severity_id",
    "zone",
    "inputs",
    "actor",
    "priority",
)
_PRIORITY: Final = 9_000
"""Somebody waits for each: after lifts, before everything else."""


class Calls:
    """The rows of such calls."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def open(self, call_id: str, zone: str, asked: Mapping[str, Any], now: Millis, until: Millis) -> None:
        """Ask for one, to be begun before `until`; the same id again changes nothing."""
        row = (call_id, "call", "call", "", "queued", 0, now, until, 0, zone, dumps(asked), "engine", _PRIORITY)
        await self._writer.run(lambda db: rows.insert(db, "executions", _COLUMNS, [row], "ON CONFLICT (id) DO NOTHING"))

    async def ended(self, ids: Sequence[str]) -> dict[str, Any]:
        """Those that are over, by id: what became of each; None for one that was withdrawn."""
        return await self._reader.run(lambda db: _ended(db, ids))

    async def withdraw(self, call_id: str, now: Millis) -> bool:
        """Take back one that nobody has begun; False when somebody has."""
        sql = "UPDATE executions SET state = 'cancelled', finished_at = ? WHERE id = ? AND state = 'queued'"
        return bool(await self._writer.run(lambda db: db.execute(sql, (now, call_id)).rowcount))


def _ended(connection: Connection, ids: Sequence[str]) -> dict[str, Any]:
    sql = (
        "SELECT id, outputs FROM executions WHERE id IN (SELECT value FROM json_each(?))"
        " AND state IN ('succeeded', 'cancelled')"
    )
    return {row[0]: loads(row[1]) for row in connection.execute(sql, (rows.ids_json(ids),))}
