"""One run of a playbook (or of one undo call), and the facts it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from soar.clock import Millis

ExecutionKind = Literal["run", "lift"]
ExecutionState = Literal["queued", "running", "parked", "succeeded", "failed", "cancelled", "skipped"]
Awaiting = Literal["timer", "approval", "event", "child", "slot", "target", "person"]
FINAL: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled", "skipped"})

StepStatus = Literal["waiting", "running", "succeeded", "failed", "skipped", "rejected", "cancelled", "outcome_unknown"]

FactKind = Literal["entered", "chosen", "attempt", "outcome", "ended", "due", "asked", "answered", "phase"]
"""What one row of history says; see `soar.engine.history`."""


@dataclass(frozen=True, slots=True)
class Fact:
    """One row of an execution's history: unique by (path, kind, attempt), never changed."""

    path: str
    kind: FactKind
    attempt: int
    at: Millis
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Execution:
    """One execution as its row stands."""

    id: str
    kind: ExecutionKind
    playbook_id: str
    playbook_digest: str
    state: ExecutionState
    epoch: int
    opened_at: Millis
    deadline_at: Millis
    alert_id: str | None = None
    containment_id: str | None = None
    """For a lift: what it lifts."""
    severity_id: int = 0
    actor: str = ""
    """Who opened it, as `Actor` writes itself: `source:siem`, `person:ana`, `timer:expiry`."""
    awaiting: Awaiting | None = None
    due_at: Millis | None = None
    started_at: Millis | None = None
    finished_at: Millis | None = None
    error: Mapping[str, Any] | None = None
    """`{step, kind, message}` of a failed one."""
    message: str | None = None
    """What `stop` or `fail` said."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of a step, for people."""

    number: int
    state: str
    started_at: Millis | None
    ended_at: Millis | None
    message: str = ""
    key: str | None = None


@dataclass(frozen=True, slots=True)
class StepExecution:
    """One step of an execution as the API and the console show it."""

    path: str
    kind: str
    status: StepStatus
    action: str | None = None
    started_at: Millis | None = None
    ended_at: Millis | None = None
    input: Any = None
    output: Any = None
    error: Mapping[str, Any] | None = None
    attempts: tuple[AttemptView, ...] = ()


@dataclass(frozen=True, slots=True)
class Question:
    """An outcome only a person can tell: did it happen?"""

    id: str
    execution_id: str
    path: str
    attempt: int
    action: str
    message: str
    opened_at: Millis
    state: Literal["open", "answered"] = "open"
    answer: Literal["happened", "again", "give_up"] | None = None
    answered_by: str | None = None
    answered_at: Millis | None = None
    reason: str | None = None
