"""Several real processes on one PostgreSQL: servers that take alerts in, workers that carry out."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import psycopg

from bench.processes import Child
from soar.rehearsal.process import free_port
from tests.acceptance.harness import STEPS, ApiCall, Server, eventually, expected_bodies

QUEUES = ("pgqueuer", "procrastinate")


class Cluster(Server):
    """One folder, one database; a server and any number of workers."""

    def __init__(self, folder: Path, target: str, database: str, queue: str = "pgqueuer") -> None:
        super().__init__(folder, target)
        self.database = database
        text = self.config.replace("sqlite:///soar.db", database)
        self.configure(f"{text}postgres: {{queue: {queue}}}\n")
        self.workers: list[Child] = []

    def work(self, *zones: str) -> Child:
        """One more worker."""
        given = [word for zone in zones for word in ("--zone", zone)]
        log = self.folder / f"worker-{len(self.workers)}.log"
        worker = Child(self.command("worker", *given), cwd=self.folder, log=log, env=self.environment)
        self.workers.append(worker)
        return worker

    async def serve_beside(self) -> str:
        """One more server, at a port of its own; its address."""
        listen = f"127.0.0.1:{free_port()}"
        log = self.folder / f"serve-{len(self.workers)}.log"
        environment = {**self.environment, "SOAR_LISTEN": listen}
        child = Child(self.command("serve"), cwd=self.folder, log=log, env=environment)
        self.workers.append(child)
        await asyncio.to_thread(child.wait_ready, f"http://{listen}/readyz")
        return f"http://{listen}"

    async def start_with(self, workers: int) -> None:
        """The server, and then so many workers that say that they work."""
        await self.start()
        started = [self.work() for _ in range(workers)]
        for worker in started:
            await self.working(worker)

    async def working(self, worker: Child) -> None:
        async def look() -> bool | None:
            assert worker.alive, worker.output()
            return "working in" in worker.output() or None

        await eventually(look, "a worker works")

    def close(self) -> None:
        for child in [*self.workers, *([self.child] if self.child else [])]:
            child.signal(signal.SIGCONT)  # one that is stopped cannot end
            child.signal(signal.SIGTERM)
        for worker in self.workers:
            worker.end(grace=5)
        super().close()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """What the database itself says."""
        with psycopg.connect(self.database, autocommit=True) as connection:
            return connection.execute(sql.encode()).fetchall()

    def said(self) -> str:
        """The ends of all logs."""
        return "\n".join(path.read_text(errors="replace")[-2000:] for path in sorted(self.folder.glob("*.log")))


def check_calls(calls: list[ApiCall], given: dict[str, Any]) -> int:
    """Each of the three calls, in order and with the right values, and a repeat only under its own key; the repeats."""
    first_seen = list({call.path: call for call in calls}.values())
    assert [call.path for call in first_seen] == list(STEPS), calls
    expected = dict(zip(STEPS, expected_bodies(given), strict=True))
    for call in calls:
        assert call.body == expected[call.path]
    for path in STEPS:
        assert len({call.key for call in calls if call.path == path}) == 1, calls
    positions = [STEPS.index(call.path) for call in calls]
    assert positions == sorted(positions), "a repeat comes before the next step, never after it"
    return len(calls) - len(STEPS)
