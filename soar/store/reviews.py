"""Approvals that one person gave alone: settled, told and put up for review in one unit; closed by somebody else.

A review is part of the history: nothing takes its row away, and it stays open until a person closes it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.errors import Conflict, NotFound
from soar.ids import derived_id
from soar.model.approval import Approval, Vote
from soar.model.message import Message
from soar.model.review import Review, ReviewState
from soar.store import approvals, audit, rows
from soar.store.connection import Connection
from soar.store.events import insert_events
from soar.store.messages import insert_messages
from soar.store.pages import Listing, Page
from soar.store.reader import Reader
from soar.store.text import whole
from soar.store.units import Audit, Event
from soar.store.writer import Writer

_COLUMNS: Final = (
    "id", "approval_id", "execution_id", "playbook_id", "message", "by", "reason", "opened_at", "state", "closed_by",
    "closed_at", "finding",
)  # fmt: skip
"""In the order of the fields of Review."""
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM reviews"


class Reviews:
    """Opened when the glass is broken, closed once, by another person."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def page(
        self, state: ReviewState | None = "open", cursor: str | None = None, limit: int = 50
    ) -> Page[Review]:
        """Newest first; the open ones unless told otherwise."""
        listing = Listing("reviews", _COLUMNS, "opened_at")
        listing.equal("state", state)
        return await self._reader.run(lambda db: listing.page(db, cursor, limit, _review))

    async def get(self, review_id: str) -> Review:
        """One review.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _get(db, review_id))

    async def break_glass(
        self, approval_id: str, vote: Vote, announcements: Sequence[Message], now: Millis
    ) -> Approval:
        """Approve by one person alone, and write down all that follows from it: all of it, or nothing.

        Raises:
            NotFound: there is no such request.
            Conflict: it is settled already; the message says how.
        """
        return await self._writer.run(lambda db: _break_glass(db, approval_id, vote, announcements, now))

    async def close(self, review_id: str, by: str, finding: str, now: Millis) -> Review:
        """Write down what was found; the first one to do so has closed it.

        Raises:
            NotFound: there is none of that id.
            Conflict: it is closed already; the message says by whom.
        """
        return await self._writer.run(lambda db: _close(db, review_id, (whole(by), now, whole(finding))))

    async def refused(self, review: Review, actor: str, reason: str, now: Millis) -> None:
        """Record that somebody wanted to close it who may not."""
        entry = Audit(actor, "review.close.refused", f"review:{review.id}", now, {**_about(review), "reason": reason})
        await self._writer.run(lambda db: audit.write(db, [entry]))


def _break_glass(
    connection: Connection, approval_id: str, vote: Vote, announcements: Sequence[Message], now: Millis
) -> Approval:
    settled = approvals.settle_alone(connection, approval_id, vote, now)
    review = _opened(settled, vote, now)
    columns = (*_COLUMNS[:8], "state")
    row = (
        review.id,
        review.approval_id,
        review.execution_id,
        review.playbook_id,
        whole(review.message),
        whole(review.by),
        whole(review.reason),
        review.opened_at,
        review.state,
    )
    rows.insert(connection, "reviews", columns, [row])
    told: dict[str, Any] = {**_about(review), "path": settled.path, "digest": settled.digest, "reason": vote.reason}
    entry = {**told, "channel": vote.channel, "evidence": dict(vote.evidence)}
    audit.write(connection, [Audit(review.by, "approval.break_glass", f"approval:{approval_id}", now, entry)])
    event = {**told, "by": review.by, "playbook": review.playbook_id, "message": review.message}
    insert_events(connection, [Event(derived_id(approval_id, "break glass"), "approval.break_glass", event, now)])
    insert_messages(connection, announcements)
    return settled


def _opened(settled: Approval, vote: Vote, now: Millis) -> Review:
    return Review(
        id=derived_id(settled.id, "review"),
        approval_id=settled.id,
        execution_id=settled.execution_id,
        playbook_id=settled.playbook_id,
        message=settled.message,
        by=f"person:{vote.person}",
        reason=vote.reason,
        opened_at=now,
    )


def _close(connection: Connection, review_id: str, closed: tuple[str, Millis, str]) -> Review:
    moved = connection.execute(
        "UPDATE reviews SET state = 'closed', closed_by = ?, closed_at = ?, finding = ?"
        " WHERE id = ? AND state = 'open'",
        (*closed, review_id),
    )
    review = _get(connection, review_id)
    if moved.rowcount == 0:
        raise Conflict(f"review {review_id}: it is closed already, by {review.closed_by}")
    by, now, finding = closed
    told = {**_about(review), "finding": finding}
    audit.write(connection, [Audit(by, "review.closed", f"review:{review_id}", now, told)])
    return review


def _about(review: Review) -> Mapping[str, Any]:
    return {"review": review.id, "approval": review.approval_id, "execution": review.execution_id}


def _get(connection: Connection, review_id: str) -> Review:
    row = connection.execute(f"{_SELECT} WHERE id = ?", (review_id,)).fetchone()
    if row is None:
        raise NotFound(f"review {review_id}: there is none; `soar reviews list` shows those that are open")
    return _review(row)


def _review(row: Sequence[Any]) -> Review:
    return Review(*row)
