"""A request that somebody approved alone by breaking the glass, until somebody else has looked at it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from soar.clock import Millis

ReviewState = Literal["open", "closed"]


@dataclass(frozen=True, slots=True)
class Review:
    """One of them as its row stands."""

    id: str
    approval_id: str
    execution_id: str
    playbook_id: str
    message: str
    """What was asked."""
    by: str
    """`person:ben`, who broke the glass."""
    reason: str
    opened_at: Millis
    state: ReviewState = "open"
    closed_by: str | None = None
    closed_at: Millis | None = None
    finding: str | None = None
    """What whoever looked at it found."""
