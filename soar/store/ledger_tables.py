"""The tables of the ledger: what is contained, who holds it, and how much of a budget is used."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from soar.store.columns import instant_column, number_column, seq_column, text_column, where


class ContainmentRow(SQLModel, table=True):
    """One period of one target; at most one at a time that is not over (S30)."""

    __tablename__ = "containments"
    __table_args__ = (
        Index(
            "uq_containments_current",
            "connection",
            "family",
            "target",
            unique=True,
            sqlite_where=text("state NOT IN ('lifted', 'voided')"),
            postgresql_where=text("state NOT IN ('lifted', 'voided')"),
        ),
        Index("ix_containments_started_at", "started_at", "seq"),
        Index(
            "ix_containments_current",
            "started_at",
            "seq",
            sqlite_where=text("state NOT IN ('lifted', 'voided')"),
            postgresql_where=text("state NOT IN ('lifted', 'voided')"),
        ),
        Index("ix_containments_state", "state", "started_at", "seq"),
        Index("ix_containments_connection", "connection", "started_at", "seq"),
        Index("ix_containments_periods", "connection", "target", "action", "ended_at", **where("state = 'lifted'")),
        Index("ix_containments_checked", text("coalesce(checked_at, started_at)"), **where("state = 'held'")),
        Index("ix_containments_expiring", "expires_at", **where("state = 'held'")),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    connection: str = text_column()
    family: str = text_column()
    target: str = text_column()
    action: str = text_column()
    state: str = text_column()
    started_at: int = instant_column()
    expires_at: int | None = instant_column(default=None)
    ended_at: int | None = instant_column(default=None)
    round: int = Field(default=0)
    playbook_id: str = text_column(default="")
    alert_id: str | None = text_column(default=None)
    reason: str | None = text_column(default=None)
    lifted_by: str | None = text_column(default=None)
    lift_reason: str | None = text_column(default=None)
    rung: int = number_column(1)
    missing_since: int | None = instant_column(default=None)
    checked_at: int | None = instant_column(default=None)
    told_expiry: int | None = instant_column(default=None)
    """The expiry that was announced already."""
    reapplied: int = number_column()
    """How often its stored call was made again (S35)."""


class HoldRow(SQLModel, table=True):
    """One execution's claim on a containment, with the call that takes its change back."""

    __tablename__ = "holds"
    __table_args__ = (
        Index("ix_holds_containment", "containment_id"),
        Index("ix_holds_execution", "execution_id"),
        Index(
            "ix_holds_expiry",
            "expires_at",
            sqlite_where=text("state <> 'released'"),
            postgresql_where=text("state <> 'released'"),
        ),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    containment_id: str = text_column()
    execution_id: str = text_column()
    path: str = text_column()
    state: str = text_column()
    suspected: int = Field(default=0)
    """1 while nobody knows whether the call of a pending hold happened."""
    undo_after: float | None = None
    called_at: int = instant_column()
    """When its attempt was committed."""
    expires_at: int | None = instant_column(default=None)
    changed: int = Field(default=0)
    """1 once this hold's change is known to have been made."""
    undo: str | None = text_column(default=None)


class LiftWaiterRow(SQLModel, table=True):
    """An execution that waits for a lift somebody else has opened (S34)."""

    __tablename__ = "lift_waiters"

    lift_id: str = text_column(primary_key=True)
    execution_id: str = text_column(primary_key=True)
    path: str = text_column(primary_key=True)


class BudgetUseRow(SQLModel, table=True):
    """One call that counts against a blast-radius budget (S19)."""

    __tablename__ = "budget_uses"
    __table_args__ = (
        UniqueConstraint("execution_id", "path", "attempt", "budget", name="uq_budget_uses"),
        Index("ix_budget_uses_budget", "budget", "at"),
    )

    seq: int | None = seq_column()
    budget: str = text_column()
    execution_id: str = text_column()
    path: str = text_column()
    attempt: int = Field()
    at: int = instant_column()


class BudgetStateRow(SQLModel, table=True):
    """A budget as it was last claimed, and since when it is full."""

    __tablename__ = "budget_states"

    budget: str = text_column(primary_key=True)
    most: int = Field()
    window: float = Field()
    resume_at: int = Field()
    full_since: int | None = instant_column(default=None)
    filled_by: int | None = instant_column(default=None)
    """The use that filled it."""
