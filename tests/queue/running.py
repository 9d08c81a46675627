"""What the tests of the queues share: a database with a queue in it, and whoever hands out of it."""

from __future__ import annotations

import asyncio
import contextlib
import copy
import json
import signal
import sys
import time
from asyncio.subprocess import PIPE, Process
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psycopg

from soar.queue import Job, queue_of
from soar.store.options import PostgresOptions
from soar.store.postgres import PostgresDatabase

CHILD = Path(__file__).with_name("child.py")
PATIENCE = 10.0


async def until(condition: Callable[[], Any], within: float = PATIENCE, what: str = "") -> float:
    """Wait for it; how many seconds that took."""
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < within, f"not within {within} s: {what or condition}"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


class Database:
    """A database with that queue's tables, on the connection that the store writes with."""

    def __init__(self, kind: str, url: str) -> None:
        self.kind, self.url = kind, url
        self.database = PostgresDatabase.of(url, PostgresOptions(queue=kind))
        self.queue = self.database.jobs.queue
        self.writer = self.database.connect_writer()
        self.begin()
        self.database.install(self.writer)
        self.commit()

    def another(self) -> Database:
        """The same one, on a connection of its own."""
        one = copy.copy(self)
        one.writer = self.database.connect_writer()
        return one

    def begin(self) -> None:
        self.database.begin(self.writer)

    def commit(self) -> None:
        self.writer.raw.execute("COMMIT")

    def add(self, *jobs: Job) -> list[int]:
        """Jobs, in one transaction."""
        self.begin()
        ids = self.queue.enqueue(self.writer.raw, jobs)
        self.commit()
        return ids

    def now(self) -> int:
        """The server's clock."""
        return int(self.ask("SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)")[0][0])

    def live(self) -> set[int]:
        return {row[0] for row in self.ask(self.queue.live)}

    def ask(self, sql: str, *given: Any) -> list[tuple[Any, ...]]:
        """One statement, as somebody else sees things."""
        with psycopg.connect(self.url, autocommit=True) as connection:
            cursor = psycopg.RawCursor(connection).execute(sql.encode(), given or None)
            return cursor.fetchall() if cursor.description else []

    def close(self) -> None:
        self.writer.close()


def job(execution: str, *, due: int | None = None, zone: str = "", priority: int = 0) -> Job:
    return Job(execution, due, zone, priority)


class Worker:
    """Hands out in this process, as long as the block lasts; remembers what it handed out, and when."""

    def __init__(
        self,
        database: Database,
        zones: Sequence[str] = ("",),
        handler: Callable[[str], Awaitable[None]] | None = None,
        room: int = 10,
    ) -> None:
        self.queue = queue_of(database.kind)
        self.handed: list[tuple[str, int]] = []
        self.at: dict[str, float] = {}
        self._database, self._zones, self._handler, self._room = database, zones, handler, room
        self.running: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self.running = asyncio.create_task(
            self.queue.run(self._database.database.conninfo, self._zones, self._work, self._room)
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self.running is not None
        await self.queue.stop(0)
        await asyncio.wait_for(self.running, PATIENCE)

    async def has(self, *executions: str, within: float = PATIENCE) -> float:
        """Wait until these were handed out; how many seconds that took."""
        return await until(lambda: set(executions) <= set(self.at), within, f"{executions} of {self.at}")

    async def _work(self, execution: str, job_id: int) -> None:
        self.at.setdefault(execution, time.time())
        self.handed.append((execution, job_id))
        if self._handler is not None:
            await self._handler(execution)


class Held:
    """A handler that lasts until it is let go."""

    def __init__(self) -> None:
        self.go = asyncio.Event()
        self.now = self.most = self.cut = 0

    async def __call__(self, execution: str) -> None:
        self.now += 1
        self.most = max(self.most, self.now)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cut += 1
            raise
        finally:
            self.now -= 1


class Child:
    """A process of its own that hands out; its handler lasts until it is told to return."""

    def __init__(self, process: Process) -> None:
        self._process = process

    @classmethod
    async def start(cls, database: Database, zone: str) -> Self:
        order = json.dumps([database.kind, database.database.conninfo, zone])
        return cls(await asyncio.create_subprocess_exec(sys.executable, CHILD, order, stdin=PIPE, stdout=PIPE))

    async def says(self) -> list[Any]:
        assert self._process.stdout is not None
        line = await asyncio.wait_for(self._process.stdout.readline(), 30)
        said: list[Any] = json.loads(line)
        return said

    def send(self, number: signal.Signals) -> None:
        self._process.send_signal(number)

    def let_go(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"return\n")

    async def kill(self) -> None:
        """Also if it is frozen, or has ended."""
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()
