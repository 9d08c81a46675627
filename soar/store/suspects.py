"""Executions whose owner died: how often they were taken up since anything of them was written (S24)."""

from __future__ import annotations

from typing import Final

from soar.errors import LeaseLost
from soar.model.execution import Execution
from soar.store import rows
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.writer import Writer

_MARK: Final = "engine at work"
_SUSPECTS: Final = (
    f"SELECT {', '.join(rows.EXECUTION)} FROM executions WHERE takes > 0"
    " AND state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped')"
    " AND state IN ('queued', 'running') AND taken_at_epoch = epoch ORDER BY opened_at, seq"
)
_TAKE: Final = (
    "UPDATE executions SET state = 'running', awaiting = NULL, due_at = NULL, epoch = epoch + 1,"
    " takes = CASE WHEN taken_at_epoch = epoch THEN takes + 1 ELSE 1 END, taken_at_epoch = epoch + 1,"
    " taken_at_fact = (SELECT max(seq) FROM facts WHERE execution_seq = executions.seq)"
    " WHERE id = ? AND epoch = ? AND state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped') RETURNING takes"
)


class Suspects:
    """Counted as they are taken up, and only after an engine's end that was not orderly."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def begin(self) -> bool:
        """An engine begins; True when the last one has not said that it ended."""
        return await self._writer.run(_begin)

    async def end(self) -> None:
        """It ended in order: whatever it was working on was given back."""
        await self._writer.run(lambda db: db.execute("DELETE FROM counters WHERE name = ?", (_MARK,)).rowcount)

    async def list(self) -> list[Execution]:
        """Those that were taken up, and of which nothing was written since, oldest first."""
        return await self._reader.run(lambda db: [rows.execution(row) for row in db.execute(_SUSPECTS)])

    async def take(self, execution: Execution) -> int:
        """Take it under a new epoch, before anything of it is read; how often this was done since its last unit.

        Raises:
            LeaseLost: it has another epoch, or has ended.
        """
        return await self._writer.run(lambda db: _take(db, execution))


def _begin(connection: Connection) -> bool:
    sql = "INSERT INTO counters (name, value) VALUES (?, 1) ON CONFLICT (name) DO NOTHING"
    return connection.execute(sql, (_MARK,)).rowcount == 0


def _take(connection: Connection, execution: Execution) -> int:
    row = connection.execute(_TAKE, (execution.id, execution.epoch)).fetchone()
    if row is None:
        raise LeaseLost(f"execution {execution.id}: it is no longer owned under epoch {execution.epoch}")
    return int(row[0])
