"""The tables. Rows are built and read by this package only; docs/reference/store.md says what each is for.

Instants are integers (milliseconds), JSON is text, and a `seq` is the order in which rows were
committed. Facts carry their execution's `seq` instead of its id: ids are hashes, and an index over
millions of facts in order of arrival stays small and warm where one over hashes does not.
There are no foreign keys: each unit writes rows that belong together, in one transaction.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Index, Integer, LargeBinary, Text, UniqueConstraint, text
from sqlmodel import Field, SQLModel

_SEQ = BigInteger().with_variant(Integer, "sqlite")
"""SQLite's row number must be declared INTEGER; elsewhere 32 bits are not enough."""


def _seq() -> Any:
    return Field(default=None, primary_key=True, sa_type=_SEQ)


def _text(**options: Any) -> Any:
    return Field(sa_type=Text, **options)


def _instant(**options: Any) -> Any:
    return Field(sa_type=BigInteger, **options)


class AlertRow(SQLModel, table=True):
    """One alert from the moment it was kept: what became of it, and its fields once they are known."""

    __tablename__ = "alerts"
    __table_args__ = (
        UniqueConstraint("source", "dedupe_key", name="uq_alerts_dedupe"),
        Index("ix_alerts_received_at", "received_at", "seq"),
        Index("ix_alerts_state", "state", "received_at", "seq"),
        Index("ix_alerts_source", "source", "received_at", "seq"),
        Index("ix_alerts_severity", "severity_id", "received_at", "seq"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = _seq()
    id: str = _text(unique=True)
    source: str = _text()
    dedupe_key: str = _text()
    received_at: int = _instant()
    state: str = _text()
    """`received`, `matched`, `unmatched`, `failed`."""
    duplicates: int = Field(default=0)
    severity_id: int | None = None
    title: str | None = _text(default=None)
    rule_id: str | None = _text(default=None)
    src_ip: str | None = _text(default=None)
    user: str | None = _text(default=None)
    error: str | None = _text(default=None)
    catalog_digest: str | None = _text(default=None)
    data: str | None = _text(default=None)
    matches: str | None = _text(default=None)


class RawAlertRow(SQLModel, table=True):
    """The bytes of an alert as they came; written once, read again only to process or replay."""

    __tablename__ = "raw_alerts"

    id: str = _text(primary_key=True)
    body: bytes = Field(sa_type=LargeBinary)
    envelope: bytes | None = Field(default=None, sa_type=LargeBinary)


class CounterRow(SQLModel, table=True):
    """Totals that would cost a scan: alerts by what became of them."""

    __tablename__ = "counters"

    name: str = _text(primary_key=True)
    value: int = Field(default=0, sa_type=BigInteger)


class ExecutionRow(SQLModel, table=True):
    """One execution: who owns it (`epoch`), how it stands, and why it waits.

    `state` leads the indexes of the queued and the parked although it is the same all over them:
    without it, SQLite takes the index of all states and sorts.
    """

    __tablename__ = "executions"
    __table_args__ = (
        Index("ix_executions_opened_at", "opened_at", "seq"),
        Index("ix_executions_state", "state", "opened_at", "seq"),
        Index("ix_executions_playbook", "playbook_id", "opened_at", "seq"),
        Index("ix_executions_playbook_state", "playbook_id", "state", "opened_at", "seq"),
        Index("ix_executions_severity", "severity_id", "opened_at", "seq"),
        Index("ix_executions_severity_state", "severity_id", "state", "opened_at", "seq"),
        Index("ix_executions_alert", "alert_id", "opened_at", "seq"),
        Index(
            "ix_executions_ready",
            "state",
            text("priority DESC"),
            "opened_at",
            "seq",
            sqlite_where=text("state = 'queued'"),
            postgresql_where=text("state = 'queued'"),
        ),
        Index(
            "ix_executions_due",
            "state",
            "due_at",
            sqlite_where=text("state = 'parked'"),
            postgresql_where=text("state = 'parked'"),
        ),
        Index(
            "ix_executions_lifts",
            "opened_at",
            "seq",
            sqlite_where=text("kind = 'lift'"),
            postgresql_where=text("kind = 'lift'"),
        ),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = _seq()
    id: str = _text(unique=True)
    kind: str = _text()
    playbook_id: str = _text()
    playbook_digest: str = _text()
    state: str = _text()
    epoch: int = Field(default=0)
    opened_at: int = _instant()
    deadline_at: int = _instant()
    alert_id: str | None = _text(default=None)
    containment_id: str | None = _text(default=None)
    severity_id: int = Field(default=0)
    actor: str = _text(default="")
    awaiting: str | None = _text(default=None)
    due_at: int | None = _instant(default=None)
    started_at: int | None = _instant(default=None)
    finished_at: int | None = _instant(default=None)
    error: str | None = _text(default=None)
    message: str | None = _text(default=None)
    priority: int = Field(default=0)
    """What is taken first: lifts, then by severity."""


class FactRow(SQLModel, table=True):
    """One fact of an execution's history: unique by path, kind and attempt, never changed."""

    __tablename__ = "facts"
    __table_args__ = (UniqueConstraint("execution_seq", "path", "kind", "attempt", name="uq_facts"),)

    seq: int | None = _seq()
    execution_seq: int = Field(sa_type=BigInteger)
    path: str = _text()
    kind: str = _text()
    attempt: int = Field()
    at: int = _instant()
    data: str = _text()


class SignalRow(SQLModel, table=True):
    """What somebody else left for an execution, until its owner has taken it in."""

    __tablename__ = "signals"
    __table_args__ = (
        Index(
            "ix_signals_unread",
            "execution_id",
            sqlite_where=text("taken = 0"),
            postgresql_where=text("taken = 0"),
        ),
    )

    seq: int | None = _seq()
    id: str = _text(unique=True)
    execution_id: str = _text()
    kind: str = _text()
    data: str = _text()
    at: int = _instant()
    taken: int = Field(default=0)


class QuestionRow(SQLModel, table=True):
    """An outcome only a person can tell."""

    __tablename__ = "questions"
    __table_args__ = (
        Index("ix_questions_open", "state", "opened_at", "seq"),
        Index("ix_questions_execution", "execution_id"),
    )

    seq: int | None = _seq()
    id: str = _text(unique=True)
    execution_id: str = _text()
    path: str = _text()
    attempt: int = Field()
    action: str = _text()
    message: str = _text()
    opened_at: int = _instant()
    state: str = _text()
    answer: str | None = _text(default=None)
    answered_by: str | None = _text(default=None)
    answered_at: int | None = _instant(default=None)
    reason: str | None = _text(default=None)


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
    )

    seq: int | None = _seq()
    id: str = _text(unique=True)
    connection: str = _text()
    family: str = _text()
    target: str = _text()
    action: str = _text()
    state: str = _text()
    started_at: int = _instant()
    expires_at: int | None = _instant(default=None)
    ended_at: int | None = _instant(default=None)
    round: int = Field(default=0)
    playbook_id: str = _text(default="")
    alert_id: str | None = _text(default=None)
    reason: str | None = _text(default=None)
    lifted_by: str | None = _text(default=None)
    lift_reason: str | None = _text(default=None)


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

    seq: int | None = _seq()
    id: str = _text(unique=True)
    containment_id: str = _text()
    execution_id: str = _text()
    path: str = _text()
    state: str = _text()
    suspected: int = Field(default=0)
    """1 while nobody knows whether the call of a pending hold happened."""
    undo_after: float | None = None
    called_at: int = _instant()
    """When its attempt was committed."""
    expires_at: int | None = _instant(default=None)
    changed: int = Field(default=0)
    """1 once this hold's change is known to have been made."""
    undo: str | None = _text(default=None)


class PlaybookVersionRow(SQLModel, table=True):
    """The text of every playbook version that was ever loaded: what executions are pinned to."""

    __tablename__ = "playbook_versions"

    digest: str = _text(primary_key=True)
    playbook_id: str = _text()
    file: str = _text()
    source: str = _text()


class CatalogRow(SQLModel, table=True):
    """Which versions were loaded together; `loaded` grows with every load."""

    __tablename__ = "catalogs"

    digest: str = _text(primary_key=True)
    members: str = _text()
    loaded: int = Field(sa_type=BigInteger)


class TokenRow(SQLModel, table=True):
    """An API token by its hash; the token itself is shown once and kept nowhere."""

    __tablename__ = "tokens"

    id: str = _text(primary_key=True)
    name: str = _text(unique=True)
    role: str = _text()
    sha256: str = _text(unique=True)
    created_at: int = _instant()
    revoked_at: int | None = _instant(default=None)


class ProbeRow(SQLModel, table=True):
    """One row that is written to learn whether rows can be written."""

    __tablename__ = "probe"

    id: int = Field(primary_key=True)
    value: int = Field(default=0)


OURS = tuple(
    SQLModel.metadata.tables[str(table.__tablename__)]
    for table in (
        AlertRow,
        RawAlertRow,
        CounterRow,
        ExecutionRow,
        FactRow,
        SignalRow,
        QuestionRow,
        ContainmentRow,
        HoldRow,
        PlaybookVersionRow,
        CatalogRow,
        TokenRow,
        ProbeRow,
    )
)
"""Every table of this package, and no other that somebody may have declared."""
