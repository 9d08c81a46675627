"""Executions: opened, taken, carried forward by their owner's units, and listed."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final, Literal

from soar.clock import Millis
from soar.errors import Conflict, LeaseLost, NotFound
from soar.ids import new_id
from soar.model.execution import FINAL, Execution, Fact
from soar.model.severity import RANKS
from soar.store import audit, rows, signals, slots
from soar.store.commit import write_units
from soar.store.connection import Connection
from soar.store.pages import ExecutionFilter, Listing, Page
from soar.store.reader import Reader
from soar.store.takes import Asked, Taken, sweep, take_up
from soar.store.text import dumps, loads
from soar.store.units import Audit, ExecutionUnit, Signal
from soar.store.writer import Writer

_SELECT: Final = f"SELECT {', '.join(rows.EXECUTION)} FROM executions"
_READY: Final = (
    f"{_SELECT} WHERE state = 'queued' ORDER BY priority DESC, opened_at, seq LIMIT ?",
    f"{_SELECT} WHERE state = 'parked' AND due_at <= ? ORDER BY due_at LIMIT ?",
    (
        f"{_SELECT} WHERE +state = 'parked' AND waits_for_slot = 0"
        " AND id IN (SELECT execution_id FROM signals WHERE taken = 0) LIMIT ?"
    ),
)


class Executions:
    """The rows of executions, their history and their signals."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def commit(self, unit: ExecutionUnit) -> bool:
        """Write all of the unit, or nothing; returns once it is on disk.

        True says that the unit was to park the execution, but signals were waiting: it is
        `queued` instead, to be taken again at once.

        Raises:
            LeaseLost: the execution has another epoch or has ended.
            TargetBusy: a target it wants is being changed by somebody else.
            Conflict: it says something else than a fact on record.
            StoreUnavailable: the database could not be written.
        """
        woken: bool = await self._writer.submit(write_units, unit)
        return woken

    async def open(self, execution: Execution) -> bool:
        """Open one; False when it was there already."""
        return bool(await self.open_many([execution]))

    async def open_many(
        self,
        executions: Sequence[Execution],
        facts: Mapping[str, Sequence[Fact]] | None = None,
        told: Sequence[Audit] = (),
    ) -> list[str]:
        """Open any number in one transaction, with histories by id, in whatever state; the ids of the new ones.

        `told` is for the audit trail; it is written when something new was opened.
        """
        return await self._writer.run(lambda db: _open_many(db, executions, facts or {}, told))

    async def get(self, execution_id: str) -> Execution:
        """One execution as it stands.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _get(db, execution_id))

    async def facts(self, execution_id: str) -> list[Fact]:
        """Its history in the order it was committed."""
        return await self._reader.run(lambda db: _facts(db, execution_id))

    async def page(
        self, filters: ExecutionFilter | None = None, cursor: str | None = None, limit: int = 50
    ) -> Page[Execution]:
        """Newest first."""
        listing = listed(filters or ExecutionFilter())
        return await self._reader.run(lambda db: listing.page(db, cursor, limit, rows.execution))

    async def ready(self, now: Millis, limit: int = 500) -> list[Execution]:
        """What can be taken: queued, or parked and due, or parked with unread signals; the most urgent first."""
        return await self._reader.run(lambda db: _ready(db, now, limit))

    async def interrupted(self) -> list[Execution]:
        """Those that run, oldest first: after a start, nobody's."""
        sql = f"{_SELECT} WHERE state = 'running' ORDER BY opened_at, seq"
        return await self._reader.run(lambda db: [rows.execution(row) for row in db.execute(sql)])

    async def next_due(self) -> Millis | None:
        """When the first parked one is due."""
        sql = "SELECT min(due_at) FROM executions WHERE state = 'parked'"
        due: Millis | None = await self._reader.run(lambda db: db.execute(sql).fetchone()[0])
        return due

    async def signals(self, execution_id: str) -> list[Signal]:
        """What was left for it and not taken in yet, oldest first."""
        return await self._reader.run(lambda db: signals.unread(db, execution_id))

    async def signal(self, signal: Signal) -> None:
        """Leave something for an execution, and wake it if it is parked; the same signal again changes nothing.

        Raises:
            NotFound: there is no such execution.
        """
        await self._writer.run(lambda db: signals.wake(db, signal))

    async def signalled(self) -> list[str]:
        """Those that somebody left something for, and that have not taken it in."""
        sql = "SELECT DISTINCT execution_id FROM signals WHERE taken = 0"
        return await self._reader.run(lambda db: [row[0] for row in db.execute(sql)])

    async def confirm(self, execution_id: str, epoch: int) -> None:
        """Whether it is still owned under that epoch (S20).

        Raises:
            LeaseLost: it is not.
        """
        sql = "SELECT epoch FROM executions WHERE id = ?"
        row = await self._reader.run(lambda db: db.execute(sql, (execution_id,)).fetchone())
        if row is None or row[0] != epoch:
            raise LeaseLost(f"execution {execution_id}: it is no longer owned under epoch {epoch}")

    async def peek(self, execution_id: str) -> tuple[Execution, int] | None:
        """One as it stands, and how often it was taken up since anything of it was written; None: there is none."""
        return await self._reader.run(lambda db: _peek(db, execution_id))

    async def take(self, asked: Asked) -> Taken | None:
        """Take up what a job names, under a new epoch; None when that job is no longer the one to do so (S39)."""
        taken: Taken | None = await self._writer.submit(take_up, asked)
        return taken

    async def sweep(self, live: str, now: Millis) -> int:
        """Give a new job to what no job will take up any more: the safety net (S40)."""
        return await self._writer.run(lambda db: sweep(db, live, now))

    async def children(self, execution_id: str) -> list[Execution]:
        """The sub-playbooks it has opened, oldest first."""
        sql = f"{_SELECT} WHERE parent_id = ? ORDER BY opened_at, seq"
        return await self._reader.run(lambda db: [rows.execution(row) for row in db.execute(sql, (execution_id,))])

    async def reruns(self, execution_id: str) -> list[Execution]:
        """What was run again of it, oldest first."""
        sql = f"{_SELECT} WHERE rerun_of = ? ORDER BY opened_at, seq"
        return await self._reader.run(lambda db: [rows.execution(row) for row in db.execute(sql, (execution_id,))])

    async def tell(
        self, execution_id: str, kind: Literal["cancel", "pause", "resume"], told: Mapping[str, Any], now: Millis
    ) -> None:
        """A person tells it something: `{by, reason}`, for a cancel `undo` too.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is over already.
        """
        await self._writer.run(lambda db: _tell(db, execution_id, kind, told, now))

    async def free_slots(self) -> None:
        """Queue those that wait for a slot that has room: the safety net (S40)."""
        await self._writer.run(slots.free_all)

    async def release(self, ids: Sequence[str]) -> None:
        """Hand back what was running here, for whoever comes next (an orderly shutdown)."""
        sql = (
            "UPDATE executions SET state = 'queued', job_id = NULL"
            " WHERE id IN (SELECT value FROM json_each(?)) AND state = 'running'"
        )
        given = rows.ids_json(ids)
        await self._writer.run(lambda db: db.execute(sql, (given,)).rowcount)


def listed(filters: ExecutionFilter) -> Listing:
    """The question a filter asks, steered to the most selective of its indexes.

    SQLite keeps no statistics here, so it cannot know that one playbook is rarer than `succeeded`.
    """
    listing = Listing("executions", rows.EXECUTION, "opened_at")
    by_alert, by_playbook = filters.alert is not None, filters.playbook is not None
    by_severity = filters.severity is not None
    listing.equal("alert_id", filters.alert)
    listing.equal("playbook_id", filters.playbook, steers=not by_alert)
    severity = None if filters.severity is None else RANKS[filters.severity]
    listing.equal("severity_id", severity, steers=not (by_alert or by_playbook))
    lifts = filters.kind == "lift" and not (by_alert or by_playbook or by_severity)
    listing.equal("state", filters.status, steers=not (by_alert or lifts))
    if lifts:
        listing.where("kind = 'lift'")  # a constant, or the index of lifts alone cannot be used
    elif filters.kind is None:
        listing.where("+kind <> 'call'")  # one call in another zone is part of an execution that is listed
    else:
        listing.equal("kind", filters.kind)
    listing.between(filters.since, filters.until)
    return listing


def _open_many(
    connection: Connection,
    executions: Sequence[Execution],
    facts: Mapping[str, Sequence[Fact]],
    told: Sequence[Audit],
) -> list[str]:
    opened = rows.insert_executions(connection, executions)
    if opened:
        audit.write(connection, told)
        new = [one for one in executions if one.id in opened and one.slot_key is not None]
        slots.take_slots(connection, new, {})
    wanted = [execution_id for execution_id in opened if execution_id in facts]
    if wanted:
        sql = "SELECT id, seq FROM executions WHERE id IN (SELECT value FROM json_each(?))"
        seqs = dict(connection.execute(sql, (rows.ids_json(wanted),)).fetchall())
        given = [
            (seqs[owner], fact.path, fact.kind, fact.attempt, fact.at, dumps(fact.data))
            for owner in wanted
            for fact in facts[owner]
        ]
        rows.insert(connection, "facts", rows.FACT, given)
    return opened


def _tell(
    connection: Connection,
    execution_id: str,
    kind: Literal["cancel", "pause", "resume"],
    told: Mapping[str, Any],
    now: Millis,
) -> None:
    found = _get(connection, execution_id)
    if found.state in FINAL:
        raise Conflict(f"execution {execution_id}: it is {found.state} already")
    signals.wake(connection, Signal(new_id(), execution_id, kind, told, now))
    entry = Audit(str(told["by"]), f"execution.{kind}", f"execution:{execution_id}", now, dict(told))
    audit.write(connection, [entry])


def _get(connection: Connection, execution_id: str) -> Execution:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (execution_id,)).fetchone()
    if row is None:
        raise NotFound(f"execution {execution_id}: there is none; `soar executions list` shows those there are")
    return rows.execution(row)


def _peek(connection: Connection, execution_id: str) -> tuple[Execution, int] | None:
    sql = (
        f"SELECT CASE WHEN taken_at_epoch = epoch THEN takes ELSE 0 END, {', '.join(rows.EXECUTION)}"
        " FROM executions WHERE id = ?"
    )
    row = connection.execute(sql, (execution_id,)).fetchone()
    return None if row is None else (rows.execution(row[1:]), int(row[0]))


def _facts(connection: Connection, execution_id: str) -> list[Fact]:
    sql = (
        "SELECT path, kind, attempt, at, data FROM facts"
        " WHERE execution_seq = (SELECT seq FROM executions WHERE id = ?) ORDER BY seq"
    )
    found: list[Sequence[Any]] = connection.execute(sql, (execution_id,)).fetchall()
    return [Fact(row[0], row[1], row[2], row[3], loads(row[4])) for row in found]


def _ready(connection: Connection, now: Millis, limit: int) -> list[Execution]:
    queued, due, signalled = _READY
    found = connection.execute(queued, (limit,)).fetchall()
    found += connection.execute(due, (now, limit)).fetchall()
    found += connection.execute(signalled, (limit,)).fetchall()
    ready = {execution.id: execution for execution in map(rows.execution, found)}
    ordered = sorted(
        ready.values(), key=lambda one: (one.kind != "lift", -one.priority, -one.severity_id, one.opened_at, one.id)
    )
    return ordered[:limit]
