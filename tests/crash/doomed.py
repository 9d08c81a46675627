"""A deployment whose server dies at a chosen write, is started again, and is left alone until all is over."""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import aiohttp

from bench.load import alert
from bench.target import Answer, ApiCall
from tests.acceptance.harness import Server, recording
from tests.crash.child import Order, serve
from tests.crash.deployment import CONFIG, FENCE, World
from tests.crash.ending import End
from tests.crash.people import People
from tests.crash.playbooks import CHILD, EVERY_KIND, LINGERING

PATIENCE = 180.0
"""Seconds until an end that does not come fails the test."""
LOOK = 0.1
RUNS = 4
"""Executions of playbooks that open: two of one client, one child, one that is cancelled."""

# Children are forked from a process that has read every module once: that saves two seconds of each start.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.crash.child"])


@dataclass(frozen=True, slots=True)
class Outcome:
    """One life and death of the deployment."""

    died: bool
    end: End
    world: World
    writes: int


class Doomed(Server):
    """A folder, and one server process at a time."""

    def __init__(self, folder: Path, target: str, database: str | None = None) -> None:
        super().__init__(folder, target)
        self.database = database or f"sqlite:///{folder}/soar.db"
        self.configure(CONFIG.format(port=self.port, target=target, database=self.database))
        (folder / "playbooks" / "three-calls.yaml").unlink()
        for name, text in (("every-kind", EVERY_KIND), ("child", CHILD), ("lingering", LINGERING)):
            self.playbook(name, text)
        (folder / "connectors" / "fence").mkdir(parents=True)
        (folder / "connectors" / "fence" / "connector.py").write_text(FENCE)
        self._process: multiprocessing.process.BaseProcess | None = None

    def begin(self, at: str = "never", fault: str = "") -> None:
        """Start a server and wait for nothing."""
        order = Order(self.folder, at, fault, tuple(self.environment.items()))
        self._process = CHILDREN.Process(target=serve, args=(order,))
        self._process.start()

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.is_alive()

    def send(self, number: signal.Signals) -> None:
        if self._process is not None and self._process.is_alive() and self._process.pid is not None:
            os.kill(self._process.pid, number)

    async def over(self, number: signal.Signals) -> int | None:
        """Send a signal, and wait for the end that follows from it; the exit code."""
        self.send(number)
        if self._process is None:
            return None
        await asyncio.to_thread(self._process.join, 15)
        return self._process.exitcode

    @property
    def writes(self) -> int:
        return int((self.folder / "writes").read_text())

    @property
    def log(self) -> str:
        return (self.folder / "soar.log").read_text(errors="replace")[-3000:]


@asynccontextmanager
async def deployed(folder: Path, database: str | None = None) -> AsyncIterator[tuple[Doomed, World]]:
    """A server not started yet, in a new folder, and a new world, which is this process's."""
    world = World()
    folder.mkdir()
    async with recording() as recorder:
        recorder.answering = lambda call: world.answer(call)  # noqa: PLW0108 # a test may exchange it
        server = Doomed(folder, recorder.url, database)
        try:
            yield server, world
        finally:
            await server.over(signal.SIGKILL)


def alerts() -> list[dict[str, object]]:
    """Two of one client, of which the second has to wait for the first to end, and one that a person will cancel."""
    release = datetime.now(UTC) + timedelta(seconds=3)
    first = {**alert("first", 1), "place": 1, "release_at": release.isoformat()}
    second = {**alert("second", 1), "place": 2, "severity": "low", "release_at": release.isoformat()}
    third = {**alert("third", 3), "rule": {"id": "R-2", "name": "Token theft"}}
    return [first, second, third]


async def lived(
    folder: Path,
    http: aiohttp.ClientSession,
    at: str = "never",
    *,
    fault: str = "",
    on_call: str = "",
    database: str | None = None,
) -> Outcome:
    """Serve, die at that write or as that call arrives, serve again to the end; what it all came to."""
    async with deployed(folder, database) as (server, world):
        if on_call:
            _deadly(server, world, on_call)
        server.begin(at, fault)
        waiting, died = alerts(), False
        people: People | None = None
        until = time.monotonic() + PATIENCE
        try:
            while True:
                if not server.alive:
                    assert not died, f"{at}: it died once more:\n{server.log}"
                    died = True
                    server.begin(fault=fault)
                while waiting and await server.post(http, waiting[0]) == 202:
                    del waiting[0]
                people = people or await People.beside(server.database)
                if people is not None:
                    await people.act()
                    end = await people.end(RUNS)
                    if end is not None and not waiting:
                        return Outcome(died, end, world, server.writes)
                if time.monotonic() > until:
                    raise AssertionError(f"{at}: not over after {PATIENCE:.0f} s:\n{await _left(people)}\n{server.log}")
                await asyncio.sleep(LOOK)
        finally:
            if people is not None:
                await people.store.close()


def _deadly(server: Doomed, world: World, on_call: str) -> None:
    """Kill the server as that call arrives the first time, before anything is answered."""
    answer = world.answer

    def deadly(call: ApiCall) -> Answer:
        answered = answer(call)
        if f"{call.path} {call.ref}" == on_call and len(world.keys[on_call]) == 1:
            server.send(signal.SIGKILL)
            return Answer(silent=True)
        return answered

    world.answer = deadly  # type: ignore[method-assign]


async def _left(people: People | None) -> str:
    """What is not over."""
    if people is None:
        return "there is no database"
    rows = [
        f"{one.kind} {one.playbook_id} {one.state} {one.awaiting} {one.due_at}" for one in await people.executions()
    ]
    held = [f"{one.target} {one.state}" for one in (await people.store.containments.page()).items]
    return "\n".join([*rows, *held])
