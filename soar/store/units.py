"""What the engine asks the store to write, in words without SQL. One unit is one atomic change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Millis
from soar.model.action import UndoCall
from soar.model.alert import Alert, Match
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
    undo_after: float | None
    undo: UndoCall
    """Without a result yet: enough to verify and undo after a crash."""
    playbook_id: str
    alert_id: str | None
    reason: str | None
    at: Millis


@dataclass(frozen=True, slots=True)
class Settle:
    """What became of a pending hold: it is live (with its undo call), gone, or nobody knows.

    `applied`: hold live, expires_at = at + undo_after; containment held, its expires_at the latest of its
    live holds (None when one has no expiry).
    `absent`: hold released; containment voided when no other hold is pending or live.
    `unknown`: hold stays pending with expires_at = attempt's time + undo_after; containment suspected unless
    another live hold keeps it held.
    Without `undo` the stored one stays.
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


LedgerChange = Apply | Settle | LiftEnded


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

    @property
    def empty(self) -> bool:
        return not (self.facts or self.change or self.ledger or self.questions or self.read_signals)


@dataclass(frozen=True, slots=True)
class Opening:
    """One processed raw alert: the alert, why each playbook did or did not fire, and what opens.

    One unit, unique by raw alert and by (alert, playbook): opening twice is opening once (S45).
    """

    alert: Alert
    matches: Sequence[Match]
    executions: Sequence[Execution]
    catalog_digest: str


@dataclass(frozen=True, slots=True)
class Signal:
    """What somebody else left for an execution; the owner reads it, nobody else acts on it."""

    id: str
    execution_id: str
    kind: Literal["answer", "wake"]
    data: Mapping[str, Any]
    at: Millis
