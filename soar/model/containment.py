"""What is contained now: by whom, why, until when, and how it is taken back."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from soar.clock import Millis
from soar.model.action import UndoCall

ContainmentState = Literal["applying", "suspected", "held", "lifting", "stuck", "lifted", "voided"]
HoldState = Literal["pending", "live", "released"]
OVER: Final[frozenset[str]] = frozenset({"lifted", "voided"})


@dataclass(frozen=True, slots=True)
class Hold:
    """One execution's claim on a containment, with its own expiry (S31)."""

    id: str
    containment_id: str
    execution_id: str
    path: str
    state: HoldState
    undo_after: float | None
    """Seconds from the outcome until it lets go; None holds until a person lets go."""
    expires_at: Millis | None = None
    undo: UndoCall | None = None


@dataclass(frozen=True, slots=True)
class Containment:
    """One period of one target being contained through one connection."""

    id: str
    connection: str
    family: str
    """The undo family: actions that the same call takes back (`unblock_ip`)."""
    target: str
    action: str
    state: ContainmentState
    started_at: Millis
    expires_at: Millis | None = None
    """When the last hold lets go; None when a person must."""
    ended_at: Millis | None = None
    round: int = 0
    """How many lifts were opened for it."""
    playbook_id: str = ""
    alert_id: str | None = None
    reason: str | None = None
    """The alert's title when the change was made."""
    lifted_by: str | None = None
    lift_reason: str | None = None
    rung: int = 1
    """Which time this target is contained, counted as S32 says."""
    missing_since: Millis | None = None
    """When a look at the system first found that it is no longer there (S35)."""
    checked_at: Millis | None = None
    holds: tuple[Hold, ...] = ()
