"""Questions only a person can answer: did the call happen?"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Literal, get_args

from soar.clock import Millis
from soar.errors import Conflict, NotFound
from soar.ids import derived_id
from soar.model.execution import FINAL, Question
from soar.store import ledger, rows
from soar.store.connection import Connection
from soar.store.pages import Listing, Page
from soar.store.reader import Reader
from soar.store.signals import wake
from soar.store.text import whole
from soar.store.units import Signal
from soar.store.writer import Writer

Answer = Literal["happened", "again", "give_up"]

_COLUMNS: Final = (
    "id",
    "execution_id",
    "path",
    "attempt",
    "action",
    "message",
    "opened_at",
    "state",
    "answer",
    "answered_by",
    "answered_at",
    "reason",
)
"""In the order of the fields of Question."""


class Questions:
    """Asked by the engine with the unit that met the unknown; answered once, by a person."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def page(
        self, state: Literal["open", "answered"] | None = "open", cursor: str | None = None, limit: int = 50
    ) -> Page[Question]:
        """Newest first; the open ones unless told otherwise."""
        listing = Listing("questions", _COLUMNS, "opened_at")
        listing.equal("state", state)
        return await self._reader.run(lambda db: listing.page(db, cursor, limit, _question))

    async def of(self, execution_id: str) -> list[Question]:
        """All of one execution, oldest first."""
        sql = f"SELECT {', '.join(_COLUMNS)} FROM questions WHERE execution_id = ? ORDER BY seq"
        return await self._reader.run(lambda db: [_question(row) for row in db.execute(sql, (execution_id,))])

    async def get(self, question_id: str) -> Question:
        """One question.

        Raises:
            NotFound: there is none of that id.
        """
        return await self._reader.run(lambda db: _get(db, question_id))

    async def answer(self, question_id: str, answer: Answer, by: str, reason: str, now: Millis) -> Question:
        """Settle it, leave the answer for its execution, and wake that.

        An execution that has ended takes no answer in any more (S22): then the ledger is
        told here that the change was made, and `again` is refused.

        Raises:
            NotFound: there is none of that id.
            Conflict: somebody was faster, or nothing is left to do again.
        """
        if answer not in get_args(Answer):
            raise Conflict(f"{answer!r} is no answer; it is one of {', '.join(get_args(Answer))}")
        return await self._writer.run(lambda db: _answer(db, question_id, answer, (whole(by), now, whole(reason))))


def insert_questions(connection: Connection, questions: Sequence[Question]) -> None:
    """Ask; what was asked before under the same id is left as it is."""
    given = [
        (
            one.id,
            one.execution_id,
            one.path,
            one.attempt,
            one.action,
            whole(one.message),
            one.opened_at,
            one.state,
            one.answer,
            one.answered_by,
            one.answered_at,
            one.reason,
        )
        for one in questions
    ]
    rows.insert(connection, "questions", _COLUMNS, given, "ON CONFLICT (id) DO NOTHING")


def _answer(connection: Connection, question_id: str, answer: Answer, settled: tuple[str, Millis, str]) -> Question:
    _check(_get(connection, question_id), answer)
    moved = connection.execute(
        "UPDATE questions SET state = 'answered', answer = ?, answered_by = ?, answered_at = ?, reason = ?"
        " WHERE id = ? AND state = 'open'",
        (answer, *settled, question_id),
    )
    question = _get(connection, question_id)
    if moved.rowcount == 0:
        raise Conflict(f"question {question_id}: already answered {question.answer!r} by {question.answered_by}")
    by, now, reason = settled
    told = {"question": question_id, "path": question.path, "attempt": question.attempt, "answer": answer}
    told |= {"by": by, "reason": reason}
    signal = Signal(derived_id(question_id, "answer"), question.execution_id, "answer", told, now)
    if wake(connection, signal) in FINAL:
        _settle_ended(connection, question, answer, now)
    return question


def _check(question: Question, answer: Answer) -> None:
    """Of an execution that was set aside as a whole there is no call that could have happened (S24)."""
    if question.path == "" and answer == "happened":
        raise Conflict(f"question {question.id}: it is about no call; answer 'again' or 'give_up'")


def _settle_ended(connection: Connection, question: Question, answer: Answer, now: Millis) -> None:
    if answer == "again":
        raise Conflict(
            f"question {question.id}: execution {question.execution_id} has ended, nothing is done again in it; "
            "answer 'happened' or 'give_up'"
        )
    if answer == "happened":
        ledger.happened(connection, question.execution_id, question.path, now)


def _get(connection: Connection, question_id: str) -> Question:
    sql = f"SELECT {', '.join(_COLUMNS)} FROM questions WHERE id = ?"
    row = connection.execute(sql, (question_id,)).fetchone()
    if row is None:
        raise NotFound(f"question {question_id}: there is none; `soar questions list` shows those that wait")
    return _question(row)


def _question(row: Sequence[Any]) -> Question:
    return Question(*row)
