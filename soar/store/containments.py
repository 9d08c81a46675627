"""The ledger as people and timers use it: the board, early lifts, and what expires."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from soar.clock import Millis
from soar.errors import Conflict, NotFound
from soar.model.action import UndoCall
from soar.model.containment import OVER, Containment, Hold
from soar.store import audit, ledger, rows
from soar.store.connection import Connection
from soar.store.pages import ContainmentFilter, Listing, Page
from soar.store.reader import Reader
from soar.store.text import loads, whole
from soar.store.units import Audit
from soar.store.writer import Writer

_COLUMNS: Final = (
    "id",
    "connection",
    "family",
    "target",
    "action",
    "state",
    "started_at",
    "expires_at",
    "ended_at",
    "round",
    "playbook_id",
    "alert_id",
    "reason",
    "lifted_by",
    "lift_reason",
    "rung",
    "missing_since",
    "checked_at",
)
"""In the order of the fields of Containment."""
_HOLD: Final = ("id", "containment_id", "execution_id", "path", "state", "undo_after", "expires_at", "undo")
_EXPIRED: Final = (
    "SELECT id, containment_id FROM holds WHERE state <> 'released' AND expires_at <= ?"
    " AND (state = 'live' OR suspected = 1) ORDER BY expires_at"
)
_LET_GO: Final = "UPDATE holds SET state = 'released', suspected = 0 WHERE state <> 'released' AND "


class Containments:
    """What is contained now and what was, and the ways out of it."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def page(
        self, filters: ContainmentFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Containment]:
        """Newest first, with their holds."""
        listing = listed(filters or ContainmentFilter())
        return await self._reader.run(lambda db: _page(db, listing, cursor, limit))

    async def get(self, containment_id: str) -> Containment:
        """One containment with its holds.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _get(db, containment_id))

    async def current(self, connection: str, family: str, target: str) -> Containment | None:
        """The one of that target that is not over, with its holds; None when there is none."""
        return await self._reader.run(lambda db: _current(db, (connection, family, target)))

    async def lift(self, containment_id: str, actor: str, reason: str, now: Millis) -> Containment:
        """A person lets go of it: every hold is released and the lift opened, or tried again when it was stuck.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is over, being lifted, or a call on it is open at this moment.
        """
        return await self._writer.run(lambda db: _lift(db, containment_id, actor, reason, now))

    async def lift_by_hand(self, containment_id: str, actor: str, reason: str, now: Millis) -> Containment:
        """A person says that a stuck one was taken back by hand: it is lifted, no call is made.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is not stuck.
        """
        return await self._writer.run(lambda db: _lift_by_hand(db, containment_id, actor, reason, now))

    async def release_expired(self, now: Millis) -> list[str]:
        """Release the holds whose time has come; the lifts this opens."""
        return await self._writer.run(lambda db: _release_expired(db, now))

    async def next_expiry(self) -> Millis | None:
        """When the first hold's time comes."""
        sql = "SELECT min(expires_at) FROM holds WHERE state <> 'released' AND (state = 'live' OR suspected = 1)"
        expiry: Millis | None = await self._reader.run(lambda db: db.execute(sql).fetchone()[0])
        return expiry

    async def undo_calls(self, containment_id: str) -> list[UndoCall]:
        """Every stored call that takes some of it back, the newest first (S30).

        That of a call known not to have happened is not among them.
        """
        return await self._reader.run(lambda db: _undo_calls(db, containment_id))


def listed(filters: ContainmentFilter) -> Listing:
    """The question a filter asks."""
    listing = Listing("containments", _COLUMNS, "started_at")
    listing.equal("state", filters.status)
    listing.equal("connection", filters.connection, steers=filters.status is None and not filters.current)
    listing.equal("target", filters.target)
    if filters.current is not None:
        # What is over is nearly everything, so it is found by age; what is current has an index of its own.
        listing.where("state NOT IN ('lifted', 'voided')" if filters.current else "+state IN ('lifted', 'voided')")
    return listing


def _page(connection: Connection, listing: Listing, cursor: str | None, limit: int) -> Page[Containment]:
    page = listing.page(connection, cursor, limit, lambda row: Containment(*row))
    holds = _holds(connection, [one.id for one in page.items])
    return Page([replace(one, holds=tuple(holds.get(one.id, ()))) for one in page.items], page.next_cursor)


def _get(connection: Connection, containment_id: str) -> Containment:
    sql = f"SELECT {', '.join(_COLUMNS)} FROM containments WHERE id = ?"
    row = connection.execute(sql, (containment_id,)).fetchone()
    if row is None:
        raise NotFound(f"containment {containment_id}: there is none; `soar containments list` shows those there are")
    holds = _holds(connection, [containment_id]).get(containment_id, ())
    return replace(Containment(*row), holds=tuple(holds))


def _current(connection: Connection, target: tuple[str, str, str]) -> Containment | None:
    row = connection.execute(
        "SELECT id FROM containments WHERE connection = ? AND family = ? AND target = ?"
        " AND state NOT IN ('lifted', 'voided')",
        target,
    ).fetchone()
    return None if row is None else _get(connection, row[0])


def _holds(connection: Connection, ids: Sequence[str]) -> dict[str, list[Hold]]:
    sql = f"SELECT {', '.join(_HOLD)} FROM holds WHERE containment_id IN (SELECT value FROM json_each(?)) ORDER BY seq"
    holds: dict[str, list[Hold]] = {}
    for row in connection.execute(sql, (rows.ids_json(ids),)):
        holds.setdefault(row[1], []).append(Hold(*(*row[:-1], _undo(row[-1]))))
    return holds


def _undo(text: str | None) -> UndoCall | None:
    fields: dict[str, Any] | None = loads(text)
    return None if fields is None else UndoCall(**fields)


def _lift(connection: Connection, containment_id: str, actor: str, reason: str, now: Millis) -> Containment:
    found = _get(connection, containment_id)
    name = f"containment {containment_id} ({found.target} on {found.connection})"
    if found.state in OVER:
        raise Conflict(f"{name}: it is {found.state} already")
    if found.state == "lifting":
        raise Conflict(f"{name}: it is being lifted already, by {found.lifted_by}")
    if found.state == "applying" or ledger.has_open_call(connection, containment_id):
        raise Conflict(f"{name}: a call on it is open at this moment; try again when it has its outcome")
    connection.execute(f"{_LET_GO} containment_id = ?", (containment_id,))
    ledger.open_lift(connection, containment_id, actor, reason, now)
    ledger.reckon_expiry(connection, containment_id)
    return _get(connection, containment_id)


def _lift_by_hand(connection: Connection, containment_id: str, actor: str, reason: str, now: Millis) -> Containment:
    found = _get(connection, containment_id)
    if found.state != "stuck":
        raise Conflict(f"containment {containment_id}: it is {found.state}; only a stuck one is lifted by hand")
    connection.execute(
        "UPDATE containments SET state = 'lifted', ended_at = ?, lifted_by = ?, lift_reason = ? WHERE id = ?",
        (now, whole(actor), whole(reason), containment_id),
    )
    told = {"reason": reason, "by_hand": True}
    audit.write(connection, [Audit(actor, "containment.lifted", f"containment:{containment_id}", now, told)])
    return _get(connection, containment_id)


def _release_expired(connection: Connection, now: Millis) -> list[str]:
    expired = connection.execute(_EXPIRED, (now,)).fetchall()
    connection.execute(
        f"{_LET_GO} id IN (SELECT value FROM json_each(?))", (rows.ids_json(hold for hold, _ in expired),)
    )
    opened: list[str] = []
    for containment_id in dict.fromkeys(containment for _, containment in expired):
        lift = ledger.let_go(connection, containment_id, now)
        if lift is not None:
            opened.append(lift)
        ledger.reckon_expiry(connection, containment_id)
    return opened


def _undo_calls(connection: Connection, containment_id: str) -> list[UndoCall]:
    _get(connection, containment_id)
    found = connection.execute(
        "SELECT undo FROM holds WHERE containment_id = ? AND undo IS NOT NULL ORDER BY called_at DESC, seq DESC",
        (containment_id,),
    )
    calls = [_undo(row[0]) for row in found]
    return [call for call in calls if call is not None]
