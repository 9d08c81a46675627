"""Events: what happened, for triggers and for executions that wait for it (S14)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.ids import derived_id
from soar.store import rows
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.signals import wake
from soar.store.text import dumps, loads
from soar.store.units import Event, Signal, Subscription
from soar.store.writer import Writer

_SELECT: Final = "SELECT id, name, data, at, hops, seq FROM events"


class Events:
    """Stored in the order of their commit."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def add(self, events: Sequence[Event]) -> None:
        """Tell something, and wake who waits for it; the same id again changes nothing."""
        await self._writer.run(lambda db: insert_events(db, events))

    async def since(self, name: str, opened_at: Millis, after: int, limit: int = 200) -> list[Event]:
        """Those of that name (`*` and `?` are wildcards), from an instant and a place in the order on."""
        sql = f"{_SELECT} WHERE seq > ? AND at >= ? AND {_named('name', '?')} ORDER BY seq LIMIT ?"
        asked = (after, opened_at, _glob(name), limit)
        return await self._reader.run(lambda db: [_event(row) for row in db.execute(sql, asked)])

    async def read_up_to(self) -> int:
        """The place up to which events were turned into alerts."""
        sql = "SELECT value FROM counters WHERE name = 'events read'"
        row = await self._reader.run(lambda db: db.execute(sql).fetchone())
        return 0 if row is None else int(row[0])

    async def reading_is_at(self, seq: int) -> None:
        """They were turned into alerts up to that place; it never goes back."""
        sql = (
            "INSERT INTO counters (name, value) VALUES ('events read', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value"
            " WHERE excluded.value > counters.value"
        )
        await self._writer.run(lambda db: db.execute(sql, (seq,)).rowcount)

    async def prune(self, before: Millis, limit: int = 1_000) -> int:
        """Forget old ones, some at a time."""
        sql = "DELETE FROM events WHERE seq IN (SELECT seq FROM events WHERE at < ? ORDER BY at LIMIT ?)"
        return await self._writer.run(lambda db: db.execute(sql, (before, limit)).rowcount)


def insert_events(connection: Connection, events: Sequence[Event]) -> None:
    """Inside somebody's transaction: each new one wakes those that wait for its name."""
    for event in events:
        added = connection.execute(
            "INSERT INTO events (id, name, data, at, hops) VALUES (?, ?, ?, ?, ?) ON CONFLICT (id) DO NOTHING",
            (event.id, event.name, dumps(event.data), event.at, event.hops),
        )
        if added.rowcount:
            _wake_waiting(connection, event)


def _wake_waiting(connection: Connection, event: Event) -> None:
    sql = f"SELECT DISTINCT execution_id FROM subscriptions WHERE {_named('?', 'event')}"
    for (execution_id,) in connection.execute(sql, (event.name,)).fetchall():
        identity = derived_id(event.id, execution_id, "event")
        wake(connection, Signal(identity, execution_id, "event", {"event": event.id}, event.at))


def subscribe(connection: Connection, execution_id: str, wanted: Sequence[Subscription]) -> bool:
    """Replace what an execution waits for; True when one of it is stored already, so that it must not park."""
    connection.execute("DELETE FROM subscriptions WHERE execution_id = ?", (execution_id,))
    given = [(execution_id, one.path, _glob(one.event), one.seen) for one in wanted]
    rows.insert(connection, "subscriptions", ("execution_id", "path", "event", "seen"), given)
    sql = (
        "SELECT 1 FROM events JOIN executions ON executions.id = ?"
        f" WHERE events.seq > ? AND events.at >= executions.opened_at AND {_named('events.name', '?')} LIMIT 1"
    )
    return any(
        connection.execute(sql, (execution_id, one.seen, _glob(one.event))).fetchone() is not None for one in wanted
    )


def _glob(name: str) -> str:
    """`[` has a meaning for GLOB and none in a name."""
    return name.replace("[", "[[]")


def _named(name: str, pattern: str) -> str:
    return f"{name} GLOB {pattern}"


def _event(row: Sequence[Any]) -> Event:
    return Event(row[0], row[1], loads(row[2]), row[3], row[4], row[5])
