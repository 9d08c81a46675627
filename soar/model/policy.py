"""What policy is asked before a call goes out, and what it says (S19)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from soar.clock import Millis
from soar.model.action import ActionSpec
from soar.model.approval import Approvers

Verdict = Literal["allowed", "approval", "two", "forbidden"]
"""In rising order: done at once, after one person's yes, after the yes of two, never."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """One call about to be made, with the values that go out."""

    name: str
    """`gateway.block_ip`."""
    spec: ActionSpec
    inputs: Mapping[str, Any]
    target: str | None
    alert: Mapping[str, Any]
    playbook_id: str
    requester: str
    """The actor that opened the execution."""
    at: Millis
    containing: bool = False
    """It has a way back: the connector's own, or one that the playbook names."""


@dataclass(frozen=True, slots=True)
class BudgetClaim:
    """A budget this call counts against, as `soar.store.units.Reserve` needs it."""

    budget: str
    limit: int
    window: float
    resume_at: int


@dataclass(frozen=True, slots=True)
class Demand:
    """Who must say yes, how it is asked, and why (S27)."""

    reason: str
    approvers: Approvers
    timeout: float
    notify: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Judgement:
    """What policy says to one proposal."""

    verdict: Verdict
    reasons: tuple[str, ...] = ()
    """Why, for people: the rule, the value, the entry of the file."""
    demand: Demand | None = None
    """Set when the verdict is `approval` or `two`."""
    budgets: tuple[BudgetClaim, ...] = ()
    """What an allowed or approved call counts against."""


class PolicyView(Protocol):
    """The loaded policy, as the engine sees it; pure: no clock, no database."""

    @property
    def digest(self) -> str:
        """SHA-256 of what it says: an approval given under another one may not hold (S26)."""
        ...

    def judge(self, proposal: Proposal) -> Judgement:
        """Whether this call may go out."""
        ...

    def over_budget(self, proposal: Proposal, budget: str) -> Demand | None:
        """What must be asked when that budget is full; None where the policy says that it refuses."""
        ...

    def default_undo_after(self, proposal: Proposal) -> tuple[float, ...]:
        """Seconds (or a ladder) after which a containment lifts where its playbook says nothing; empty: never."""
        ...
