"""What is used of the libraries though it is theirs: their tables, their statements, methods that are overridden."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from pgqueuer.adapters.persistence.qb import QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.domain.settings import db_settings
from procrastinate.manager import JobManager

from tests.queue.running import Database, Worker, job, until

READ = "read its changes, mend soar/queue/{}.py, and write a migration if its tables changed"
COLUMNS = {
    "pgqueuer": {
        "pgqueuer": "id bigint, status pgqueuer_status, entrypoint text, execute_after timestamp with time zone,"
        " updated timestamp with time zone, queue_manager_id uuid, priority integer, payload bytea",
        "pgqueuer_log": "id bigint, created timestamp with time zone",
    },
    "procrastinate": {
        "procrastinate_jobs": "id bigint, queue_name character varying(128), task_name character varying(128),"
        " status procrastinate_job_status, scheduled_at timestamp with time zone, worker_id bigint, attempts integer,"
        " abort_requested boolean",
        "procrastinate_events": "job_id bigint, type procrastinate_job_event_type, at timestamp with time zone",
        "procrastinate_workers": "id bigint, last_heartbeat timestamp with time zone",
    },
}
STATUSES = {
    "pgqueuer": "queued picked successful exception canceled deleted failed",
    "procrastinate": "todo doing succeeded failed cancelled aborting aborted",
}
DEFERRED = (
    "queue_name character varying, task_name character varying, priority integer, lock text, queueing_lock text,"
    " args jsonb, scheduled_at timestamp with time zone"
)
OVERRIDDEN: list[tuple[str, Callable[..., Any], list[str]]] = [
    (
        "pgqueuer",
        Queries.dequeue,
        ["batch_size", "entrypoints", "queue_manager_id", "global_concurrency_limit", "heartbeat_timeout"],
    ),
    ("pgqueuer", Queries.log_jobs, ["job_status"]),
    ("pgqueuer", Queries.retry_job, ["job", "delay", "traceback_record"]),
    ("pgqueuer", Queries.update_heartbeat, ["job_ids"]),
    ("procrastinate", JobManager.finish_job, ["job", "status", "delete_job"]),
    ("procrastinate", JobManager.retry_job, ["job", "retry_at", "priority", "queue", "lock"]),
]


@pytest.fixture
def renamed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """An environment that says other names than those that are used; some it would take without a prefix."""
    for name, value in {
        "PGQUEUER_PREFIX": "x_",
        "QUEUE_TABLE": "jobs",
        "CHANNEL": "c",
        "DURABILITY": "volatile",
    }.items():
        monkeypatch.setenv(name, value)
    db_settings.cache_clear()
    yield
    db_settings.cache_clear()


@pytest.mark.parametrize("kind", ["pgqueuer"], indirect=True)
async def test_the_environment_says_nothing_of_pgqueuers_tables(renamed: None, database: Database) -> None:
    assert database.ask("SELECT relpersistence FROM pg_class WHERE relname = 'pgqueuer'") == [("p",)]
    async with Worker(database) as worker:
        for name in ("first", "second", "third"):
            database.add(job(name))
            assert await worker.has(name) < 1, "it hears of a job, and does not only look every now and then"
        await until(lambda: not database.live())


def test_the_tables_are_those_whose_columns_are_used(database: Database) -> None:
    for table, columns in COLUMNS[database.kind].items():
        found = {
            f"{name} {kind}"
            for name, kind in database.ask(
                "SELECT attname, format_type(atttypid, atttypmod) FROM pg_attribute"
                " WHERE attrelid = CAST(CAST($1 AS text) AS regclass) AND attnum > 0",
                table,
            )
        }
        missing = set(columns.split(", ")) - found
        assert not missing, f"{table} has other columns than are used: {missing}; {READ.format(database.kind)}"


def test_the_statuses_are_those_that_live_tells_apart(database: Database) -> None:
    kind = {"pgqueuer": "pgqueuer_status", "procrastinate": "procrastinate_job_status"}[database.kind]
    ((found,),) = database.ask(f"SELECT array_to_string(enum_range(NULL::{kind}), ' ')")
    assert found == STATUSES[database.kind], READ.format(database.kind)


def test_pgqueuers_enqueue_takes_and_gives_what_it_did() -> None:
    query = re.sub(r"\s+", " ", QueryQueueBuilder().build_enqueue_query())
    for part in (
        "UNNEST( $1::int[], $2::text[], $3::bytea[], $4::interval[], $5::text[], $6::jsonb[] )",
        "t(priority, entrypoint, payload, execute_after, dedupe_key, headers, ord)",
        "execute_after + NOW()",
        "SELECT i.ord AS ord, ins.id AS id",
        "ORDER BY i.ord",
    ):
        assert part in query, f"PgQueuer's own statement has no {part!r} any more; {READ.format('pgqueuer')}"
    assert "$7" not in query, READ.format("pgqueuer")


@pytest.mark.parametrize("kind", ["procrastinate"], indirect=True)
def test_procrastinates_functions_are_those_that_are_called(database: Database) -> None:
    for function in (
        "procrastinate_defer_jobs_v1(procrastinate_job_to_defer_v1[])",
        "procrastinate_finish_job_v1(bigint, procrastinate_job_status, boolean)",
        "procrastinate_retry_job_v2(bigint, timestamp with time zone, integer, character varying, character varying)",
        "procrastinate_update_heartbeat_v1(bigint)",
    ):
        found = database.ask("SELECT to_regprocedure($1)", function)
        assert found != [(None,)], f"Procrastinate has no {function} any more; {READ.format('procrastinate')}"
    ((row,),) = database.ask(
        "SELECT string_agg(attname || ' ' || format_type(atttypid, NULL), ', ' ORDER BY attnum) FROM pg_attribute"
        " WHERE attrelid = CAST('procrastinate_job_to_defer_v1' AS regclass)"
    )
    assert row == DEFERRED, f"a job to defer is another row: {READ.format('procrastinate')}"


@pytest.mark.parametrize(("library", "method", "parameters"), OVERRIDDEN)
def test_what_is_overridden_is_called_as_it_was(
    library: str, method: Callable[..., Any], parameters: list[str]
) -> None:
    found = list(inspect.signature(method).parameters)[1:]
    assert found == parameters, f"{method.__qualname__} is called otherwise: {READ.format(library)}"
