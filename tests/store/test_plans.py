"""No table scan on the hot path: every statement of a working process, explained on a database that is full.

What a process says to PostgreSQL while it takes an alert in, carries it out and looks around is written down; then each
statement is explained with the values it had, on 100,000 alerts and executions.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from soar.config import load_settings
from soar.model.actor import Actor
from soar.role import Role
from soar.runtime import Runtime
from soar.store.dialect import for_postgres
from soar.store.options import PostgresOptions
from soar.store.pages import AlertFilter, ContainmentFilter, ExecutionFilter
from soar.store.postgres import PostgresConnection, PostgresDatabase
from tests.acceptance.harness import FINAL, calling, eventually, recording

ROWS = 100_000
BIG = (
    "executions",
    "facts",
    "alerts",
    "raw_alerts",
    "signals",
    "holds",
    "containments",
    "approvals",
    "audit",
    "events",
)
CONFIG = """\
database: {database}
playbooks: playbooks
connections:
  api: {{connector: http, settings: {{base_url: "{target}"}}}}
"""
FILL = """
INSERT INTO alerts (id, source, dedupe_key, received_at, state, severity_id, duplicates)
    SELECT 'a' || n, 'siem', 'key' || n, n, 'matched', n % 5, 0 FROM generate_series(1, {rows}) AS n;
INSERT INTO raw_alerts (id, body) SELECT 'a' || n, 'x' FROM generate_series(1, {rows}) AS n;
INSERT INTO executions (id, kind, playbook_id, playbook_digest, state, epoch, opened_at, deadline_at, alert_id,
    severity_id, actor, priority)
    SELECT 'e' || n, 'run', 'book' || n % 50, 'd', 'succeeded', 1, n, n, 'a' || n, n % 5, 'source:siem', 0
    FROM generate_series(1, {rows}) AS n;
INSERT INTO facts (execution_seq, path, kind, attempt, at, data)
    SELECT n, 'step', 'outcome', 1, n, '{{}}' FROM generate_series(1, {rows}) AS n;
INSERT INTO signals (id, execution_id, kind, data, at, taken)
    SELECT 's' || n, 'e' || n, 'wake', '{{}}', n, 1 FROM generate_series(1, {rows}) AS n;
INSERT INTO containments (id, connection, family, target, action, state, started_at, ended_at, round, playbook_id)
    SELECT 'c' || n, 'gateway', 'unblock', 'target' || n, 'block', 'lifted', n, n, 1, 'book'
    FROM generate_series(1, {rows}) AS n;
INSERT INTO holds (id, containment_id, execution_id, path, state, suspected, called_at, changed)
    SELECT 'h' || n, 'c' || n, 'e' || n, 'step', 'released', 0, n, 1 FROM generate_series(1, {rows}) AS n;
INSERT INTO approvals (id, execution_id, path, round, state, message, shown, digest, approvers, requester, asked_at,
    stages, playbook_id, stage, on_timeout)
    SELECT 'p' || n, 'e' || n, 'ask', 1, 'approved', 'M', '[]', 'd', '{{}}', 'r', n, '[]', 'book', 0, 'reject'
    FROM generate_series(1, {rows}) AS n;
INSERT INTO audit (at, actor, action, subject, data, seq, hash)
    SELECT n, 'engine', 'execution.opened', 'execution:e' || n, '{{}}', n, 'h' FROM generate_series(1, {rows}) AS n;
INSERT INTO events (id, name, data, at, hops)
    SELECT 'v' || n, 'execution.failed', '{{}}', n, 0 FROM generate_series(1, {rows}) AS n;
"""
ALLOWED = re.compile(
    r"^(EXPLAIN|SAVEPOINT|ROLLBACK|RELEASE|BEGIN|COMMIT|SET)|pg_advisory|pg_catalog|clock_timestamp|alembic_version"
)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, tuple[Any, ...]]]:
    """Every statement with the values it had first."""
    kept: dict[str, tuple[Any, ...]] = {}
    execute = PostgresConnection.execute

    def written(self: PostgresConnection, sql: str, parameters: Any = (), /) -> Any:
        kept.setdefault(sql, tuple(parameters))
        return execute(self, sql, parameters)

    monkeypatch.setattr(PostgresConnection, "execute", written)
    yield kept
    monkeypatch.undo()


async def work(database: str, folder: Path) -> None:
    """One process: two alerts in, both carried out, and everything a page asks for."""
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "calls.yaml").write_text(calling("/first", "/second", playbook_id="calls"))
    async with recording() as target:
        (folder / "soar.yaml").write_text(CONFIG.format(database=database, target=target.url))
        runtime = await Runtime.build(load_settings(folder / "soar.yaml"), role=Role("serve"))
        await runtime.start()
        try:
            asked = await runtime.run_by_hand("calls", {"id": "one", "title": "T"}, Actor("cli", "test"))

            async def over() -> bool | None:
                found = (await runtime.store.executions.page(ExecutionFilter(playbook="calls"))).items
                return bool(found and found[0].state in FINAL) or None

            await eventually(over, "it is carried out")
            await look_around(runtime, asked.execution_id)
        finally:
            await runtime.stop()


async def look_around(runtime: Runtime, execution_id: str) -> None:
    store, now = runtime.store, runtime.clock.now()
    for filters in (ExecutionFilter(), ExecutionFilter(status="failed"), ExecutionFilter(playbook="book1")):
        await store.executions.page(filters)
    await store.alerts.page(AlertFilter(status="failed"))
    await store.containments.page(ContainmentFilter(current=True))
    await store.executions.facts(execution_id)
    await store.executions.signalled()
    await store.executions.sweep(store.queue.live, now)
    await store.executions.free_slots()
    await store.containments.release_expired(now)
    await store.containments.next_expiry()
    await store.approvals.advance(now)
    await store.approvals.next_due()
    await store.audit.seal()
    await store.events.since("execution.*", 0, ROWS - 1)
    await runtime.zones()


@pytest.mark.timeout(180)
async def test_no_statement_of_a_working_process_reads_a_whole_table(
    soar_postgres_url: str, tmp_path: Path, said: dict[str, tuple[Any, ...]]
) -> None:
    with psycopg.connect(soar_postgres_url, autocommit=True) as connection:
        connection.execute(FILL.format(rows=ROWS).encode())
        connection.execute("ANALYZE")
    await work(soar_postgres_url, tmp_path)
    explained, scans = explain(soar_postgres_url, said)
    assert explained > 50, "it was to say more than that"
    assert not scans, "\n\n".join(scans)


def explain(url: str, said: dict[str, tuple[Any, ...]]) -> tuple[int, list[str]]:
    connection = PostgresDatabase.of(url, PostgresOptions()).connect_writer()
    explained, scans = 0, []
    try:
        for sql, values in list(said.items()):
            if ALLOWED.search(sql) or not sql.startswith(("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")):
                continue
            connection.raw.execute("BEGIN")
            cursor = psycopg.RawCursor(connection.raw)
            found = cursor.execute(f"EXPLAIN {for_postgres(sql)}".encode(), values or None).fetchall()
            connection.raw.execute("ROLLBACK")
            explained += 1
            plan = "\n".join(str(row[0]) for row in found)
            scans += [f"{sql}\n{plan}" for table in BIG if re.search(rf"Seq Scan on {table}\b", plan)]
    finally:
        connection.close()
    return explained, scans
