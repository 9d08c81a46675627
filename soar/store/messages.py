"""Messages in channels: what is due, what became of it, and what follows when nobody could be told (S28)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.ids import derived_id
from soar.model.approval import OPEN_APPROVALS, Approval
from soar.model.execution import Fact
from soar.model.message import Message
from soar.model.notice import Place
from soar.store import approvals, audit, rows
from soar.store.connection import Connection
from soar.store.events import insert_events
from soar.store.reader import Reader
from soar.store.text import dumps, loads, whole
from soar.store.units import Audit, Event
from soar.store.writer import Writer

_COLUMNS: Final = (
    "id", "kind", "execution_id", "destination", "at", "state", "approval_id", "stage", "thread_id", "text", "nonce",
    "tries", "lost", "due_at", "place", "error", "follow_at", "followed_to",
)  # fmt: skip
"""In the order of the fields of Message."""
_SELECT: Final = f"SELECT {', '.join(_COLUMNS)} FROM messages"
_UNTOLD: Final = "state IN ('asking', 'asked') AND told <= stage"


class Messages:
    """Written before anything is sent, and again when it is known what became of it."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def untold(self, limit: int = 100) -> list[str]:
        """Requests whose present stage has no messages yet."""
        sql = f"SELECT id FROM approvals WHERE {_UNTOLD} ORDER BY seq LIMIT ?"
        return await self._reader.run(lambda db: [row[0] for row in db.execute(sql, (limit,))])

    async def plan(self, approval: Approval, messages: Sequence[Message], now: Millis) -> None:
        """Keep the messages of a request's present stage, once. When none of them can be sent, the stage is over."""
        await self._writer.run(lambda db: _plan(db, approval, messages, now))

    async def add(self, messages: Sequence[Message]) -> None:
        """Keep lines; the same again changes nothing."""
        await self._writer.run(lambda db: insert_messages(db, messages))

    async def due(self, now: Millis, besides: Sequence[str] = (), limit: int = 200) -> list[Message]:
        """What is to be sent or edited now, the longest due first; `besides`: destinations that are left alone."""
        sql = (
            f"{_SELECT} WHERE due_at <= ? AND destination NOT IN (SELECT value FROM json_each(?))"
            " ORDER BY due_at, seq LIMIT ?"
        )
        given = (now, rows.ids_json(besides), limit)
        return await self._reader.run(lambda db: [_message(row) for row in db.execute(sql, given)])

    async def later(self, message: Message, due_at: Millis) -> None:
        """Not yet: what it is to stand below is not there."""
        sql = "UPDATE messages SET due_at = ? WHERE id = ? AND state = 'waiting'"
        await self._writer.run(lambda db: db.execute(sql, (due_at, message.id)).rowcount)

    async def begin(self, message: Message) -> bool:
        """Write down that it is about to be sent; False when somebody else has taken it."""
        sql = "UPDATE messages SET state = 'posting', tries = tries + 1 WHERE id = ? AND state = 'waiting'"
        return bool(await self._writer.run(lambda db: db.execute(sql, (message.id,)).rowcount))

    async def posted(self, message: Message, place: Place, state: str, due_at: Millis | None) -> None:
        """It stands there."""
        sql = (
            "UPDATE messages SET state = ?, place = ?, due_at = ?, error = NULL, tries = 0"
            " WHERE id = ? AND state = 'posting'"
        )
        given = (state, dumps(dict(place)), due_at, message.id)
        await self._writer.run(lambda db: _delivered(db, message, db.execute(sql, given).rowcount, state))

    async def shown(self, message: Message) -> None:
        """It says what the request said when the edit was made; what changed meanwhile stays due."""
        sql = (
            "UPDATE messages SET state = 'shown', error = NULL, tries = 0,"
            " due_at = CASE WHEN due_at = ? THEN NULL ELSE due_at END WHERE id = ? AND state IN ('posted', 'shown')"
        )
        given = (message.due_at, message.id)
        await self._writer.run(lambda db: _delivered(db, message, db.execute(sql, given).rowcount, "shown"))

    async def again(self, message: Message, error: str, due_at: Millis, now: Millis, *, lost: bool = False) -> None:
        """It did not get through, and is tried again then; `lost`: a post was sent, and may stand there."""
        sql = (
            "UPDATE messages SET state = CASE state WHEN 'posting' THEN 'waiting' ELSE state END, error = ?,"
            " due_at = ?, lost = lost + ?, tries = tries + CASE state WHEN 'posting' THEN 0 ELSE 1 END WHERE id = ?"
        )
        given = (whole(error), due_at, int(lost), message.id)
        await self._writer.run(lambda db: _failed(db, message, sql, given, now))

    async def refused(self, message: Message, error: str, now: Millis) -> None:
        """It never will get through."""
        sql = "UPDATE messages SET state = 'refused', error = ?, due_at = NULL, follow_at = NULL WHERE id = ?"
        await self._writer.run(lambda db: _failed(db, message, sql, (whole(error), message.id), now))

    async def drop(self, message: Message) -> None:
        """Nobody needs it any more."""
        sql = "UPDATE messages SET state = 'dropped', due_at = NULL WHERE id = ? AND state IN ('waiting', 'posting')"
        await self._writer.run(lambda db: db.execute(sql, (message.id,)).rowcount)

    async def interrupted(self, now: Millis) -> int:
        """At a start: what was being sent by a process that is gone may stand there (D12)."""
        sql = (
            "UPDATE messages SET state = 'waiting', lost = lost + 1, due_at = ?,"
            " error = 'the process ended while it was sent' WHERE state = 'posting' AND due_at IS NOT NULL"
        )
        return await self._writer.run(lambda db: db.execute(sql, (now,)).rowcount)

    async def by_nonce(self, nonce: str) -> Message | None:
        """The message whose buttons carry that."""
        sql = f"{_SELECT} WHERE nonce = ?"
        row = await self._reader.run(lambda db: db.execute(sql, (nonce,)).fetchone())
        return None if row is None else _message(row)

    async def get(self, message_id: str) -> Message | None:
        sql = f"{_SELECT} WHERE id = ?"
        row = await self._reader.run(lambda db: db.execute(sql, (message_id,)).fetchone())
        return None if row is None else _message(row)

    async def of(self, approval_id: str) -> list[Message]:
        """All of one request, oldest first."""
        sql = f"{_SELECT} WHERE approval_id = ? ORDER BY seq"
        return await self._reader.run(lambda db: [_message(row) for row in db.execute(sql, (approval_id,))])

    async def roots(self, execution_id: str) -> list[Message]:
        """The messages of one execution that others stand below."""
        sql = f"{_SELECT} WHERE execution_id = ? AND kind = 'request' AND thread_id IS NULL ORDER BY seq"
        return await self._reader.run(lambda db: [_message(row) for row in db.execute(sql, (execution_id,))])

    async def to_remind(self, now: Millis, limit: int = 100) -> list[str]:
        """Requests whose next reminder is due."""
        sql = (
            "SELECT id FROM approvals WHERE state IN ('asking', 'asked') AND remind_at <= ? ORDER BY remind_at LIMIT ?"
        )
        return await self._reader.run(lambda db: [row[0] for row in db.execute(sql, (now, limit))])

    async def remind(self, approval: Approval, lines: Sequence[Message], next_at: Millis | None) -> None:
        """Keep the lines of a reminder, and when the next one is due."""
        await self._writer.run(lambda db: _remind(db, approval.id, lines, next_at))

    async def followed(self, now: Millis, limit: int = 100) -> list[Message]:
        """Messages whose execution is to be looked at for what to tell below them."""
        sql = f"{_SELECT} WHERE follow_at <= ? ORDER BY follow_at LIMIT ?"
        return await self._reader.run(lambda db: [_message(row) for row in db.execute(sql, (now, limit))])

    async def news(self, message: Message, limit: int = 500) -> list[tuple[int, Fact]]:
        """What happened in its execution since it was last looked at, with each fact's place in the order."""
        sql = (
            "SELECT facts.seq, facts.path, facts.kind, facts.attempt, facts.at, facts.data FROM facts"
            " JOIN executions ON executions.seq = facts.execution_seq"
            " WHERE executions.id = ? AND facts.seq > ? ORDER BY facts.seq LIMIT ?"
        )
        given = (message.execution_id, message.followed_to, limit)
        return await self._reader.run(
            lambda db: [(row[0], Fact(row[1], row[2], row[3], row[4], loads(row[5]))) for row in db.execute(sql, given)]
        )

    async def follow(self, message: Message, to: int, lines: Sequence[Message], next_at: Millis | None) -> None:
        """Keep what is told below it, and from where on it is looked at next."""
        await self._writer.run(lambda db: _follow(db, message.id, to, lines, next_at))

    async def next_due(self) -> Millis | None:
        """When the next thing is to be sent, reminded of or looked at."""
        return await self._reader.run(_next_due)

    async def open_requests(self) -> dict[str, int]:
        """Requests that can still be answered: `asked` in a channel, `unnamed` (no channel is to carry them),
        `undelivered` (one is to, and none has taken them).
        """
        sql = "SELECT count(*) FROM approvals WHERE state IN ('asking', 'asked')"
        waiting = int(await self._reader.run(lambda db: db.execute(sql).fetchone()[0]))
        sql_asked = "SELECT count(*) FROM approvals WHERE state = 'asked'"
        asked = int(await self._reader.run(lambda db: db.execute(sql_asked).fetchone()[0]))
        undelivered = await self.undelivered()
        return {"asked": asked, "unnamed": waiting - asked - undelivered, "undelivered": undelivered}

    async def undelivered(self) -> int:
        """Open requests that no channel has taken although one was to."""
        sql = (
            "SELECT count(*) FROM approvals WHERE state = 'asking' AND told > 0 AND EXISTS"
            " (SELECT 1 FROM messages WHERE approval_id = approvals.id AND kind = 'request')"
        )
        return int(await self._reader.run(lambda db: db.execute(sql).fetchone()[0]))


def insert_messages(connection: Connection, messages: Sequence[Message]) -> None:
    """Inside somebody's unit."""
    given = [
        (
            one.id,
            one.kind,
            one.execution_id,
            whole(one.destination),
            one.at,
            one.state,
            one.approval_id,
            one.stage,
            one.thread_id,
            None if one.text is None else whole(one.text),
            one.nonce,
            one.tries,
            one.lost,
            one.due_at,
            None if one.place is None else dumps(dict(one.place)),
            one.error,
            one.follow_at,
            one.followed_to,
        )
        for one in messages
    ]
    rows.insert(connection, "messages", _COLUMNS, given, "ON CONFLICT (id) DO NOTHING")


def _plan(connection: Connection, approval: Approval, messages: Sequence[Message], now: Millis) -> None:
    sql = f"UPDATE approvals SET told = ? WHERE id = ? AND stage = ? AND {_UNTOLD}"
    if connection.execute(sql, (approval.stage + 1, approval.id, approval.stage)).rowcount == 0:
        return
    insert_messages(connection, messages)
    _given_up(connection, approval.id, approval.stage, now)


def _delivered(connection: Connection, message: Message, moved: int, state: str) -> None:
    if moved and state == "shown" and message.kind == "request":
        sql = "UPDATE approvals SET state = 'asked' WHERE id = ? AND state = 'asking'"
        connection.execute(sql, (message.approval_id,))


def _failed(connection: Connection, message: Message, sql: str, given: tuple[Any, ...], now: Millis) -> None:
    connection.execute(sql, given)
    if message.kind != "request" or message.approval_id is None:
        return
    row = connection.execute("SELECT stage FROM approvals WHERE id = ?", (message.approval_id,)).fetchone()
    if row is not None and row[0] == message.stage:
        _given_up(connection, message.approval_id, message.stage, now)


def _given_up(connection: Connection, approval_id: str, stage: int, now: Millis) -> None:
    """Whether every channel of a stage has refused."""
    of_stage = f"{_SELECT} WHERE approval_id = ? AND kind = 'request' AND stage = ?"
    told = [_message(found) for found in connection.execute(of_stage, (approval_id, stage))]
    if told and all(one.given_up for one in told):
        reasons = "; ".join(f"{one.destination}: {one.error}" for one in told)
        _nobody_told(connection, approval_id, now, reasons)


def _nobody_told(connection: Connection, approval_id: str, now: Millis, reason: str) -> None:
    """All channels of a stage have refused: the next stage at once, and after the last one a page (S28)."""
    found = approvals.read(connection, approval_id)
    if found.state not in OPEN_APPROVALS:
        return
    told = {"execution": found.execution_id, "path": found.path, "stage": found.stage, "reason": reason[:2_000]}
    subject = f"approval:{approval_id}"
    identity = derived_id(approval_id, "undelivered", found.stage)
    if connection.execute("SELECT 1 FROM events WHERE id = ?", (identity,)).fetchone() is not None:
        return
    audit.write(connection, [Audit("engine", "approval.undelivered", subject, now, told)])
    event = {**told, "approval": approval_id, "playbook": found.playbook_id, "message": found.message}
    insert_events(connection, [Event(identity, "approval.undelivered", event, now)])
    if found.stage + 1 < len(found.stages):
        approvals.next_stage(connection, found)


def _remind(connection: Connection, approval_id: str, lines: Sequence[Message], next_at: Millis | None) -> None:
    sql = "UPDATE approvals SET remind_at = ? WHERE id = ? AND state IN ('asking', 'asked')"
    if connection.execute(sql, (next_at, approval_id)).rowcount:
        insert_messages(connection, lines)


def _follow(connection: Connection, message_id: str, to: int, lines: Sequence[Message], next_at: Millis | None) -> None:
    insert_messages(connection, lines)
    sql = "UPDATE messages SET followed_to = ?, follow_at = ? WHERE id = ?"
    connection.execute(sql, (to, next_at, message_id))


def _next_due(connection: Connection) -> Millis | None:
    questions = (
        "SELECT min(due_at) FROM messages WHERE due_at IS NOT NULL",
        "SELECT min(follow_at) FROM messages WHERE follow_at IS NOT NULL",
        "SELECT min(remind_at) FROM approvals WHERE state IN ('asking', 'asked')",
    )
    found = [connection.execute(sql).fetchone()[0] for sql in questions]
    return min((due for due in found if due is not None), default=None)


def _message(row: Sequence[Any]) -> Message:
    fields: dict[str, Any] = dict(zip(_COLUMNS, row, strict=True))
    fields["place"] = loads(fields["place"]) if fields["place"] is not None else None
    return Message(**fields)
