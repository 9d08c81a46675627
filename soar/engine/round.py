"""What `decide` says: everything that is ready now, or why the execution rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Millis
from soar.engine.places import covers
from soar.model.approval import ApprovalRule
from soar.model.execution import Fact
from soar.model.playbook import Action

Error = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """An approval that was given: where, in which round, when it was asked, and what was shown."""

    path: str
    round: int
    at: Millis
    request: Mapping[str, Any]
    """The `approval` fact: `{id, items: [{path, action, values, masked, open, asks_again ...}], required ...}`."""
    rule: ApprovalRule

    def item(self, path: str) -> Mapping[str, Any] | None:
        """What was shown of the call at that path."""
        for item in self.request.get("items", ()):
            if covers(item["path"], path):
                found: Mapping[str, Any] = item
                return found
        return None


@dataclass(frozen=True, slots=True)
class Run:
    """A call that should be under way now: a new one, or one that a crash left open."""

    path: str
    attempt: int
    action: Action
    inputs: Mapping[str, Any]
    remaining: float | None
    """Seconds its steps and the execution have left; None when nothing limits it but its connection."""
    cut: Error | None = None
    """Set when it is to end now: half a second more, then one look at what it did (S22)."""
    approvals: tuple[Given, ...] = ()
    """The approvals it goes out under, the nearest first."""
    undo_inputs: Mapping[str, Any] = field(default_factory=dict)
    """The values of the call that takes it back, where the playbook names one of its own."""
    demand: int = 0
    """How many demands of guardrails were approved for it."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A timer that someone must watch."""

    path: str
    attempt: int
    due: Millis


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a person: did try `attempt` happen?"""

    path: str
    attempt: int
    action: str
    message: str


@dataclass(frozen=True, slots=True)
class Shown:
    """One call that an approval is about, with exact values (the shell masks them before they are kept)."""

    path: str
    """Where it will run; `[*]` and `#*` stand for any turn."""
    action: Action
    values: Mapping[str, Any]
    open: Mapping[str, str]
    """Parameters that can only be known later, as their expressions."""


@dataclass(frozen=True, slots=True)
class AskApproval:
    """A request to people: may these calls be made?"""

    path: str
    round: int
    message: str
    rule: ApprovalRule
    items: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class Withdraw:
    """A request that nobody needs to answer any more."""

    approval_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Listen:
    """An event to look for among those stored since the execution opened."""

    path: str
    event: str
    match: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Open:
    """A sub-playbook to open."""

    path: str
    playbook: str
    inputs: Mapping[str, Any]
    due: Millis | None
    """The latest end its caller's limits allow."""


@dataclass(frozen=True, slots=True)
class Undo:
    """Holds to let go of (S34)."""

    path: str
    patterns: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Finish:
    """The execution is over."""

    state: Literal["succeeded", "failed", "cancelled"]
    error: Error | None = None
    message: str | None = None
    outputs: Mapping[str, Any] | None = None


@dataclass(slots=True)
class Round:
    """All commands of one decision, in playbook order (S1)."""

    facts: list[Fact] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    approvals: list[AskApproval] = field(default_factory=list)
    withdrawals: list[Withdraw] = field(default_factory=list)
    listens: list[Listen] = field(default_factory=list)
    opens: list[Open] = field(default_factory=list)
    cancels: list[str] = field(default_factory=list)
    """Sub-playbooks whose caller was cut."""
    undos: list[Undo] = field(default_factory=list)
    awaits: set[str] = field(default_factory=set)
    """What it rests on besides timers: `person`, `approval`, `child`, `event`."""
    finish: Finish | None = None

    @property
    def on_person(self) -> bool:
        """A question is open, and only its answer moves this execution."""
        return "person" in self.awaits

    def take(self, part: Round) -> None:
        """Add the commands of a branch; its facts are with us already."""
        self.runs += part.runs
        self.waits += part.waits
        self.asks += part.asks
        self.approvals += part.approvals
        self.withdrawals += part.withdrawals
        self.listens += part.listens
        self.opens += part.opens
        self.cancels += part.cancels
        self.undos += part.undos
        self.awaits |= part.awaits

    def keep_settled(self) -> None:
        """Drop what has not begun: of a branch that is cut, only what was said to others stays."""
        self.runs, self.waits, self.approvals = [], [], []
        self.listens, self.opens = [], []
        self.awaits = set()
