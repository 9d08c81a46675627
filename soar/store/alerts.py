"""Alerts: kept before anybody is told so, opened once, explained for good."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import datetime
from typing import Any, Final

from soar.clock import Millis, as_millis, rfc3339
from soar.errors import Conflict, NotFound
from soar.model.alert import Alert, KeptAlert, Match, RawAlert
from soar.model.severity import RANKS
from soar.store import rows
from soar.store.connection import Connection
from soar.store.inbox import keep, open_alerts
from soar.store.pages import AlertFilter, Listing, Page
from soar.store.reader import Reader
from soar.store.text import loads, whole
from soar.store.units import AlertState, Opening
from soar.store.writer import Writer

_SUMMARY: Final = (
    "id",
    "source",
    "received_at",
    "state",
    "severity_id",
    "title",
    "rule_id",
    "src_ip",
    '"user"',
    "duplicates",
    "error",
    "json_extract(data, '$.source_ref')",
)
"""In the order of the fields of AlertSummary."""
_DISABLED: Final = "schedule disabled: "
"""In `counters`, by playbook: since when."""
_ENABLED: Final = "schedule enabled: "
"""In `counters`, by playbook: when it was enabled again."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which raw alerts one of several processes takes on: twice would do no harm, only cost twice."""

    place: int
    of: int
    """It is number `place`, from 0, of so many; -1 for one that takes on only what others have left."""
    left_before: Millis
    """What was received before then and still waits has been left: anybody takes it on (S40)."""


@dataclass(frozen=True, slots=True)
class AlertSummary:
    """One line of a list; what the alert says is None until it has been processed."""

    id: str
    source: str
    received_at: Millis
    state: AlertState
    severity_id: int | None
    title: str | None
    rule_id: str | None
    src_ip: str | None
    user: str | None
    duplicates: int
    """How often it came again."""
    error: str | None
    """Why it is a dead letter."""
    source_ref: str | None = None
    """The sender's own id."""


@dataclass(frozen=True, slots=True)
class StoredAlert:
    """One alert with what became of it."""

    id: str
    source: str
    received_at: Millis
    state: AlertState
    duplicates: int
    error: str | None
    catalog_digest: str | None
    """Which set of playbooks it was weighed against."""
    alert: Alert | None
    """None until it has been processed, and for a dead letter."""


@dataclass(frozen=True, slots=True)
class AlertCounts:
    """Totals: `received` is `matched + unmatched + failed + waiting`; duplicates are counted beside it."""

    received: int = 0
    matched: int = 0
    unmatched: int = 0
    failed: int = 0
    duplicates: int = 0

    @property
    def waiting(self) -> int:
        """Kept, and not processed yet."""
        return self.received - self.matched - self.unmatched - self.failed


class Alerts:
    """Raw alerts, the alerts made of them, and why each playbook did or did not fire."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def keep(self, alerts: Sequence[RawAlert]) -> list[KeptAlert]:
        """Have all of one delivery on disk, or none; one that is there already is named by its first id.

        Raises:
            StoreUnavailable: the database could not be written, nothing was kept.
        """
        if not alerts:
            return []
        kept: list[KeptAlert] = await self._writer.submit(keep, alerts)
        return kept

    async def unprocessed(self, limit: int = 500, share: Share | None = None) -> list[RawAlert]:
        """Those that wait to be processed, oldest first: all, or those of one of several processes."""
        return await self._reader.run(lambda db: _unprocessed(db, limit, share))

    async def open(self, openings: Sequence[Opening]) -> list[str]:
        """Write each opening as one unit; the ids of the new executions that may begin.

        Those that wait for a slot are not among them.
        An alert that was opened before is left as it is. When one opening is refused, the others
        are written before the error is raised.

        Raises:
            NotFound: its raw alert was not kept.
            StoreUnavailable: the database could not be written.
        """
        futures = [self._writer.submit(open_alerts, opening) for opening in openings]
        opened: list[str] = []
        failure: Exception | None = None
        for future in futures:
            try:
                opened += await future
            except Exception as error:  # noqa: BLE001 - raised once the others are through
                failure = failure or error
        if failure is not None:
            raise failure
        return opened

    async def fail(self, raw_id: str, reason: str) -> None:
        """Make it a dead letter, with the reason.

        Raises:
            NotFound: there is none of that id.
            Conflict: it was opened already.
        """
        await self._writer.run(lambda db: _fail(db, raw_id, reason))

    async def get(self, alert_id: str) -> StoredAlert:
        """One alert.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _get(db, alert_id))

    async def raw(self, alert_id: str) -> RawAlert:
        """The bytes it came as.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _raw_one(db, alert_id))

    async def matches(self, alert_id: str) -> list[Match]:
        """Why each playbook it was weighed against did or did not fire.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _matches(db, alert_id))

    async def catalog(self, alert_id: str) -> list[tuple[str, str]]:
        """The playbooks that were loaded when it was opened: (id, digest). Those without a match were
        excluded by the index before any of their tests.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _catalog(db, alert_id))

    async def page(
        self, filters: AlertFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[AlertSummary]:
        """Newest first."""
        listing = listed(filters or AlertFilter())
        return await self._reader.run(lambda db: listing.page(db, cursor, limit, lambda row: AlertSummary(*row)))

    async def counts(self) -> AlertCounts:
        """Totals since the database was made."""
        sql = "SELECT name, value FROM counters"
        found: Mapping[str, int] = await self._reader.run(lambda db: dict(db.execute(sql).fetchall()))
        ours = {one.name for one in fields(AlertCounts)}  # others keep their own numbers there
        return AlertCounts(**{name: number for name, number in found.items() if name in ours})

    async def latest_firing(self, playbook_id: str, until: Millis | None = None) -> Millis | None:
        """Up to when nothing of that schedule is to be made up for: its last firing that was kept, or when it was
        enabled again, whichever is later. Firings after `until` are passed over: a clock was ahead then.
        """
        prefix = f"schedule:{playbook_id}:"
        last = f"{prefix}~" if until is None else f"{prefix}{rfc3339(until)}"
        sql = (
            "SELECT (SELECT max(dedupe_key) FROM alerts"
            " WHERE source = 'manual' AND dedupe_key >= ? AND dedupe_key <= ?), value"
            " FROM (SELECT 1) LEFT JOIN counters ON name = ? AND value <= coalesce(?, value)"
        )
        asked = (prefix, last, f"{_ENABLED}{playbook_id}", until)
        key, enabled = await self._reader.run(lambda db: db.execute(sql, asked).fetchone())
        kept = None if key is None else as_millis(datetime.fromisoformat(key.removeprefix(prefix)))
        return max((at for at in (kept, enabled) if at is not None), default=None)

    async def schedule_off(self, playbook_id: str, now: Millis) -> None:
        """Remember that its playbook is disabled, for as long as it is."""
        sql = "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO NOTHING"
        await self._writer.run(lambda db: db.execute(sql, (f"{_DISABLED}{playbook_id}", now)).rowcount)

    async def schedule_on(self, playbook_id: str, now: Millis) -> None:
        """Its playbook is enabled: what was due while it was disabled is nobody's business any more."""
        await self._writer.run(lambda db: _schedule_on(db, playbook_id, now))


def listed(filters: AlertFilter) -> Listing:
    """The question a filter asks, steered to the most selective of its indexes."""
    listing = Listing("alerts", _SUMMARY, "received_at")
    by_severity = filters.severity is not None
    listing.equal("severity_id", None if filters.severity is None else RANKS[filters.severity])
    rare = filters.status in ("received", "failed")
    listing.equal("state", filters.status, steers=rare or not by_severity)
    listing.equal("source", filters.source, steers=not by_severity and filters.status is None)
    listing.between(filters.since, filters.until)
    return listing


def _schedule_on(connection: Connection, playbook_id: str, now: Millis) -> None:
    off = connection.execute("DELETE FROM counters WHERE name = ?", (f"{_DISABLED}{playbook_id}",))
    if off.rowcount:
        sql = "INSERT INTO counters (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"
        connection.execute(sql, (f"{_ENABLED}{playbook_id}", now))


def _unprocessed(connection: Connection, limit: int, share: Share | None) -> list[RawAlert]:
    terms, values = "", []
    if share is not None:
        terms, values = " AND (a.seq % ? = ? OR a.received_at < ?)", [share.of, share.place, share.left_before]
    found = connection.execute(f"{_RAW} WHERE a.state = 'received'{terms}{_OLDEST}", (*values, limit))
    return [_raw(row) for row in found]


_RAW: Final = (
    "SELECT a.id, a.source, a.dedupe_key, a.received_at, r.body, r.envelope, a.state, a.error, r.hops"
    " FROM alerts AS a JOIN raw_alerts AS r ON r.id = a.id"
)
_OLDEST: Final = " ORDER BY a.received_at, a.seq LIMIT ?"


def _raw(row: Sequence[Any]) -> RawAlert:
    state: Any = row[6] if row[6] in ("received", "failed") else "processed"
    return RawAlert(*(*row[:6], state, *row[7:]))


def _raw_one(connection: Connection, alert_id: str) -> RawAlert:
    row = connection.execute(f"{_RAW} WHERE a.id = ?", (alert_id,)).fetchone()
    if row is None:
        raise _missing(alert_id)
    return _raw(row)


def _fail(connection: Connection, alert_id: str, reason: str) -> None:
    moved = connection.execute(
        "UPDATE alerts SET state = 'failed', error = ? WHERE id = ? AND state = 'received'", (whole(reason), alert_id)
    )
    if moved.rowcount:
        rows.count(connection, {"failed": 1})
        return
    (state,) = _columns(connection, alert_id, "state")
    if state in ("matched", "unmatched"):
        raise Conflict(f"alert {alert_id}: it was processed already ({state})")


def _get(connection: Connection, alert_id: str) -> StoredAlert:
    names = "id, source, received_at, state, duplicates, error, catalog_digest, data"
    *columns, data = _columns(connection, alert_id, names)
    return StoredAlert(*(*columns, None if data is None else _alert(data)))


def _alert(data: str) -> Alert:
    return Alert.model_validate(loads(data)) if data.startswith(" ") else Alert.model_validate_json(data)


def _matches(connection: Connection, alert_id: str) -> list[Match]:
    (found,) = _columns(connection, alert_id, "matches")
    return [Match(*fields) for fields in loads(found) or ()]


def _catalog(connection: Connection, alert_id: str) -> list[tuple[str, str]]:
    (digest,) = _columns(connection, alert_id, "catalog_digest")
    row = connection.execute("SELECT members FROM catalogs WHERE digest = ?", (digest,)).fetchone()
    return [(playbook_id, version) for playbook_id, version in loads(row[0] if row else None) or ()]


def _columns(connection: Connection, alert_id: str, names: str) -> Sequence[Any]:
    row: Sequence[Any] | None = connection.execute(f"SELECT {names} FROM alerts WHERE id = ?", (alert_id,)).fetchone()
    if row is None:
        raise _missing(alert_id)
    return row


def _missing(alert_id: str) -> NotFound:
    return NotFound(f"alert {alert_id}: there is none; `soar alerts list` shows those there are")
