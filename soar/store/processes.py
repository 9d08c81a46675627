"""Who works on a database that several work on: who is alive, for which zones, and who does what for all (S40, S44)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from soar.clock import Millis
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.text import dumps, loads
from soar.store.writer import Writer

ALIVE: Final[Millis] = 6_000
"""Milliseconds after which nobody counts on a process that has said nothing."""
_RELOAD: Final = "reload asked"
_FORGOTTEN: Final[Millis] = 86_400_000
_COLUMNS: Final = ("id", "kind", "zones", "host", "pid", "version", "started_at", "seen_at")


@dataclass(frozen=True, slots=True)
class Process:
    """One process, as it last said of itself."""

    id: str
    kind: str
    """`serve`, `worker`, or `command`."""
    zones: tuple[str, ...]
    """The zones whose calls it makes."""
    host: str
    pid: int
    version: str
    started_at: Millis
    seen_at: Millis = 0


class Processes:
    """The rows of those who work, and of what one does for all."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def beat(self, process: Process, now: Millis) -> None:
        """It is alive."""
        await self._writer.run(lambda db: _beat(db, process, now))

    async def leave(self, process_id: str) -> None:
        """It ends in order: it is not to be waited for, and its duties are free."""
        await self._writer.run(lambda db: _leave(db, process_id))

    async def alive(self, now: Millis) -> list[Process]:
        """Those who were heard of a moment ago, the oldest first."""
        sql = f"SELECT {', '.join(_COLUMNS)} FROM processes WHERE seen_at > ? ORDER BY started_at, id"
        found: list[Sequence[Any]] = await self._reader.run(lambda db: db.execute(sql, (now - ALIVE,)).fetchall())
        return [Process(row[0], row[1], tuple(loads(row[2])), *row[3:]) for row in found]

    async def ask_reload(self, now: Millis) -> None:
        """Have every process take up playbooks and policy as its files are now."""
        sql = (
            "INSERT INTO counters (name, value) VALUES (?, ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value WHERE excluded.value > counters.value"
        )
        await self._writer.run(lambda db: db.execute(sql, (_RELOAD, now)).rowcount)

    async def reload_asked(self) -> Millis:
        """When that was asked for last; 0: never."""
        sql = "SELECT value FROM counters WHERE name = ?"
        row = await self._reader.run(lambda db: db.execute(sql, (_RELOAD,)).fetchone())
        return 0 if row is None else int(row[0])

    async def claim(self, duty: str, process_id: str, now: Millis) -> bool:
        """Take a duty that nobody has, or keep the one this process has; False when another has it."""
        return await self._writer.run(lambda db: _claim(db, duty, process_id, now))


def _beat(connection: Connection, process: Process, now: Millis) -> None:
    row = (process.id, process.kind, dumps(list(process.zones)), process.host, process.pid, process.version)
    connection.execute(
        f"INSERT INTO processes ({', '.join(_COLUMNS)}) VALUES (?, ?, ?, ?, ?, ?, ?, ?)"
        " ON CONFLICT (id) DO UPDATE SET seen_at = excluded.seen_at",
        (*row, process.started_at, now),
    )
    connection.execute("DELETE FROM processes WHERE seen_at < ?", (now - _FORGOTTEN,))


def _leave(connection: Connection, process_id: str) -> None:
    connection.execute("DELETE FROM processes WHERE id = ?", (process_id,))
    connection.execute("DELETE FROM duties WHERE holder = ?", (process_id,))


def _claim(connection: Connection, duty: str, process_id: str, now: Millis) -> bool:
    claimed = connection.execute(
        "INSERT INTO duties (name, holder, until) VALUES (?, ?, ?) ON CONFLICT (name) DO UPDATE"
        " SET holder = excluded.holder, until = excluded.until WHERE duties.holder = excluded.holder"
        " OR duties.until <= ?",
        (duty, process_id, now + ALIVE, now),
    )
    return claimed.rowcount > 0
