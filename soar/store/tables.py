"""The tables. Rows are built and read by this package only; docs/reference/store.md says what each is for.

Instants are integers (milliseconds), JSON is text, and a `seq` is the order in which rows were
committed. Facts carry their execution's `seq` instead of its id: ids are hashes, and an index over
millions of facts in order of arrival stays small and warm where one over hashes does not.
There are no foreign keys: each unit writes rows that belong together, in one transaction.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Index, LargeBinary, UniqueConstraint, text
from sqlmodel import Field, SQLModel

from soar.store.columns import instant_column, number_column, seq_column, text_column, where
from soar.store.ledger_tables import BudgetStateRow, BudgetUseRow, ContainmentRow, HoldRow, LiftWaiterRow
from soar.store.people_tables import (
    ApprovalRow,
    AuditRow,
    MessageRow,
    QuestionRow,
    ReviewRow,
    SessionRow,
    SwitchRow,
    TokenRow,
    UsedFormRow,
    VoteRow,
)
from soar.store.takes import JOBLESS

NOT_FINAL = "state NOT IN ('succeeded', 'failed', 'cancelled', 'skipped')"
"""As the indexes say it: a question that is to use them says it in these very words."""


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

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    source: str = text_column()
    dedupe_key: str = text_column()
    received_at: int = instant_column()
    state: str = text_column()
    """`received`, `matched`, `unmatched`, `failed`."""
    duplicates: int = Field(default=0)
    severity_id: int | None = None
    title: str | None = text_column(default=None)
    rule_id: str | None = text_column(default=None)
    src_ip: str | None = text_column(default=None)
    user: str | None = text_column(default=None)
    error: str | None = text_column(default=None)
    catalog_digest: str | None = text_column(default=None)
    data: str | None = text_column(default=None)
    matches: str | None = text_column(default=None)


class RawAlertRow(SQLModel, table=True):
    """The bytes of an alert as they came; written once, read again only to process or replay."""

    __tablename__ = "raw_alerts"

    id: str = text_column(primary_key=True)
    body: bytes = Field(sa_type=LargeBinary)
    envelope: bytes | None = Field(default=None, sa_type=LargeBinary)
    hops: int = number_column()
    """How many executions led to it."""


class CounterRow(SQLModel, table=True):
    """Totals that would cost a scan: alerts by what became of them."""

    __tablename__ = "counters"

    name: str = text_column(primary_key=True)
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
        Index("ix_executions_children", "parent_id", "opened_at", "seq", **where("parent_id IS NOT NULL")),
        Index("ix_executions_reruns", "rerun_of", "opened_at", "seq", **where("rerun_of IS NOT NULL")),
        Index(
            "ix_executions_slots",
            "slot_key",
            "waits_for_slot",
            text("book_priority DESC"),
            "opened_at",
            "seq",
            **where(f"slot_key IS NOT NULL AND {NOT_FINAL}"),
        ),
        Index("ix_executions_suspects", "opened_at", "seq", **where(f"takes > 0 AND {NOT_FINAL}")),
        # What has no job yet: the few rows of the transaction that is about to be committed.
        Index("ix_executions_jobless", "seq", **where(JOBLESS), info={"shared": True}),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    kind: str = text_column()
    playbook_id: str = text_column()
    playbook_digest: str = text_column()
    state: str = text_column()
    epoch: int = Field(default=0)
    opened_at: int = instant_column()
    deadline_at: int = instant_column()
    alert_id: str | None = text_column(default=None)
    containment_id: str | None = text_column(default=None)
    severity_id: int = Field(default=0)
    actor: str = text_column(default="")
    awaiting: str | None = text_column(default=None)
    due_at: int | None = instant_column(default=None)
    started_at: int | None = instant_column(default=None)
    finished_at: int | None = instant_column(default=None)
    error: str | None = text_column(default=None)
    message: str | None = text_column(default=None)
    priority: int = Field(default=0)
    """What is taken first: lifts, then by the playbook's own priority, then by severity."""
    mode: str = text_column(default="live", sa_column_kwargs={"server_default": "live"})
    book_priority: int = number_column()
    """The playbook's own."""
    parent_id: str | None = text_column(default=None)
    parent_path: str | None = text_column(default=None)
    rerun_of: str | None = text_column(default=None)
    hops: int = number_column()
    slot_key: str | None = text_column(default=None)
    slot_limit: int = number_column()
    waits_for_slot: int = number_column()
    """1 while others hold all places of its slot; those that are not final and do not wait hold one (S18)."""
    inputs: str | None = text_column(default=None)
    outputs: str | None = text_column(default=None)
    pins: str | None = text_column(default=None)
    subscribed: int = number_column()
    """1 while it has rows in `subscriptions`."""
    takes: int = number_column()
    """Owners lost without a committed unit (S24), and where its history stood then."""
    taken_at_epoch: int | None = None
    taken_at_fact: int | None = instant_column(default=None)
    zone: str = text_column(default="", sa_column_kwargs={"server_default": ""})
    """Where its calls are made; empty: the default zone."""
    job_id: int | None = Field(default=None, sa_type=BigInteger)
    """The job of the queue that is to take it up; only with PostgreSQL, where any worker may."""


class FactRow(SQLModel, table=True):
    """One fact of an execution's history: unique by path, kind and attempt, never changed."""

    __tablename__ = "facts"
    __table_args__ = (UniqueConstraint("execution_seq", "path", "kind", "attempt", name="uq_facts"),)

    seq: int | None = seq_column()
    execution_seq: int = Field(sa_type=BigInteger)
    path: str = text_column()
    kind: str = text_column()
    attempt: int = Field()
    at: int = instant_column()
    data: str = text_column()


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

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    execution_id: str = text_column()
    kind: str = text_column()
    data: str = text_column()
    at: int = instant_column()
    taken: int = Field(default=0)


class EventRow(SQLModel, table=True):
    """Something that happened, for triggers and for those that wait for it."""

    __tablename__ = "events"
    __table_args__ = (
        Index("ix_events_name", "name", "seq"),
        Index("ix_events_at", "at"),
        {"sqlite_autoincrement": True},
    )

    seq: int | None = seq_column()
    id: str = text_column(unique=True)
    name: str = text_column()
    data: str = text_column()
    at: int = instant_column()
    hops: int = Field(default=0)


class SubscriptionRow(SQLModel, table=True):
    """A parked execution waits for an event of that name, and has looked at those up to `seen`."""

    __tablename__ = "subscriptions"
    __table_args__ = (Index("ix_subscriptions_event", "event", "execution_id"),)

    execution_id: str = text_column(primary_key=True)
    path: str = text_column(primary_key=True)
    event: str = text_column(primary_key=True)
    seen: int = Field(default=0, sa_type=BigInteger)


class ArtefactRow(SQLModel, table=True):
    """An output too large for a fact, by its hash."""

    __tablename__ = "artefacts"

    sha256: str = text_column(primary_key=True)
    content: bytes = Field(sa_type=LargeBinary)
    at: int = instant_column()


class PlaybookVersionRow(SQLModel, table=True):
    """The text of every playbook version that was ever loaded: what executions are pinned to."""

    __tablename__ = "playbook_versions"

    digest: str = text_column(primary_key=True)
    playbook_id: str = text_column()
    file: str = text_column()
    source: str = text_column()


class CatalogRow(SQLModel, table=True):
    """Which versions were loaded together; `loaded` grows with every load."""

    __tablename__ = "catalogs"

    digest: str = text_column(primary_key=True)
    members: str = text_column()
    loaded: int = Field(sa_type=BigInteger)


class ProcessRow(SQLModel, table=True):
    """A process that works on this database together with others, and when it was last heard of."""

    __tablename__ = "processes"
    __table_args__ = (Index("ix_processes_seen", "seen_at"),)

    id: str = text_column(primary_key=True)
    kind: str = text_column()
    zones: str = text_column()
    host: str = text_column()
    pid: int = Field()
    version: str = text_column()
    started_at: int = instant_column()
    seen_at: int = instant_column()


class DutyRow(SQLModel, table=True):
    """What one of several processes does for all, who has it, and until when unless it says so again."""

    __tablename__ = "duties"

    name: str = text_column(primary_key=True)
    holder: str = text_column()
    until: int = instant_column()


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
        EventRow,
        SubscriptionRow,
        ArtefactRow,
        QuestionRow,
        ApprovalRow,
        VoteRow,
        MessageRow,
        ReviewRow,
        SessionRow,
        UsedFormRow,
        SwitchRow,
        AuditRow,
        ContainmentRow,
        HoldRow,
        LiftWaiterRow,
        BudgetUseRow,
        BudgetStateRow,
        PlaybookVersionRow,
        CatalogRow,
        TokenRow,
        ProcessRow,
        DutyRow,
        ProbeRow,
    )
)
"""Every table of this package, and no other that somebody may have declared."""
