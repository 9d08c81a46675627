"""What the whole language needs: approvals, events, budgets, switches, the audit trail, and more of an execution."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0002"
down_revision = "0001"

_COLUMNS: Final = {
    "executions": (
        "mode TEXT DEFAULT 'live' NOT NULL",
        "book_priority INTEGER DEFAULT 0 NOT NULL",
        "parent_id TEXT",
        "parent_path TEXT",
        "rerun_of TEXT",
        "hops INTEGER DEFAULT 0 NOT NULL",
        "slot_key TEXT",
        "slot_limit INTEGER DEFAULT 0 NOT NULL",
        "waits_for_slot INTEGER DEFAULT 0 NOT NULL",
        "inputs TEXT",
        "outputs TEXT",
        "pins TEXT",
        "subscribed INTEGER DEFAULT 0 NOT NULL",
        "takes INTEGER DEFAULT 0 NOT NULL",
        "taken_at_epoch INTEGER",
        "taken_at_fact BIGINT",
    ),
    "containments": (
        "rung INTEGER DEFAULT 1 NOT NULL",
        "missing_since BIGINT",
        "checked_at BIGINT",
        "told_expiry BIGINT",
        "reapplied INTEGER DEFAULT 0 NOT NULL",
    ),
    "tokens": ("person TEXT",),
    "raw_alerts": ("hops INTEGER DEFAULT 0 NOT NULL",),
}
_TABLES: Final = (
    (
        "CREATE TABLE approvals ( seq INTEGER NOT NULL, id TEXT NOT NULL, execution_id TEXT NOT NULL, path "
        "TEXT NOT NULL, round INTEGER NOT NULL, state TEXT NOT NULL, message TEXT NOT NULL, shown TEXT NOT "
        "NULL, digest TEXT NOT NULL, approvers TEXT NOT NULL, requester TEXT NOT NULL, asked_at BIGINT NOT "
        "NULL, stages TEXT NOT NULL, playbook_id TEXT NOT NULL, author TEXT, stage INTEGER NOT NULL, due_at "
        "BIGINT, on_timeout TEXT NOT NULL, remind FLOAT, settled_at BIGINT, settled_by TEXT, reason TEXT, "
        "PRIMARY KEY (seq), UNIQUE (id) )"
    ),
    "CREATE TABLE artefacts ( sha256 TEXT NOT NULL, content BLOB NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (sha256) )",
    (
        "CREATE TABLE audit ( id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, at BIGINT NOT NULL, actor TEXT "
        "NOT NULL, action TEXT NOT NULL, subject TEXT NOT NULL, data TEXT, seq BIGINT, hash TEXT, UNIQUE "
        "(seq) )"
    ),
    (
        "CREATE TABLE budget_states ( budget TEXT NOT NULL, most INTEGER NOT NULL, window FLOAT NOT NULL, "
        "resume_at INTEGER NOT NULL, full_since BIGINT, filled_by BIGINT, PRIMARY KEY (budget) )"
    ),
    (
        "CREATE TABLE budget_uses ( seq INTEGER NOT NULL, budget TEXT NOT NULL, execution_id TEXT NOT NULL, "
        "path TEXT NOT NULL, attempt INTEGER NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (seq), CONSTRAINT "
        "uq_budget_uses UNIQUE (execution_id, path, attempt, budget) )"
    ),
    (
        "CREATE TABLE events ( seq INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL, name TEXT "
        "NOT NULL, data TEXT NOT NULL, at BIGINT NOT NULL, hops INTEGER NOT NULL, UNIQUE (id) )"
    ),
    (
        "CREATE TABLE lift_waiters ( lift_id TEXT NOT NULL, execution_id TEXT NOT NULL, path TEXT NOT NULL, "
        "PRIMARY KEY (lift_id, execution_id, path) )"
    ),
    (
        "CREATE TABLE subscriptions ( execution_id TEXT NOT NULL, path TEXT NOT NULL, event TEXT NOT NULL, "
        "seen BIGINT NOT NULL, PRIMARY KEY (execution_id, path, event) )"
    ),
    (
        'CREATE TABLE switches ( scope TEXT NOT NULL, state TEXT NOT NULL, "by" TEXT NOT NULL, reason TEXT '
        "NOT NULL, at BIGINT NOT NULL, PRIMARY KEY (scope) )"
    ),
    (
        "CREATE TABLE votes ( seq INTEGER NOT NULL, approval_id TEXT NOT NULL, person TEXT NOT NULL, decision "
        "TEXT NOT NULL, at BIGINT NOT NULL, channel TEXT NOT NULL, reason TEXT NOT NULL, evidence TEXT, "
        "PRIMARY KEY (seq), CONSTRAINT uq_votes UNIQUE (approval_id, person) )"
    ),
)
_INDEXES: Final = (
    "CREATE INDEX ix_approvals_asked_at ON approvals (asked_at, seq)",
    "CREATE INDEX ix_approvals_due ON approvals (due_at) WHERE state IN ('asking', 'asked')",
    "CREATE INDEX ix_approvals_execution ON approvals (execution_id, asked_at, seq)",
    "CREATE INDEX ix_approvals_open ON approvals (asked_at, seq) WHERE state IN ('asking', 'asked')",
    "CREATE INDEX ix_approvals_state ON approvals (state, asked_at, seq)",
    "CREATE INDEX ix_audit_action ON audit (action, at, id)",
    "CREATE INDEX ix_audit_actor ON audit (actor, at, id)",
    "CREATE INDEX ix_audit_at ON audit (at, id)",
    "CREATE INDEX ix_audit_subject ON audit (subject, at, id)",
    "CREATE INDEX ix_audit_unsealed ON audit (id) WHERE seq IS NULL",
    "CREATE INDEX ix_budget_uses_budget ON budget_uses (budget, at)",
    "CREATE INDEX ix_containments_checked ON containments (coalesce(checked_at, started_at)) WHERE state = 'held'",
    "CREATE INDEX ix_containments_expiring ON containments (expires_at) WHERE state = 'held'",
    (
        "CREATE INDEX ix_containments_periods ON containments (connection, target, action, ended_at) WHERE "
        "state = 'lifted'"
    ),
    "CREATE INDEX ix_events_at ON events (at)",
    "CREATE INDEX ix_events_name ON events (name, seq)",
    "CREATE INDEX ix_executions_children ON executions (parent_id, opened_at, seq) WHERE parent_id IS NOT NULL",
    "CREATE INDEX ix_executions_reruns ON executions (rerun_of, opened_at, seq) WHERE rerun_of IS NOT NULL",
    (
        "CREATE INDEX ix_executions_slots ON executions (slot_key, waits_for_slot, book_priority DESC, "
        "opened_at, seq) WHERE slot_key IS NOT NULL AND state NOT IN ('succeeded', 'failed', 'cancelled', "
        "'skipped')"
    ),
    (
        "CREATE INDEX ix_executions_suspects ON executions (opened_at, seq) WHERE takes > 0 AND state NOT IN "
        "('succeeded', 'failed', 'cancelled', 'skipped')"
    ),
    "CREATE INDEX ix_subscriptions_event ON subscriptions (event, execution_id)",
    "CREATE INDEX ix_votes_person ON votes (person, approval_id)",
)


def upgrade() -> None:
    """Columns with defaults for the rows there are, and tables that start empty."""
    connection = op.get_bind()
    for table, columns in _COLUMNS.items():
        for column in columns:
            connection.exec_driver_sql(f"ALTER TABLE {table} ADD COLUMN {column}")
    for statement in (*_TABLES, *_INDEXES):
        connection.exec_driver_sql(statement)
    # Between a lift and the gravest alert there is room for the playbooks' own priorities now.
    connection.exec_driver_sql("UPDATE executions SET priority = 10000 WHERE kind = 'lift'")
