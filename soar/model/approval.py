"""A question to people before something is done: who may answer, what was shown, and what they said."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal

from soar.clock import Millis

if TYPE_CHECKING:
    from soar.model.playbook import Value

ApprovalState = Literal["asking", "asked", "approved", "denied", "expired", "voided", "withdrawn"]
OPEN_APPROVALS: Final = frozenset({"asking", "asked"})
Decision = Literal["approve", "deny"]


@dataclass(frozen=True, slots=True)
class Approvers:
    """Who may decide, and how many of them must say yes."""

    groups: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    users: tuple[str, ...] = ()
    required: int = 1
    excluded: tuple[Literal["requester", "author"], ...] = ()
    """`not: [requester, author]`: four eyes."""


@dataclass(frozen=True, slots=True)
class Stage:
    """Whom to tell next when nobody has answered, and how long they have."""

    to: tuple[str, ...]
    """Groups, persons or channels such as `slack:#soc`; people named here may decide from then on."""
    timeout: float


@dataclass(frozen=True, slots=True)
class ApprovalRule:
    """`approval:` of a step; durations in seconds."""

    message: Value
    approvers: Approvers
    timeout: float
    notify: tuple[str, ...] = ()
    remind: float | None = None
    escalate: tuple[Stage, ...] = ()
    on_timeout: Literal["reject", "approve"] = "reject"


@dataclass(frozen=True, slots=True)
class Vote:
    """What one person said; the first word of a person stands."""

    person: str
    decision: Decision
    at: Millis
    channel: str
    """`cli`, `api`, `web`, `slack`."""
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Raw ids of the channel, for auditors."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One request as its row stands."""

    id: str
    execution_id: str
    path: str
    """The guarded step; `<path>/guardrail` when policy asks."""
    round: int
    """From 1; a voided request is asked again under the next round, without its votes."""
    state: ApprovalState
    message: str
    shown: tuple[Mapping[str, Any], ...]
    """What it is about, masked: `{path, action, values, open, target, effect, risk, undo}` for each guarded action."""
    digest: str
    """SHA-256 over connection, action, values, open expressions, undo and quorum (S25)."""
    approvers: Approvers
    requester: str
    """The actor that opened the execution."""
    asked_at: Millis
    stages: tuple[Stage, ...]
    """The first is the request's own timeout with `notify`; then the escalations."""
    playbook_id: str = ""
    author: str | None = None
    stage: int = 0
    due_at: Millis | None = None
    """When the present stage is over; None once it is settled."""
    on_timeout: Literal["reject", "approve"] = "reject"
    remind: float | None = None
    settled_at: Millis | None = None
    settled_by: str | None = None
    """`person:ana`, or `policy` when its time decided."""
    reason: str | None = None
    votes: tuple[Vote, ...] = ()

    @property
    def open(self) -> bool:
        """Whether it can still be answered."""
        return self.state in OPEN_APPROVALS
