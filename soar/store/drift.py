"""What a look at the systems found of the ledger: gone, back, made again; and what is about to expire (S35)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.ids import derived_id
from soar.model.containment import Containment
from soar.model.execution import Execution
from soar.store import audit, rows
from soar.store.connection import Connection
from soar.store.events import insert_events
from soar.store.reader import Reader
from soar.store.units import Audit, Event
from soar.store.writer import Writer

ACTOR: Final = "engine:drift"
_DAY: Final[Millis] = 86_400_000
_CALL_OPEN: Final = "SELECT 1 FROM holds WHERE containment_id = ? AND state = 'pending' AND suspected = 0"
_DUE: Final = (
    "SELECT id FROM containments WHERE state = 'held' AND coalesce(checked_at, started_at) <= ?"
    " ORDER BY coalesce(checked_at, started_at) LIMIT ?"
)
_EXPIRING: Final = (
    "SELECT id, connection, action, target, expires_at, playbook_id, alert_id FROM containments"
    " WHERE state = 'held' AND expires_at <= ? AND (told_expiry IS NULL OR told_expiry <> expires_at)"
    " AND expires_at - (expires_at - started_at) / 2 <= ? LIMIT 500"
)
_MADE_AGAIN: Final = (
    "SELECT 1 FROM holds JOIN executions ON executions.id = holds.execution_id"
    " WHERE holds.containment_id = ? AND executions.kind = 'reapply' AND holds.called_at > ?"
)


class Drift:
    """Written by whoever looks; never a state of the ledger."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def due(self, before: Millis, limit: int) -> list[str]:
        """The held ones that were last looked at before then, the longest ago first."""
        return await self._reader.run(lambda db: [row[0] for row in db.execute(_DUE, (before, limit))])

    async def standing(self, seen: Containment, now: Millis) -> bool:
        """It is there; True when it had been missing, and somebody else has put it back."""
        return await self._writer.run(lambda db: _standing(db, seen, now))

    async def unclear(self, seen: Containment, now: Millis) -> None:
        """Its system could not tell: that is asked again later."""
        await self._writer.run(lambda db: _touch(db, seen, now))

    async def missing(self, seen: Containment, most: int, now: Millis, *, tell: bool) -> Execution | None:
        """It is gone: noted and told once, and the execution that makes it again, up to `most` times in a day.

        Nothing is noted when it was let go of, made again or looked at since it was `seen`. `tell`: as an event too.
        """
        return await self._writer.run(lambda db: _missing(db, seen, (most, tell), now))

    async def announce(self, ahead: Millis, now: Millis) -> int:
        """Tell of each expiry once, that long ahead of it, or halfway where it is shorter than twice that."""
        return await self._writer.run(lambda db: _announce(db, ahead, now))


def is_reapplied(connection: Connection, hold_id: str) -> bool:
    """Whether that hold belongs to an execution that makes a containment again."""
    sql = "SELECT kind FROM executions WHERE id = (SELECT execution_id FROM holds WHERE id = ?)"
    row = connection.execute(sql, (hold_id,)).fetchone()
    return row is not None and row[0] == "reapply"


def restored(connection: Connection, containment_id: str, now: Millis) -> None:
    """It was made again."""
    sql = "UPDATE containments SET missing_since = NULL, checked_at = ? WHERE id = ?"
    connection.execute(sql, (now, containment_id))
    audit.write(connection, [Audit(ACTOR, "containment.reapplied", f"containment:{containment_id}", now)])


def _touch(connection: Connection, seen: Containment, now: Millis) -> bool:
    """Say that it was looked at; False when it is not as it was when the look began."""
    if connection.execute(_CALL_OPEN, (seen.id,)).fetchone() is not None:
        return False
    moved = connection.execute(
        "UPDATE containments SET checked_at = ? WHERE id = ? AND state = 'held' AND checked_at IS ?",
        (now, seen.id, seen.checked_at),
    )
    return moved.rowcount > 0


def _standing(connection: Connection, seen: Containment, now: Millis) -> bool:
    if not _touch(connection, seen, now):
        return False
    if connection.execute(_MADE_AGAIN, (seen.id, now - _DAY)).fetchone() is None:
        connection.execute("UPDATE containments SET reapplied = 0 WHERE id = ? AND reapplied > 0", (seen.id,))
    if seen.missing_since is None:
        return False
    connection.execute("UPDATE containments SET missing_since = NULL WHERE id = ?", (seen.id,))
    entry = Audit(ACTOR, "containment.back", f"containment:{seen.id}", now, {"missing_since": seen.missing_since})
    audit.write(connection, [entry])
    return True


def _missing(connection: Connection, seen: Containment, asked: tuple[int, bool], now: Millis) -> Execution | None:
    most, tell = asked
    if not _touch(connection, seen, now) or seen.missing_since is not None:
        return None
    made, expires_at = connection.execute(
        "SELECT reapplied, expires_at FROM containments WHERE id = ?", (seen.id,)
    ).fetchone()
    again = made < most and (expires_at is None or expires_at > now)
    connection.execute(
        "UPDATE containments SET missing_since = ?, reapplied = reapplied + ? WHERE id = ?", (now, int(again), seen.id)
    )
    told: dict[str, Any] = {"connection": seen.connection, "action": seen.action, "target": seen.target}
    told |= {"reapplied_before": made, "reapplies": again}
    audit.write(connection, [Audit(ACTOR, "containment.missing", f"containment:{seen.id}", now, told)])
    name = "containment.drift"
    event = Event(derived_id(seen.id, name, now), name, {"containment": seen.id, **told}, now)
    insert_events(connection, [event] if tell else [])
    if not again:
        return None
    execution = _reapply(seen, now)
    rows.insert_executions(connection, [execution])
    return execution


def _reapply(seen: Containment, now: Millis) -> Execution:
    return Execution(
        id=derived_id(seen.id, "reapply", now),
        kind="reapply",
        playbook_id="reapply",
        playbook_digest="",
        state="queued",
        epoch=0,
        opened_at=now,
        deadline_at=min(seen.expires_at or now + _DAY, now + _DAY),
        alert_id=seen.alert_id,
        containment_id=seen.id,
        actor=ACTOR,
    )


def _announce(connection: Connection, ahead: Millis, now: Millis) -> int:
    found: Sequence[Sequence[Any]] = connection.execute(_EXPIRING, (now + ahead, now)).fetchall()
    name = "containment.expiring"
    for identity, at_connection, action, target, expires_at, playbook, alert in found:
        data = {"containment": identity, "connection": at_connection, "action": action, "target": target}
        data |= {"expires_at": expires_at, "playbook": playbook, "alert": alert}
        insert_events(connection, [Event(derived_id(identity, name, expires_at), name, data, now)])
        connection.execute("UPDATE containments SET told_expiry = ? WHERE id = ?", (expires_at, identity))
    return len(found)
