"""What happened in an activation and is not committed yet."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from soar.model.approval import Approval
from soar.model.execution import Execution, Fact, Question
from soar.store.units import (
    Audit,
    Event,
    ExecutionChange,
    ExecutionUnit,
    LedgerChange,
    Subscription,
    Withdraw,
)


@dataclass(slots=True)
class Pending:
    """Rows that the next unit of the execution will hold."""

    facts: list[Fact] = field(default_factory=list)
    ledger: list[LedgerChange] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    signals: list[str] = field(default_factory=list)
    children: list[Execution] = field(default_factory=list)
    when_full: dict[str, Literal["queue", "skip", "cancel_oldest"]] = field(default_factory=dict)
    cancel: list[str] = field(default_factory=list)
    approvals: list[Approval] = field(default_factory=list)
    withdrawals: list[Withdraw] = field(default_factory=list)
    events: list[Event] = field(default_factory=list)
    audit: list[Audit] = field(default_factory=list)
    artefacts: list[bytes] = field(default_factory=list)
    """Big outputs that facts refer to; kept before the unit is."""
    urgent: bool = False
    """Something in it counts from now on, a step's start for its timeout: write it before waiting."""

    @property
    def empty(self) -> bool:
        return not (self.facts or self.ledger or self.questions or self.signals or self.children or self.approvals)

    def clear(self) -> None:
        """It is committed."""
        fresh = Pending()
        for name in self.__slots__:
            setattr(self, name, getattr(fresh, name))

    def unit(
        self,
        execution_id: str,
        epoch: int,
        *,
        take: bool,
        change: ExecutionChange | None = None,
        facts: list[Fact] | None = None,
        ledger: list[LedgerChange] | None = None,
        subscriptions: list[Subscription] | None = None,
        related: bool = False,
    ) -> ExecutionUnit:
        """All of it, and this with it."""
        return ExecutionUnit(
            execution_id=execution_id,
            epoch=epoch,
            take=take,
            facts=[*self.facts, *(facts or ())],
            change=change,
            ledger=[*self.ledger, *(ledger or ())],
            questions=list(self.questions),
            read_signals=list(self.signals),
            children=list(self.children),
            when_full=dict(self.when_full),
            cancel=list(dict.fromkeys(self.cancel)),
            approvals=list(self.approvals),
            withdrawals=list(self.withdrawals),
            subscriptions=subscriptions or [],
            events=list(self.events),
            audit=list(self.audit),
            related=related,
        )
