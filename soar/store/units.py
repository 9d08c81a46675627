"""What the engine asks the store to write, in words without SQL. One unit is one atomic change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Millis
from soar.model.action import UndoCall
from soar.model.alert import Alert, Match
from soar.model.approval import Approval
from soar.model.execution import Awaiting, Execution, ExecutionState, Fact, Question

AlertState = Literal["received", "matched", "unmatched", "failed"]
"""What became of an alert: waiting to be processed, processed with or without a playbook, a dead letter."""


@dataclass(frozen=True, slots=True)
class ExecutionChange:
    """The new state of the execution row, written with the facts that led there."""

    state: ExecutionState
    awaiting: Awaiting | None = None
    due_at: Millis | None = None
    started_at: Millis | None = None
    finished_at: Millis | None = None
    error: Mapping[str, Any] | None = None
    message: str | None = None
    outputs: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Apply:
    """With an attempt of a containing action: find or open the containment of the target, and add a pending hold.

    The unit fails with TargetBusy when the target is being lifted (`lifting`) at this moment.
    Adding the same hold (execution, path) again changes nothing.
    """

    containment_id: str
    """Used when a new one is opened; derived from execution, path and attempt."""
    hold_id: str
    """Derived from execution and path."""
    connection: str
    family: str
    target: str
    action: str
    path: str
    undo_after: tuple[float, ...]
    """Seconds; several are a ladder, and the rung of this period says which holds (S32). Empty: no expiry."""
    undo: UndoCall
    """Without a result yet: enough to verify and undo after a crash."""
    playbook_id: str
    alert_id: str | None
    reason: str | None
    at: Millis
    reset: float = 30 * 86_400.0
    """Seconds after an earlier period's end in which this one counts as repeated."""
    joins: str | None = None
    """The containment, `held` when it was looked at, that this hold joins without a call of its own (S30); the unit
    fails with TargetBusy when it is no longer held."""
    within: str | None = None
    """The containment that this call makes again because its system has lost it (S35); likewise."""


@dataclass(frozen=True, slots=True)
class Settle:
    """What became of a pending hold: it is live (with its undo call), gone, or nobody knows.

    `applied`: hold live, expires_at = at + undo_after; containment held, its expires_at the latest of its
    live holds (None when one has no expiry).
    `absent`: hold released; containment voided when no other hold is pending or live.
    `unknown`: hold stays pending with expires_at = attempt's time + undo_after; containment suspected unless
    another live hold keeps it held.
    Without `undo` the stored one stays. Of a call that made a containment again (S35), `applied` leaves
    no hold behind, only its undo call.
    """

    hold_id: str
    result: Literal["applied", "absent", "unknown"]
    at: Millis
    undo: UndoCall | None = None


@dataclass(frozen=True, slots=True)
class LiftEnded:
    """A lift execution is over: its containment is `lifted`, or `stuck` (a person is needed)."""

    containment_id: str
    result: Literal["lifted", "stuck"]
    at: Millis


@dataclass(frozen=True, slots=True)
class Release:
    """An `undo` step, or a cancel with undo: let go of what this execution holds at these places (S34).

    The holds of the execution whose path matches one of `patterns` are released, and all holds of its
    sub-playbooks (to any depth) whose `parent_path` matches. A pattern is a path in which `[*]` and `#*`
    stand for any turn; it stands for everything below it too. Each containment whose last hold this was is
    lifted by an execution with `parent_id` = this execution and `parent_path` = `path`. In the same unit a
    signal `released` is left for this execution: `{path, lifts: [execution ids], still_held: n}`, with the lifts
    that were under way already among `lifts`; `released` first, then one `lifted` signal as each lift ends:
    `{path, lift, containment, result}`.
    """

    path: str
    patterns: tuple[str, ...]
    at: Millis


@dataclass(frozen=True, slots=True)
class Reserve:
    """Part of a blast-radius budget, taken in the attempt's unit (S19); the unit fails with OverBudget when it is full.

    Counted are uses within `window` seconds before `at`. Once full, a budget stays full until its uses have
    fallen to `resume_at` (hysteresis). `forced`: a person approved going over it; it is counted, never refused.
    The same use (execution, path, attempt, budget) again changes nothing.
    """

    budget: str
    path: str
    attempt: int
    limit: int
    window: float
    resume_at: int
    at: Millis
    forced: bool = False


@dataclass(frozen=True, slots=True)
class GiveBack:
    """The call did not change anything: its use of every budget is given back (S19)."""

    path: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Withdraw:
    """An approval whose step was cut, or whose request no longer holds; settled ones stay as they are."""

    approval_id: str
    state: Literal["withdrawn", "voided"]
    reason: str
    at: Millis


LedgerChange = Apply | Settle | LiftEnded | Release | Reserve | GiveBack


@dataclass(frozen=True, slots=True)
class Event:
    """Something that happened, for triggers and `wait: {event}`: `containment.lifted`, `execution.failed` ..."""

    id: str
    """Derived from what it tells of: telling it twice is telling it once."""
    name: str
    data: Mapping[str, Any]
    at: Millis
    hops: int = 0
    """How many executions led to it; an execution it opens has one more (S15)."""
    seq: int = 0
    """Its place in the order of commit; set by the store."""


@dataclass(frozen=True, slots=True)
class Subscription:
    """A parked execution waits for an event of that name; `seen` is the last event it has looked at.

    The unit that parks it is kept awake when an event of that name is stored already with a higher `seq`;
    a later one wakes it.
    """

    path: str
    event: str
    seen: int


@dataclass(frozen=True, slots=True)
class Audit:
    """One audit entry, written in the unit it speaks of; numbered and sealed later (S46)."""

    actor: str
    action: str
    """`execution.opened`, `containment.lifted`, `approval.approved`, `switch.stopped` ..."""
    subject: str
    """`execution:<id>`, `containment:<id>` ..."""
    at: Millis
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class ExecutionUnit:
    """Everything the owner of one execution writes at one instant: all of it, or nothing.

    The guard: the execution row must still have `epoch` and a state that is not final, else the
    unit fails alone with LeaseLost and the others of its group commit are written all the same (S41).
    """

    execution_id: str
    epoch: int
    take: bool = False
    """Also take it: state becomes `running` and the epoch `epoch + 1`, in the same unit."""
    facts: list[Fact] = field(default_factory=list)
    change: ExecutionChange | None = None
    ledger: list[LedgerChange] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    read_signals: list[str] = field(default_factory=list)
    """Ids of signals this unit has taken in."""
    children: list[Execution] = field(default_factory=list)
    """Sub-playbooks to open; opening twice is opening once."""
    when_full: Mapping[str, Literal["queue", "skip", "cancel_oldest"]] = field(default_factory=dict)
    """What becomes of those whose slot has no room, by id."""
    cancel: list[str] = field(default_factory=list)
    """Sub-playbooks to cancel: each gets a `cancel` signal and is woken."""
    approvals: list[Approval] = field(default_factory=list)
    """Requests to make; the same id again changes nothing."""
    withdrawals: list[Withdraw] = field(default_factory=list)
    subscriptions: list[Subscription] = field(default_factory=list)
    """With a unit that parks: replaces those the execution had."""
    events: list[Event] = field(default_factory=list)
    audit: list[Audit] = field(default_factory=list)
    related: bool = False
    """With a final state: others hear of this end, its caller, those that wait for its slot."""

    @property
    def empty(self) -> bool:
        return not (
            self.facts
            or self.change
            or self.ledger
            or self.questions
            or self.read_signals
            or self.children
            or self.cancel
            or self.approvals
            or self.withdrawals
            or self.events
            or self.audit
        )


@dataclass(frozen=True, slots=True)
class Opening:
    """One processed raw alert: the alert, why each playbook did or did not fire, and what opens.

    One unit, unique by raw alert and by (alert, playbook): opening twice is opening once (S45).
    """

    alert: Alert
    matches: Sequence[Match]
    executions: Sequence[Execution]
    catalog_digest: str
    when_full: Mapping[str, Literal["queue", "skip", "cancel_oldest"]] = field(default_factory=dict)
    """By execution: what becomes of it when its slot has no room (S18)."""


@dataclass(frozen=True, slots=True)
class Signal:
    """What somebody else left for an execution; the owner reads it, nobody else acts on it."""

    id: str
    execution_id: str
    kind: Literal["answer", "wake", "cancel", "pause", "resume", "approval", "event", "child", "released", "lifted"]
    """`approval`: `{path, round, state, by, reason}`; `child`: `{path, execution, state, outputs, error}`;
    `cancel`: `{by, reason, undo}`; `pause`, `resume`: `{by, reason}`; `released`, `lifted`: see Release."""
    data: Mapping[str, Any]
    at: Millis
