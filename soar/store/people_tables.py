"""The tables of what people decide: questions, approvals, switches, tokens, and the audit trail."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from soar.store.columns import instant_column, seq_column, text_column, where


class QuestionRow(SQLModel, table=True):
    """An outcome only a person can tell."""

    __tablename__ = "questions"
    __table_args__ = (
        Index("ix_questions_open", "state", "opened_at", "seq"),
        Index("ix_questions_execution", "execution_id"),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    execution_id: str = text_column()
    path: str = text_column()
    attempt: int = Field()
    action: str = text_column()
    message: str = text_column()
    opened_at: int = instant_column()
    state: str = text_column()
    answer: str | None = text_column(default=None)
    answered_by: str | None = text_column(default=None)
    answered_at: int | None = instant_column(default=None)
    reason: str | None = text_column(default=None)


class ApprovalRow(SQLModel, table=True):
    """One request to people, from the moment it is made until it is settled."""

    __tablename__ = "approvals"
    __table_args__ = (
        Index("ix_approvals_asked_at", "asked_at", "seq"),
        Index("ix_approvals_state", "state", "asked_at", "seq"),
        Index("ix_approvals_open", "asked_at", "seq", **where("state IN ('asking', 'asked')")),
        Index("ix_approvals_due", "due_at", **where("state IN ('asking', 'asked')")),
        Index("ix_approvals_execution", "execution_id", "asked_at", "seq"),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    execution_id: str = text_column()
    path: str = text_column()
    round: int = Field()
    state: str = text_column()
    message: str = text_column()
    shown: str = text_column()
    digest: str = text_column()
    approvers: str = text_column()
    requester: str = text_column()
    asked_at: int = instant_column()
    stages: str = text_column()
    playbook_id: str = text_column(default="")
    author: str | None = text_column(default=None)
    stage: int = Field(default=0)
    due_at: int | None = instant_column(default=None)
    on_timeout: str = text_column(default="reject")
    remind: float | None = None
    settled_at: int | None = instant_column(default=None)
    settled_by: str | None = text_column(default=None)
    reason: str | None = text_column(default=None)


class VoteRow(SQLModel, table=True):
    """What one person said to one request; the first word stands."""

    __tablename__ = "votes"
    __table_args__ = (
        UniqueConstraint("approval_id", "person", name="uq_votes"),
        Index("ix_votes_person", "person", "approval_id"),
    )

    seq: int | None = seq_column()
    approval_id: str = text_column()
    person: str = text_column()
    decision: str = text_column()
    at: int = instant_column()
    channel: str = text_column()
    reason: str = text_column(default="")
    evidence: str | None = text_column(default=None)


class SwitchRow(SQLModel, table=True):
    """A stop button: of everything, of one connection, of one playbook."""

    __tablename__ = "switches"

    scope: str = text_column(primary_key=True)
    """`all`, `connection:<name>`, `playbook:<id>`."""
    state: str = text_column()
    """`stopped`, `clear`."""
    by: str = text_column()
    reason: str = text_column()
    at: int = instant_column()


class AuditRow(SQLModel, table=True):
    """One audit entry; `seq` and `hash` come with its sealing (S46)."""

    __tablename__ = "audit"
    __table_args__ = (
        Index("ix_audit_at", "at", "id"),
        Index("ix_audit_subject", "subject", "at", "id"),
        Index("ix_audit_actor", "actor", "at", "id"),
        Index("ix_audit_action", "action", "at", "id"),
        Index("ix_audit_unsealed", "id", **where("seq IS NULL")),
        {"sqlite_autoincrement": True},
    )

    id: int | None = seq_column()
    at: int = instant_column()
    actor: str = text_column()
    action: str = text_column()
    subject: str = text_column()
    data: str | None = text_column(default=None)
    seq: int | None = instant_column(default=None, unique=True)
    hash: str | None = text_column(default=None)


class TokenRow(SQLModel, table=True):
    """An API token by its hash; the token itself is shown once and kept nowhere."""

    __tablename__ = "tokens"

    id: str = text_column(primary_key=True)
    name: str = text_column(unique=True)
    role: str = text_column()
    sha256: str = text_column(unique=True)
    created_at: int = instant_column()
    revoked_at: int | None = instant_column(default=None)
    person: str | None = text_column(default=None)
    """Whose it is; None is a program's."""
