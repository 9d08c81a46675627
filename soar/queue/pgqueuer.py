"""PgQueuer: one job for each time an execution is to be taken up, handed out by LISTEN and NOTIFY.

Its own rule of dead workers is used: a job whose worker says nothing for HEARTBEAT seconds is handed to another. Its
manager ends when a connection is lost or its listener stays silent; it is started again here. What it does not do, to
refuse a worker that was only frozen, is done by the execution's row.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

import psycopg
import structlog
from pgqueuer.adapters.drivers.psycopg import PsycopgDriver
from pgqueuer.adapters.persistence.qb import QueryBuilderEnvironment, QueryQueueBuilder
from pgqueuer.adapters.persistence.queries import Queries
from pgqueuer.core.qm import QueueManager
from pgqueuer.domain.models import Job as PickedJob

from soar.clock import Millis
from soar.queue.port import HEARTBEAT, Depth, Handler, Job

log = structlog.get_logger(__name__)

_PREFIX: Final = "execution."
_DEQUEUE: Final = timedelta(seconds=5)
_BATCH: Final = 20
_PAUSE: Final = 0.5
"""Seconds before the next try when the database is away."""
_LOOK: Final = 0.02
_ENQUEUE: Final = QueryQueueBuilder().build_enqueue_query().encode()
_DEPTHS: Final = (
    "SELECT entrypoint, count(*), min(execute_after) FROM pgqueuer WHERE status = 'queued' AND execute_after <= now()"
    " GROUP BY entrypoint"
)
_PRUNE: Final = (
    "DELETE FROM pgqueuer_log WHERE id IN (SELECT id FROM pgqueuer_log WHERE created < $1 ORDER BY created LIMIT $2)"
)

logging.getLogger("pgqueuer").setLevel(logging.CRITICAL)  # what it has to say is said here, once


class PgQueuerQueue:
    """The queue that is used unless another is asked for."""

    name = "pgqueuer"
    live = "SELECT id FROM pgqueuer WHERE status IN ('queued', 'picked')"

    def __init__(self) -> None:
        self._manager: QueueManager | None = None
        self._stopping = asyncio.Event()
        self._failing = False

    def install(self, connection: psycopg.Connection[Any]) -> None:
        connection.execute(QueryBuilderEnvironment().build_install_query().encode())

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
        instant = datetime.fromtimestamp(before / 1000, tz=UTC)
        return psycopg.RawCursor(connection).execute(_PRUNE, (instant, limit)).rowcount

    async def run(self, url: str, zones: Sequence[str], handler: Handler, room: int) -> None:
        while not self._stopping.is_set():
            try:
                await self._manage(url, zones, handler, room)
                self._failing = False
            except Exception as error:  # noqa: BLE001 # whatever ended it: it is begun again, and said once
                if not self._failing:
                    log.warning("the queue is begun again", reason=" ".join(str(error).split()) or type(error).__name__)
                self._failing = True
            if not self._stopping.is_set():
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._stopping.wait(), _PAUSE)

    async def stop(self, grace: float) -> None:
        self._stopping.set()
        manager = self._manager
        if manager is None:
            return
        manager.shutdown.set()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                while manager.job_context:
                    await asyncio.sleep(_LOOK)
        for context in list(manager.job_context.values()):
            context.cancellation.cancel()

    async def _manage(self, url: str, zones: Sequence[str], handler: Handler, room: int) -> None:
        """One manager on one connection, until it is stopped or loses that."""
        connection = await psycopg.AsyncConnection.connect(
            url, autocommit=True, connect_timeout=5, application_name="soar-queue", keepalives_idle=5
        )
        async with connection:
            manager = QueueManager(Queries(PsycopgDriver(connection)))
            for zone in zones:
                _register(manager, f"{_PREFIX}{zone}", handler)
            self._manager = manager
            if self._stopping.is_set():
                return
            batch = max(1, min(_BATCH, room // 2))
            await manager.run(
                dequeue_timeout=_DEQUEUE,
                batch_size=batch,
                max_concurrent_tasks=max(room, 2),
                shutdown_on_listener_failure=True,
                heartbeat_timeout=timedelta(seconds=HEARTBEAT),
                log_aggregation_interval=timedelta(0),
            )


def _register(manager: QueueManager, entrypoint: str, handler: Handler) -> None:
    async def work(job: PickedJob) -> None:
        await handler((job.payload or b"").decode(), int(job.id))

    manager.entrypoint(entrypoint, on_failure="hold")(work)


def _started(connection: psycopg.Connection[Any]) -> Millis:
    """When this transaction began by the server's clock: what an interval of the queue is added to."""
    row = connection.execute("SELECT CAST(extract(epoch FROM now()) * 1000 AS bigint)").fetchone()
    assert row is not None
    return int(row[0])
