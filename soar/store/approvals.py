"""Requests to people, and what they say: settled once, by whoever commits first (S4, S26-S28)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final, Literal

from soar.clock import Millis
from soar.errors import Conflict, NotFound
from soar.ids import derived_id
from soar.model.approval import OPEN_APPROVALS, Approval, ApprovalState, Approvers, Stage, Vote
from soar.store import audit, rows
from soar.store.connection import Connection
from soar.store.pages import Listing, Page
from soar.store.reader import Reader
from soar.store.signals import wake
from soar.store.text import dumps, loads, whole
from soar.store.units import Audit, Signal, Withdraw
from soar.store.writer import Writer

_COLUMNS: Final = (
    "id", "execution_id", "path", "round", "state", "message", "shown", "digest", "approvers", "requester", "asked_at",
    "stages", "playbook_id", "author", "stage", "due_at", "on_timeout", "remind", "settled_at", "settled_by", "reason",
)  # fmt: skip
"""In the order of the fields of Approval."""
_VOTE: Final = ("person", "decision", "at", "channel", "reason", "evidence")
_OPEN: Final = "state IN ('asking', 'asked')"
_POLICY: Final = "policy"
"""The actor of what happens because nobody answered in time."""


class Approvals:
    """Asked by the engine, decided by people or by their time."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def page(
        self,
        state: ApprovalState | Literal["open", "settled"] | None = None,
        execution_id: str | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[Approval]:
        """Newest first, with their votes; `open` are those that can still be decided.

        `settled` are the others, and those settled last come first.
        """
        listing = Listing("approvals", _COLUMNS, "settled_at" if state == "settled" else "asked_at")
        if state == "open":
            listing.where(_OPEN)
        elif state == "settled":
            listing.where("settled_at IS NOT NULL")
        else:
            listing.equal("state", state, steers=execution_id is None)
        listing.equal("execution_id", execution_id)
        return await self._reader.run(lambda db: _page(db, listing, cursor, limit))

    async def of(self, execution_id: str) -> list[Approval]:
        """All of one execution, oldest first."""
        return await self._reader.run(lambda db: _of(db, execution_id))

    async def get(self, approval_id: str) -> Approval:
        """One request with its votes.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: read(db, approval_id))

    async def vote(self, approval_id: str, vote: Vote, now: Millis) -> Approval:
        """Take a person's word in; one no settles it, so do as many yeses as are required.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is settled, or this person has said something already; the message says what stands.
        """
        return await self._writer.run(lambda db: _vote(db, approval_id, vote, now))

    async def refused(
        self,
        approval: Approval,
        actor: str,
        channel: str,
        reason: str,
        now: Millis,
        evidence: Mapping[str, Any] | None = None,
    ) -> None:
        """Record the word of somebody who may not say it; it counts for nothing."""
        told = {
            **_about(approval),
            "channel": channel,
            "reason": reason,
            **({"evidence": evidence} if evidence else {}),
        }
        entry = Audit(actor, "approval.vote.refused", f"approval:{approval.id}", now, told)
        await self._writer.run(lambda db: audit.write(db, [entry]))

    async def advance(self, now: Millis) -> list[Approval]:
        """Move on those whose stage is over: to the next stage, or to their end (S28)."""
        sql = f"SELECT id FROM approvals WHERE {_OPEN} AND due_at <= ? ORDER BY due_at"
        due = await self._reader.run(lambda db: [row[0] for row in db.execute(sql, (now,))])
        return await self._writer.run(lambda db: _advance(db, due, now)) if due else []

    async def next_due(self) -> Millis | None:
        """When the first stage is over."""
        sql = f"SELECT min(due_at) FROM approvals WHERE {_OPEN}"
        due: Millis | None = await self._reader.run(lambda db: db.execute(sql).fetchone()[0])
        return due


def insert_approvals(connection: Connection, approvals: Sequence[Approval]) -> None:
    """Ask, inside the engine's unit; the same request again changes nothing."""
    columns = (*_COLUMNS, "remind_at")
    given = [(*_row(one), None if one.remind is None else one.asked_at + round(one.remind * 1000)) for one in approvals]
    rows.insert(connection, "approvals", columns, given, "ON CONFLICT (id) DO NOTHING")
    audit.write(
        connection,
        [Audit("engine", "approval.asked", f"approval:{one.id}", one.asked_at, _about(one)) for one in approvals],
    )


def withdraw(connection: Connection, withdrawals: Sequence[Withdraw]) -> None:
    """Take requests back that are still open."""
    for one in withdrawals:
        _settle(connection, one.approval_id, one.state, ("engine", one.reason, one.at))


def _vote(connection: Connection, approval_id: str, vote: Vote, now: Millis) -> Approval:
    found = _open(connection, approval_id)
    earlier = _earlier(found, vote.person)
    if earlier is not None:
        raise Conflict(f"approval {approval_id}: {vote.person} has said {earlier.decision!r} already, and that stands")
    _count(connection, found, vote, now)
    yeses = 1 + sum(one.decision == "approve" for one in found.votes)
    told = (f"person:{vote.person}", vote.reason, now)
    if vote.decision == "deny":
        _settle(connection, approval_id, "denied", told)
    elif yeses >= found.approvers.required:
        _settle(connection, approval_id, "approved", told)
    return read(connection, approval_id)


def settle_alone(connection: Connection, approval_id: str, vote: Vote, now: Millis) -> Approval:
    """Approve by one person's word, whatever the quorum; inside the unit that puts it up for review.

    Who has said yes before has said it, and their first word stands as it was.

    Raises:
        NotFound: there is none of that id.
        Conflict: it is settled already.
    """
    found = _open(connection, approval_id)
    if _earlier(found, vote.person) is None:
        _count(connection, found, vote, now)
    _settle(connection, approval_id, "approved", (f"person:{vote.person}", vote.reason, now))
    return read(connection, approval_id)


def _open(connection: Connection, approval_id: str) -> Approval:
    found = read(connection, approval_id)
    if found.state not in OPEN_APPROVALS:
        raise Conflict(f"approval {approval_id}: it is {found.state} already, by {found.settled_by}")
    return found


def _earlier(found: Approval, person: str) -> Vote | None:
    return next((one for one in found.votes if one.person == person), None)


def _count(connection: Connection, found: Approval, vote: Vote, now: Millis) -> None:
    evidence = dumps(vote.evidence) if vote.evidence else None
    row = (found.id, whole(vote.person), vote.decision, vote.at, vote.channel, whole(vote.reason), evidence)
    rows.insert(connection, "votes", ("approval_id", *_VOTE), [row])
    told = {**_about(found), "channel": vote.channel, "reason": vote.reason}
    told |= {"evidence": dict(vote.evidence)} if vote.evidence else {}
    by = f"person:{vote.person}"
    audit.write(connection, [Audit(by, f"approval.vote.{vote.decision}", f"approval:{found.id}", now, told)])
    _outdated(connection, found.id)


def _advance(connection: Connection, due: Sequence[str], now: Millis) -> list[Approval]:
    moved = []
    for approval_id in due:
        found = read(connection, approval_id)
        if found.state not in OPEN_APPROVALS or found.due_at is None or found.due_at > now:
            continue
        if found.stage + 1 < len(found.stages):
            next_stage(connection, found)
        else:
            state: ApprovalState = "approved" if found.on_timeout == "approve" else "expired"
            _settle(connection, approval_id, state, (_POLICY, "nobody answered in time", now))
        moved.append(read(connection, approval_id))
    return moved


def next_stage(connection: Connection, found: Approval) -> None:
    """Each stage has its own time, counted from the end of the one before: the clock runs from the request."""
    stage = found.stage + 1
    due = (found.due_at or found.asked_at) + round(found.stages[stage].timeout * 1000)
    connection.execute("UPDATE approvals SET stage = ?, due_at = ? WHERE id = ?", (stage, due, found.id))
    _outdated(connection, found.id)


def _settle(connection: Connection, approval_id: str, state: ApprovalState, told: tuple[str, str, Millis]) -> None:
    """The row is the arbiter: whoever moves it out of its open states first has settled it (S4)."""
    by, reason, now = told
    moved = connection.execute(
        f"UPDATE approvals SET state = ?, settled_by = ?, reason = ?, settled_at = ?, due_at = NULL"
        f" WHERE id = ? AND {_OPEN} RETURNING execution_id, path, round",
        (state, whole(by), whole(reason), now, approval_id),
    ).fetchone()
    if moved is None:
        return
    execution_id, path, round_ = moved
    _outdated(connection, approval_id)
    _follow(connection, execution_id, now)
    data = {"path": path, "round": round_, "state": state, "by": by, "reason": reason, "approval": approval_id}
    audit.write(connection, [Audit(by, f"approval.{state}", f"approval:{approval_id}", now, data)])
    if state not in ("withdrawn", "voided"):
        wake(connection, Signal(derived_id(approval_id, "settled"), execution_id, "approval", data, now))


def _outdated(connection: Connection, approval_id: str) -> None:
    """Its messages no longer say what it says: they are due for an edit.

    Each word moves the due time, so that an edit under way does not count for what came after it.
    """
    connection.execute(
        "UPDATE messages SET due_at = coalesce(due_at, 0) + 1"
        " WHERE approval_id = ? AND kind = 'request' AND state IN ('waiting', 'posting', 'posted', 'shown')",
        (approval_id,),
    )


def _follow(connection: Connection, execution_id: str, now: Millis) -> None:
    """What comes next in the execution is told below the first of its requests at each place."""
    connection.execute(
        "UPDATE messages SET follow_at = ?"
        " WHERE execution_id = ? AND kind = 'request' AND thread_id IS NULL AND place IS NOT NULL",
        (now, execution_id),
    )


def _about(one: Approval) -> dict[str, Any]:
    return {"execution": one.execution_id, "path": one.path, "round": one.round, "digest": one.digest}


def _page(connection: Connection, listing: Listing, cursor: str | None, limit: int) -> Page[Approval]:
    page = listing.page(connection, cursor, limit, _approval)
    return Page(_with_votes(connection, page.items), page.next_cursor)


def _of(connection: Connection, execution_id: str) -> list[Approval]:
    sql = f"SELECT {', '.join(_COLUMNS)} FROM approvals WHERE execution_id = ? ORDER BY asked_at, seq"
    return _with_votes(connection, [_approval(row) for row in connection.execute(sql, (execution_id,))])


def read(connection: Connection, approval_id: str) -> Approval:
    sql = f"SELECT {', '.join(_COLUMNS)} FROM approvals WHERE id = ?"
    row = connection.execute(sql, (approval_id,)).fetchone()
    if row is None:
        raise NotFound(f"approval {approval_id}: there is none; `soar approvals list` shows those that wait")
    return _with_votes(connection, [_approval(row)])[0]


def _with_votes(connection: Connection, approvals: Sequence[Approval]) -> list[Approval]:
    sql = (
        f"SELECT approval_id, {', '.join(_VOTE)} FROM votes"
        " WHERE approval_id IN (SELECT value FROM json_each(?)) ORDER BY seq"
    )
    votes: dict[str, list[Vote]] = {}
    for approval_id, *row, evidence in connection.execute(sql, (rows.ids_json(one.id for one in approvals),)):
        votes.setdefault(approval_id, []).append(Vote(*(*row, loads(evidence) or {})))
    return [replace(one, votes=tuple(votes.get(one.id, ()))) for one in approvals]


def _row(one: Approval) -> tuple[Any, ...]:
    texts = (whole(one.message), dumps(list(one.shown)), one.digest, dumps(one.approvers), whole(one.requester))
    settled = (one.settled_at, one.settled_by, one.reason)
    return (
        one.id,
        one.execution_id,
        one.path,
        one.round,
        one.state,
        *texts,
        one.asked_at,
        dumps(list(one.stages)),
        one.playbook_id,
        one.author,
        one.stage,
        one.due_at,
        one.on_timeout,
        one.remind,
        *settled,
    )


def _approval(row: Sequence[Any]) -> Approval:
    fields: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    fields["shown"] = tuple(loads(fields["shown"]))
    fields["approvers"] = _approvers(loads(fields["approvers"]))
    fields["stages"] = tuple(Stage(tuple(one["to"]), one["timeout"]) for one in loads(fields["stages"]))
    return Approval(**fields)


def _approvers(given: Mapping[str, Any]) -> Approvers:
    words: dict[str, Any] = {name: tuple(given[name]) for name in ("groups", "roles", "users", "excluded")}
    return Approvers(required=given["required"], **words)
