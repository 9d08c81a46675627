"""What several processes on one database need: which job takes an execution up, who is alive, who does what for all."""

from __future__ import annotations

from typing import Final

from alembic import op

revision = "0004"
down_revision = "0003"

_STATEMENTS: Final = (
    "ALTER TABLE executions ADD COLUMN zone TEXT DEFAULT '' NOT NULL",
    "ALTER TABLE executions ADD COLUMN job_id BIGINT",
    (
        "CREATE TABLE processes ( id TEXT NOT NULL, kind TEXT NOT NULL, zones TEXT NOT NULL, host TEXT NOT NULL, "
        "pid INTEGER NOT NULL, version TEXT NOT NULL, started_at BIGINT NOT NULL, seen_at BIGINT NOT NULL, "
        "PRIMARY KEY (id) )"
    ),
    "CREATE TABLE duties ( name TEXT NOT NULL, holder TEXT NOT NULL, until BIGINT NOT NULL, PRIMARY KEY (name) )",
    "CREATE INDEX ix_processes_seen ON processes (seen_at)",
)


def upgrade() -> None:
    """Only one file was ever at 0003: what PostgreSQL has more is made with its first schema, this one."""
    connection = op.get_bind()
    for statement in _STATEMENTS:
        connection.exec_driver_sql(statement)
