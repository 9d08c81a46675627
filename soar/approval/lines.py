"""Lines below a message: reminders, what the steps did, how it ended."""

from __future__ import annotations

from soar.clock import Millis
from soar.ids import derived_id
from soar.model.message import Message, MessageKind


def line(below: Message, kind: MessageKind, text: str, now: Millis, number: int) -> Message:
    """A line below a message; the same number is the same line."""
    return Message(
        derived_id(below.id, kind, number),
        kind,
        below.execution_id,
        below.destination,
        now,
        approval_id=below.approval_id,
        stage=below.stage,
        thread_id=below.thread_id or below.id,
        text=text,
        due_at=now,
    )
