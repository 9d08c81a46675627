"""PgQueuer: one job for each time an execution is to be taken up, handed out by LISTEN and NOTIFY.

Its own rule of dead workers is used: a job whose worker says nothing for HEARTBEAT seconds is handed to another. Of a
job that was handed to another meanwhile nothing is written any more; the rest of what a worker that was only frozen
may do is refused by the execution's row.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Self

import psycopg
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder, QuerySchedulerBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.core.tm import TaskManager
from pgqueuer.domain.errors import RetryRequested
from pgqueuer.domain.models import Job as PickedJob
from pgqueuer.domain.models import TracebackRecord
from pgqueuer.domain.settings import DBSettings
from pgqueuer.domain.types import JOB_STATUS, Channel, JobId, QueueEntrypoint, QueueManagerId
from pgqueuer.ports.driver import Driver, NotifyCallback
from pgqueuer.ports.repository import EntrypointExecutionParameter

from soar.clock import Millis
from soar.queue.line import Line
from soar.queue.port import HEARTBEAT, Depth, Job
from soar.queue.serving import Hands, Returned, Serving

_PREFIX: Final = "execution."
_DEQUEUE: Final = timedelta(seconds=2)
"""Between looks that nothing asked for: with the heartbeat, a dead worker's jobs are found within 10 s (S40)."""
_BATCH: Final = 20
_UNSETTLED: Final = timedelta(days=1)
_NAMES: Final = DBSettings.model_construct()
"""Its tables and its channel by their own names. It would read others from the environment, some from variables as
common as CHANNEL: processes would miss each other, and the statements below would ask other tables than it does."""
_ENQUEUE: Final = QueryQueueBuilder(_NAMES).build_enqueue_query().encode()
_DEPTHS: Final = (
    "SELECT entrypoint, count(*), min(execute_after) FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()"
    " GROUP BY entrypoint"
)
_PRUNE: Final = (
    "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log WHERE created < $1 ORDER BY created LIMIT $2)"
)
_PRUNE_FAILED: Final = (
    "DELETE FROM pgqueuer WHERE id IN (SELECT id FROM pgqueuer WHERE status = 'failed' AND updated < $1 LIMIT $2)"
)
_MINE: Final = "SELECT id FROM pgqueuer WHERE id = ANY($1::bigint[]) AND queue_manager_id = $2"

logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)  # what it has to say is said here, once


class PgQueuerQueue(Serving):
    """The queue that is used unless another is asked for."""

    name = "pgqueuer"
    live = "SELECT id FROM pgqueuer WHERE status IN ('queued', 'picked')"

    def __init__(self) -> None:
        super().__init__()
        self._manager: QueueManager | None = None

    def install(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(QueryBuilderEnvironment(_NAMES).build_install_query().encode())

    def enqueue(self, connection: psycopg.Connection[Any], jobs: Sequence[Job]) -> list[int]:
        started = _started(connection) if any(job.due_at is not None for job in jobs) else 0
        nothing = [None] * len(jobs)
        given = (
            [job.priority for job in jobs],
            [f"{_PREFIX}{job.zone}" for job in jobs],
            [job.execution_id.encode() for job in jobs],
            [timedelta(milliseconds=max((job.due_at or 0) - started, 0)) for job in jobs],
            nothing,
            nothing,
        )
        found = psycopg.RawCursor(connection).execute(_ENQUEUE, given).fetchall()
        return [int(row[1]) for row in found]

    def depths(self, connection: psycopg.Connection[Any]) -> list[Depth]:
        return [
            Depth(str(entrypoint).removeprefix(_PREFIX), int(waiting), round(oldest.timestamp() * 1000))
            for entrypoint, waiting, oldest in connection.execute(_DEPTHS).fetchall()
        ]

    def prune(self, connection: psycopg.Connection[Any], before: Millis, limit: int) -> int:
        given = (datetime.fromtimestamp(before / 1000, tz=UTC), limit)
        cursor = psycopg.RawCursor(connection)
        return sum(cursor.execute(sql, given).rowcount for sql in (_PRUNE, _PRUNE_FAILED))

    async def _serve(self, line: Line, hands: Hands, zones: Sequence[str], room: int) -> None:
        queries = _queries(line, room)
        manager = self._manager = QueueManager(queries, Channel(_NAMES.channel))
        queries.owner = manager.queue_manager_id
        for zone in zones:
            _register(manager, f"{_PREFIX}{zone}", hands)
        if self._stopping.is_set():
            return
        batch = max(1, min(_BATCH, room // 2))
        await manager.run(
            dequeue_timeout=_DEQUEUE,
            batch_size=batch,
            max_concurrent_tasks=max(room, 2 * batch),
            heartbeat_timeout=timedelta(seconds=HEARTBEAT),
            log_aggregation_interval=timedelta(0),
        )

    def _halt(self) -> None:
        if self._manager is not None:
            self._manager.shutdown.set()


class _Driver(Driver):
    """PgQueuer's way to the database: never an error for an outage, and a connection of its own for what is told."""

    def __init__(self, line: Line) -> None:
        self._line = line
        self._shutdown = asyncio.Event()
        self._tasks = TaskManager()
        self._hearing: list[asyncio.Task[None]] = []

    @property
    def shutdown(self) -> asyncio.Event:
        return self._shutdown

    @property
    def tm(self) -> TaskManager:
        return self._tasks

    async def fetch(self, query: str, *args: object) -> list[dict[str, object]]:
        return await self._line.ask(query, args)

    async def execute(self, query: str, *args: object) -> str:
        await self._line.ask(query, args)
        return ""

    async def notify(self, channel: str, payload: str) -> None:
        await self._line.ask("SELECT pg_notify($1, $2)", (channel, payload))

    async def add_listener(self, channel: str, callback: NotifyCallback) -> None:
        self._hearing.append(asyncio.create_task(self._hear(channel, callback)))

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        self._shutdown.set()
        for task in self._hearing:
            task.cancel()
        await asyncio.gather(*self._hearing, return_exceptions=True)

    async def _hear(self, channel: str, callback: NotifyCallback) -> None:
        async for note in self._line.listen([channel]):
            callback(note.payload)


@dataclass
class _Queries(Queries):
    """What a worker picks and writes: no more than there is room for, and of its own jobs only.

    Others may have been handed a job of its own meanwhile. It takes over none itself while those who live had no time
    yet to say so; so what picks is not asked again, for that may have changed.
    """

    line: Line = field(kw_only=True)
    room: int = field(kw_only=True)
    owner: QueueManagerId | None = None

    async def dequeue(
        self,
        batch_size: int,
        entrypoints: dict[QueueEntrypoint, EntrypointExecutionParameter],
        queue_manager_id: QueueManagerId,
        global_concurrency_limit: int | None,  # noqa: ARG002 # at least two, by the library's own rule
        heartbeat_timeout: timedelta,
    ) -> list[PickedJob]:
        query = self.qbq.build_dequeue_query(
            batch_size=batch_size,
            entrypoints=list(entrypoints),
            concurrency_limits=[0] * len(entrypoints),
            queue_manager_id=queue_manager_id,
            global_concurrency_limit=self.room,
            heartbeat_timeout=heartbeat_timeout if self.line.settled else _UNSETTLED,
        )
        rows = await self.line.ask(query.sql, query.args, again=False)
        return [PickedJob.model_validate(row) for row in rows]

    async def log_jobs(self, job_status: list[tuple[PickedJob, JOB_STATUS, TracebackRecord | None]]) -> None:
        mine = await self._mine([job.id for job, _, _ in job_status])
        kept = [each for each in job_status if each[0].id in mine]
        if kept:
            await super().log_jobs(kept)

    async def retry_job(self, job: PickedJob, delay: timedelta, traceback_record: TracebackRecord | None) -> None:
        if await self._mine([job.id]):
            await super().retry_job(job, delay, traceback_record)

    async def update_heartbeat(self, job_ids: list[JobId]) -> None:
        mine = await self._mine(job_ids)
        if mine:
            await super().update_heartbeat(list(mine))

    async def _mine(self, ids: list[JobId]) -> set[JobId]:
        return {JobId(row["id"]) for row in await self.driver.fetch(_MINE, ids, self.owner)}  # type: ignore[arg-type]


def _queries(line: Line, room: int) -> _Queries:
    built = (QueryBuilderEnvironment(_NAMES), QueryQueueBuilder(_NAMES), QuerySchedulerBuilder(_NAMES))
    return _Queries(_Driver(line), *built, line=line, room=room)


def _register(manager: QueueManager, entrypoint: str, hands: Hands) -> None:
    async def work(job: PickedJob) -> None:
        try:
            await hands.work((job.payload or b"").decode(), int(job.id))
        except Returned as returned:
            raise RetryRequested(timedelta(seconds=returned.delay)) from None

    manager.entrypoint(entrypoint, on_failure="hold")(work)


def _started(connection: psycopg.Connection[Any]) -> Millis:
    """When this transaction began by the server's clock: what an interval of the queue is added to.

    Rounded down: a job that is a millisecond early finds its execution not yet due, and is gone.
    """
    row = connection.execute("SELECT CAST(floor(extract(epoch FROM now()) * 1000) AS bigint)").fetchone()
    assert row is not None
    return int(row[0])
