"""Procrastinate: the other queue, and the way out should the first one be given up.

No lock of its own is used: the execution's row says which job may take it up, and a lock would hold a wake-up behind a
timer (procrastinate issue 1599). Two things are done here that it leaves to its user: that a worker lives is said until
its last job has ended, not only until it is stopped; and jobs of a worker that says nothing are handed out again.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from typing import Any, Final

import psycopg
import structlog
from procrastinate import App, BaseRetryStrategy, JobContext, RetryDecision, jobs, manager
from procrastinate.connector import BaseAsyncConnector, BaseConnector, Notify
from procrastinate.schema import SchemaManager
from procrastinate.worker import Worker

from soar.clock import Millis
from soar.queue.line import Line
from soar.queue.port import HEARTBEAT, Depth, Job
from soar.queue.serving import Hands, Returned, Serving

log = structlog.get_logger(__name__)

_PREFIX: Final = "execution."
_TASK: Final = "execution"
_POLL: Final = 0.5
"""What comes due is found by looking only."""
_BEAT: Final = 2.0
_NEVER: Final = 86_400.0
"""For what it would do by itself, and what is done here."""
_ENQUEUE: Final = (
    "SELECT unnest(procrastinate_defer_jobs_v1(array_agg(CAST(ROW(queue,"
    " 'execution', priority, NULL, NULL, jsonb_build_object('execution', execution), to_timestamp(due / 1000.0))"
    " AS procrastinate_job_to_defer_v1) ORDER BY place)))"
    " FROM unnest(CAST($1 AS text[]), CAST($2 AS integer[]), CAST($3 AS text[]), CAST($4 AS bigint[]))"
    " WITH ORDINALITY AS given(queue, priority, execution, due, place)"
)
_DEPTHS: Final = (
    "SELECT queue_name, count(*), min(coalesce(scheduled_at, (SELECT min(at) FROM procrastinate_events"
    " WHERE job_id = waiting.id AND type = 'deferred'))) FROM procrastinate_jobs AS waiting"
    " WHERE status = 'todo' AND (scheduled_at IS NULL OR scheduled_at <= now()) GROUP BY queue_name"
)
_PRUNE: Final = (
    "DELETE FROM procrastinate_jobs WHERE id IN (SELECT id FROM procrastinate_jobs AS ended"
    " WHERE status NOT IN ('todo', 'doing') AND NOT EXISTS (SELECT 1 FROM procrastinate_events"
    " WHERE job_id = ended.id AND at >= $1) LIMIT $2)"
)
_PRUNE_WORKERS: Final = (
    "DELETE FROM procrastinate_workers WHERE id IN (SELECT id FROM procrastinate_workers"
    " WHERE last_heartbeat < $1 LIMIT $2)"
)
_ALIVE: Final = "SELECT procrastinate_update_heartbeat_v1($1)"
_OWN: Final = "SELECT id FROM procrastinate_jobs WHERE worker_id = $1 AND status = 'doing'"
_HAND_OUT_AGAIN: Final = (
    "UPDATE procrastinate_jobs SET status = 'todo', attempts = attempts + 1, worker_id = NULL, abort_requested = false"
    " WHERE id IN (SELECT job.id FROM procrastinate_jobs AS job"
    " LEFT JOIN procrastinate_workers AS worker ON worker.id = job.worker_id WHERE job.status = 'doing'"
    " AND (worker.id IS NULL OR worker.last_heartbeat < now() - make_interval(secs => $1)"
    " OR worker.id = $2 AND job.id = ANY(CAST($3 AS bigint[]))) FOR UPDATE OF job SKIP LOCKED)"
)
_MINE: Final = " FROM procrastinate_jobs WHERE id = $1 AND worker_id = $2 AND status = 'doing'"
_FINISH: Final = f"SELECT procrastinate_finish_job_v1(id, CAST($3 AS procrastinate_job_status), $4){_MINE}"
_RETURN: Final = f"SELECT procrastinate_retry_job_v2(id, now() + make_interval(secs => $3), NULL, NULL, NULL){_MINE}"

logging.getLogger("procrastinate").setLevel(logging.CRITICAL)  # what it has to say is said here, once


class ProcrastinateQueue(Serving):
    """The queue for those who ask for it."""

    name = "procrastinate"
    live = "SELECT id FROM procrastinate_jobs WHERE status IN ('todo', 'doing')"

    def __init__(self) -> None:
        super().__init__()
        self._worker: Worker | None = None

    def install(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(SchemaManager.get_schema().encode())

    def enqueue(self, connection: psycopg.Connection[Any], jobs: Sequence[Job]) -> list[int]:
        given = (
            [f"{_PREFIX}{job.zone}" for job in jobs],
            [job.priority for job in jobs],
            [job.execution_id for job in jobs],
            [job.due_at for job in jobs],
        )
        return [int(row[0]) for row in psycopg.RawCursor(connection).execute(_ENQUEUE.encode(), given).fetchall()]

    def depths(self, connection: psycopg.Connection[Any]) -> list[Depth]:
        return [
            Depth(str(queue).removeprefix(_PREFIX), int(waiting), oldest and round(oldest.timestamp() * 1000))
            for queue, waiting, oldest in connection.execute(_DEPTHS).fetchall()
        ]

    def prune(self, connection: psycopg.Connection[Any], before: Millis, limit: int) -> int:
        given = (datetime.fromtimestamp(before / 1000, tz=UTC), limit)
        cursor = psycopg.RawCursor(connection)
        return sum(cursor.execute(sql.encode(), given).rowcount for sql in (_PRUNE, _PRUNE_WORKERS))

    async def _serve(self, line: Line, hands: Hands, zones: Sequence[str], room: int) -> None:
        worker = self._worker = Worker(
            _app(line, hands),
            queues=[f"{_PREFIX}{zone}" for zone in zones],
            concurrency=room,
            fetch_job_polling_interval=_POLL,
            abort_job_polling_interval=_NEVER,
            delete_jobs="successful",
            install_signal_handlers=False,
            update_heartbeat_interval=_NEVER,
            stalled_worker_timeout=_NEVER,
        )
        beating = asyncio.create_task(_beat(line, worker, hands))
        try:
            await worker.run()  # type: ignore[no-untyped-call]
        finally:
            beating.cancel()
            await asyncio.gather(beating, return_exceptions=True)

    def _halt(self) -> None:
        if self._worker is not None:
            self._worker.stop()  # type: ignore[no-untyped-call]


class _Connector(BaseAsyncConnector):
    """Procrastinate's way to the database: never an error for an outage."""

    def __init__(self, line: Line) -> None:
        self._line = line

    def get_sync_connector(self) -> BaseConnector:
        return self

    async def execute_query_async(self, query: str, **arguments: Any) -> None:
        await self._line.ask(query, arguments, psycopg.AsyncCursor)

    async def execute_query_one_async(self, query: str, **arguments: Any) -> dict[str, Any]:
        return (await self._line.ask(query, arguments, psycopg.AsyncCursor))[0]

    async def execute_query_all_async(self, query: str, **arguments: Any) -> list[dict[str, Any]]:
        return await self._line.ask(query, arguments, psycopg.AsyncCursor)

    async def listen_notify(self, on_notification: Notify, channels: Iterable[str]) -> None:
        async for note in self._line.listen(list(channels)):
            await on_notification(channel=note.channel, payload=note.payload)


class _Jobs(manager.JobManager):
    """What a worker writes of its jobs, as long as they are its own: others may have been handed them."""

    def __init__(self, line: Line) -> None:
        super().__init__(_Connector(line))
        self._line = line

    async def finish_job(self, job: jobs.Job, status: jobs.Status, delete_job: bool) -> None:
        await self._line.ask(_FINISH, (job.id, job.worker_id, status.value, delete_job))

    async def retry_job(self, job: jobs.Job, retry_at: datetime | None = None, *_: Any, **__: Any) -> None:
        now = datetime.now(UTC)  # only the difference counts: the clock is the database's
        await self._line.ask(_RETURN, (job.id, job.worker_id, max(((retry_at or now) - now).total_seconds(), 0.0)))


class _Return(BaseRetryStrategy):
    """What was handed back is handed out again; what failed is not."""

    def get_retry_decision(self, *, exception: BaseException, job: jobs.Job) -> RetryDecision | None:  # noqa: ARG002
        return RetryDecision(retry_in={"seconds": round(exception.delay)}) if isinstance(exception, Returned) else None


def _app(line: Line, hands: Hands) -> App:
    app = App(connector=_Connector(line))
    app.job_manager = _Jobs(line)

    async def take_up(context: JobContext, execution: str) -> None:
        await hands.work(execution, int(context.job.id or 0))

    app.task(name=_TASK, pass_context=True, retry=_Return())(take_up)
    return app


async def _beat(line: Line, worker: Worker, hands: Hands) -> None:
    """Say that this worker lives, and have handed out again what nobody works on."""
    before: set[int] = set()
    while True:
        if worker.worker_id is not None:
            try:
                before = await _look(line, worker.worker_id, hands, before)
            except psycopg.Error as error:  # not an outage; the next look may find it mended
                log.warning("a look for dead workers failed", reason=" ".join(str(error).split()))
        await asyncio.sleep(_BEAT)


async def _look(line: Line, worker_id: int, hands: Hands, before: set[int]) -> set[int]:
    """One look for what workers hold that do not say so any more, and for what was picked here by a lost answer.

    The latter stands under this worker's name at two looks, and is in no hands.
    """
    await line.ask(_ALIVE, (worker_id,))
    held = {int(row["id"]) for row in await line.ask(_OWN, (worker_id,))} - hands.jobs
    dead = HEARTBEAT if line.settled else _NEVER
    await line.ask(_HAND_OUT_AGAIN, (dead, worker_id, list(held & before)), again=False)
    return held
