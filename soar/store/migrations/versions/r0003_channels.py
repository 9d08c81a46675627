"""What people are told and asked through: messages in channels, sessions of the pages, reviews of broken glass."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0003"
down_revision = "0002"

_COLUMNS: Final = ("told INTEGER DEFAULT 0 NOT NULL", "remind_at BIGINT")
_TABLES: Final = (
    (
        "CREATE TABLE messages ( seq INTEGER NOT NULL, id TEXT NOT NULL, kind TEXT NOT NULL, approval_id "
        "TEXT, execution_id TEXT NOT NULL, stage INTEGER DEFAULT 0 NOT NULL, destination TEXT NOT NULL, "
        "thread_id TEXT, text TEXT, nonce TEXT, state TEXT NOT NULL, tries INTEGER DEFAULT 0 NOT NULL, lost "
        "INTEGER DEFAULT 0 NOT NULL, due_at BIGINT, place TEXT, error TEXT, at BIGINT NOT NULL, follow_at "
        "BIGINT, followed_to INTEGER DEFAULT 0 NOT NULL, PRIMARY KEY (seq), UNIQUE (id), UNIQUE (nonce) )"
    ),
    (
        "CREATE TABLE reviews ( seq INTEGER NOT NULL, id TEXT NOT NULL, approval_id TEXT NOT NULL, "
        'execution_id TEXT NOT NULL, playbook_id TEXT NOT NULL, message TEXT NOT NULL, "by" TEXT NOT NULL, '
        "reason TEXT NOT NULL, opened_at BIGINT NOT NULL, state TEXT NOT NULL, closed_by TEXT, closed_at "
        "BIGINT, finding TEXT, PRIMARY KEY (seq), UNIQUE (id), UNIQUE (approval_id) )"
    ),
    (
        "CREATE TABLE sessions ( sha256 TEXT NOT NULL, person TEXT NOT NULL, token_id TEXT NOT NULL, "
        "created_at BIGINT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (sha256) )"
    ),
    "CREATE TABLE used_forms ( nonce TEXT NOT NULL, expires_at BIGINT NOT NULL, PRIMARY KEY (nonce) )",
)
_INDEXES: Final = (
    "CREATE INDEX ix_approvals_remind ON approvals (remind_at) WHERE state IN ('asking', 'asked')",
    "CREATE INDEX ix_approvals_settled ON approvals (settled_at, seq) WHERE settled_at IS NOT NULL",
    ("CREATE INDEX ix_approvals_untold ON approvals (seq) WHERE state IN ('asking', 'asked') AND told <= stage"),
    "CREATE INDEX ix_messages_approval ON messages (approval_id, seq)",
    "CREATE INDEX ix_messages_due ON messages (due_at) WHERE due_at IS NOT NULL",
    "CREATE INDEX ix_messages_execution ON messages (execution_id, seq)",
    "CREATE INDEX ix_messages_follow ON messages (follow_at) WHERE follow_at IS NOT NULL",
    "CREATE INDEX ix_reviews_opened_at ON reviews (opened_at, seq)",
    "CREATE INDEX ix_reviews_state ON reviews (state, opened_at, seq)",
    "CREATE INDEX ix_sessions_expires ON sessions (expires_at)",
    "CREATE INDEX ix_used_forms_expires ON used_forms (expires_at)",
)


def upgrade() -> None:
    """Requests that are open now are told to their channels as new ones are."""
    connection = op.get_bind()
    for column in _COLUMNS:
        connection.exec_driver_sql(f"ALTER TABLE approvals ADD COLUMN {column}")
    for statement in (*_TABLES, *_INDEXES):
        connection.exec_driver_sql(statement)
