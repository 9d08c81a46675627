"""One run of a playbook (or of one undo call), and the facts it is made of."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from soar.clock import Millis

ExecutionKind = Literal["run", "lift", "reapply", "call"]
"""A playbook; taking one containment back; making one again that its system has lost; one call in another zone."""
ExecutionState = Literal["queued", "running", "parked", "succeeded", "failed", "cancelled", "skipped"]
Awaiting = Literal["timer", "approval", "event", "child", "slot", "target", "person", "zone"]
FINAL: Final[frozenset[str]] = frozenset({"succeeded", "failed", "cancelled", "skipped"})

StepStatus = Literal["waiting", "running", "succeeded", "failed", "skipped", "rejected", "cancelled", "outcome_unknown"]

ExecutionMode = Literal["live", "shadow", "dry_run"]
"""Shadow and dry run: reading actions are real, changing ones answer from their schema's examples (S36)."""

FactKind = Literal[
    "entered",
    "chosen",
    "items",
    "turn",
    "attempt",
    "outcome",
    "ended",
    "due",
    "asked",
    "answered",
    "demanded",
    "approval",
    "settled",
    "voided",
    "event",
    "opened",
    "child",
    "releasing",
    "released",
    "lifted",
    "phase",
    "cut",
    "cancel",
    "pause",
    "resume",
    "poisoned",
    "inherits",
    "lacking",
]
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
    mode: ExecutionMode = "live"
    priority: int = 0
    """The playbook's own; see `soar.store.rows` for what goes first."""
    parent_id: str | None = None
    """For a sub-playbook, and for a lift that an `undo` step waits for: whom its end is told to."""
    parent_path: str | None = None
    """The step of the parent that waits for it."""
    rerun_of: str | None = None
    hops: int = 0
    """How many executions led to this one, by sub-playbooks, events and calls to ourselves (S15, M01)."""
    slot_key: str | None = None
    """`<playbook id>:<rendered concurrency key>`; None when nothing limits it (S18)."""
    slot_limit: int = 0
    inputs: Mapping[str, Any] = field(default_factory=dict)
    outputs: Mapping[str, Any] | None = None
    pins: Mapping[str, str] = field(default_factory=dict)
    """Digest by id of every sub-playbook that can be reached, fixed when the root opened (S15)."""


@dataclass(frozen=True, slots=True)
class AttemptView:
    """One try of a step, for people."""

    number: int
    state: str
    started_at: Millis | None
    ended_at: Millis | None
    message: str = ""
    key: str | None = None
    simulated: bool = False
    """Nothing was changed: a dry run or a shadow."""
    guardrail: Mapping[str, Any] | None = None
    """What policy would say to it for real: `{verdict, reasons}`; told of dry runs and shadows (S36)."""


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
