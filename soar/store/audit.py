"""The audit trail: written in the unit it speaks of, numbered and chained afterwards (S46)."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from soar.clock import Millis
from soar.errors import CursorInvalid
from soar.store import rows
from soar.store.connection import Connection
from soar.store.pages import LIMIT, Page
from soar.store.reader import Reader
from soar.store.text import dumps, loads, whole
from soar.store.units import Audit
from soar.store.writer import Writer

_COLUMNS: Final = ("id", "at", "actor", "action", "subject", "data", "seq", "hash")
_BATCH: Final = 1_000
_START: Final = "0" * 64
"""What the first entry is chained to."""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """One entry as its row stands; without number and hash until it is sealed."""

    id: int
    at: Millis
    actor: str
    action: str
    subject: str
    data: Mapping[str, Any]
    seq: int | None
    hash: str | None


@dataclass(frozen=True, slots=True)
class ChainState:
    """What a walk over the chain found."""

    sealed: int
    unsealed: int
    broken_at: int | None = None
    """The number of the first entry that does not fit its hash, or is missing."""


def write(connection: Connection, entries: Sequence[Audit]) -> None:
    """Add entries to somebody's transaction."""
    given = [(one.at, whole(one.actor), one.action, whole(one.subject), dumps(one.data)) for one in entries]
    rows.insert(connection, "audit", ("at", "actor", "action", "subject", "data"), given)


class AuditTrail:
    """Reads, seals and proves the trail."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def page(self, subject: str | None = None, cursor: str | None = None, limit: int = 50) -> Page[AuditEntry]:
        """Newest first."""
        return await self._reader.run(lambda db: _page(db, subject, cursor, min(limit, LIMIT)))

    async def add(self, entry: Audit) -> None:
        """One entry by itself, for what has no unit of its own."""
        await self._writer.run(lambda db: write(db, [entry]))

    async def seal(self) -> int:
        """Number and chain what is committed and is not sealed yet, by ascending id; how many there were."""
        return await self._writer.run(_seal)

    async def verify(self) -> ChainState:
        """Walk the whole chain."""
        return await self._reader.run(_verify)


def _page(connection: Connection, subject: str | None, cursor: str | None, limit: int) -> Page[AuditEntry]:
    if cursor is not None and not cursor.isdecimal():
        raise CursorInvalid(f"{cursor[:80]!r} is no cursor of this list; take `next_cursor` of the page before")
    terms = ["id < ?"] if cursor else []
    values: list[Any] = [int(cursor)] if cursor else []
    if subject is not None:
        terms, values = [*terms, "subject = ?"], [*values, subject]
    where = f" WHERE {' AND '.join(terms)}" if terms else ""
    sql = f"SELECT {', '.join(_COLUMNS)} FROM audit{where} ORDER BY id DESC LIMIT ?"
    found = [_entry(row) for row in connection.execute(sql, (*values, limit + 1))]
    return Page(found[:limit], str(found[limit - 1].id) if len(found) > limit else None)


def _seal(connection: Connection) -> int:
    last = connection.execute("SELECT seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq DESC LIMIT 1").fetchone()
    seq, previous = last or (0, _START)
    sql = "SELECT id, at, actor, action, subject, data FROM audit WHERE seq IS NULL ORDER BY id LIMIT ?"
    found = connection.execute(sql, (_BATCH,)).fetchall()
    for row in found:
        seq += 1
        previous = _hash(seq, previous, row)
        connection.execute("UPDATE audit SET seq = ?, hash = ? WHERE id = ?", (seq, previous, row[0]))
    return len(found)


def _verify(connection: Connection) -> ChainState:
    previous, expected = _START, 0
    sql = "SELECT id, at, actor, action, subject, data, seq, hash FROM audit WHERE seq IS NOT NULL ORDER BY seq"
    for *row, seq, stored in connection.execute(sql):
        expected += 1
        previous = _hash(expected, previous, row)
        if seq != expected or stored != previous:
            return ChainState(expected - 1, _unsealed(connection), expected)
    return ChainState(expected, _unsealed(connection))


def _unsealed(connection: Connection) -> int:
    (number,) = connection.execute("SELECT count(*) FROM audit WHERE seq IS NULL").fetchone()
    return int(number)


def _hash(seq: int, previous: str, row: Sequence[Any]) -> str:
    _, at, actor, action, subject, data = row
    material = orjson.dumps([seq, previous, at, actor, action, subject, data or ""])
    return hashlib.sha256(material).hexdigest()


def _entry(row: Sequence[Any]) -> AuditEntry:
    return AuditEntry(row[0], row[1], row[2], row[3], row[4], loads(row[5]) or {}, row[6], row[7])
