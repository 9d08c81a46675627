"""The tables of what people decide and see: questions, approvals, messages, switches, access, the audit trail."""

from __future__ import annotations

from sqlalchemy import Index, UniqueConstraint
from sqlmodel import Field, SQLModel

from soar.store.columns import instant_column, number_column, seq_column, text_column, where


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
        Index("ix_approvals_settled", "settled_at", "seq", **where("settled_at IS NOT NULL")),
        Index("ix_approvals_due", "due_at", **where("state IN ('asking', 'asked')")),
        Index("ix_approvals_execution", "execution_id", "asked_at", "seq"),
        Index("ix_approvals_untold", "seq", **where("state IN ('asking', 'asked') AND told <= stage")),
        Index("ix_approvals_remind", "remind_at", **where("state IN ('asking', 'asked')")),
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
    told: int = number_column()
    """How many stages have their messages."""
    remind_at: int | None = instant_column(default=None)


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


class MessageRow(SQLModel, table=True):
    """One message in a channel: a request that is edited as it moves, or a line below it.

    `due_at` says when the next thing is due for it, a post or an edit; without one, nothing is.
    """

    __tablename__ = "messages"
    __table_args__ = (
        Index("ix_messages_due", "due_at", **where("due_at IS NOT NULL")),
        Index("ix_messages_follow", "follow_at", **where("follow_at IS NOT NULL")),
        Index("ix_messages_approval", "approval_id", "seq"),
        Index("ix_messages_execution", "execution_id", "seq"),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    kind: str = text_column()
    """`request`, or a line: `reminder`, `progress`, `outcome`, `announcement`."""
    approval_id: str | None = text_column(default=None)
    execution_id: str = text_column()
    stage: int = number_column()
    destination: str = text_column()
    """`slack:#soc`, as the playbook, the policy or a person's entry says."""
    thread_id: str | None = text_column(default=None)
    """The message it stands below."""
    text: str | None = text_column(default=None)
    nonce: str | None = text_column(default=None, unique=True)
    state: str = text_column()
    """`waiting`, `posting`, `posted`, `shown`, `refused`, `dropped`."""
    tries: int = number_column()
    lost: int = number_column()
    """How many posts were sent whose answer never came."""
    due_at: int | None = instant_column(default=None)
    place: str | None = text_column(default=None)
    error: str | None = text_column(default=None)
    at: int = instant_column()
    follow_at: int | None = instant_column(default=None)
    """When the execution is looked at for what to tell below this message."""
    followed_to: int = number_column()
    """The last fact that was told."""


class SessionRow(SQLModel, table=True):
    """A person signed in to the pages, by the hash of their cookie."""

    __tablename__ = "sessions"
    __table_args__ = (Index("ix_sessions_expires", "expires_at"),)

    sha256: str = text_column(primary_key=True)
    person: str = text_column()
    token_id: str = text_column()
    """The token it was opened with; it ends with it."""
    created_at: int = instant_column()
    expires_at: int = instant_column()


class UsedFormRow(SQLModel, table=True):
    """The token of a form that was sent: it is good once."""

    __tablename__ = "used_forms"
    __table_args__ = (Index("ix_used_forms_expires", "expires_at"),)

    nonce: str = text_column(primary_key=True)
    expires_at: int = instant_column()


class ReviewRow(SQLModel, table=True):
    """A break-glass approval, until somebody else has looked at it."""

    __tablename__ = "reviews"
    __table_args__ = (
        Index("ix_reviews_opened_at", "opened_at", "seq"),
        Index("ix_reviews_state", "state", "opened_at", "seq"),
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    approval_id: str = text_column(unique=True)
    execution_id: str = text_column()
    playbook_id: str = text_column()
    message: str = text_column()
    by: str = text_column()
    reason: str = text_column()
    opened_at: int = instant_column()
    state: str = text_column()
    """`open`, `closed`."""
    closed_by: str | None = text_column(default=None)
    closed_at: int | None = instant_column(default=None)
    finding: str | None = text_column(default=None)
