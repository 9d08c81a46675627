"""SIGKILL before and after every write of one execution, its containment and its lift; then the same end, each time.

The world is another process's: this one. Writes are counted from a clean run. A change that is asked for again
carries the key it had; one that has no key, the block, is asked about instead, and never made twice.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench.load import alert
from bench.processes import Child
from tests.acceptance.harness import PATIENCE, Server, eventually, recording
from tests.crash.deployment import CHANGES, CONFIG, FENCE, PLAYBOOK, World

SEEDED = 12
"""Points of the short run; the slow one takes all."""
CASE = alert("crash", 1)


@dataclass(frozen=True, slots=True)
class End:
    """How it all ended, in what people see of it."""

    status: str
    steps: tuple[tuple[str, str], ...]
    containments: tuple[str, ...]
    alerts: int


class Doomed(Server):
    """A deployment whose server dies at a chosen write."""

    def __init__(self, folder: Path, target: str) -> None:
        super().__init__(folder, target)
        self.at = "never"
        self.configure(CONFIG.format(port=self.port, target=target))
        (folder / "playbooks" / "three-calls.yaml").unlink()
        self.playbook("every-kind", PLAYBOOK)
        (folder / "connectors" / "fence").mkdir(parents=True)
        (folder / "connectors" / "fence" / "connector.py").write_text(FENCE)

    def spawn(self) -> Child:
        argv = [sys.executable, "-m", "tests.crash.child", "serve", "--config", str(self.folder / "soar.yaml")]
        environment = {**self.environment, "CRASH_AT": self.at, "CRASH_COUNT": str(self.folder / "writes")}
        root = Path(__file__).parents[2]
        self.child = Child(argv, cwd=root, log=self.folder / "soar.log", env=environment)
        return self.child

    @property
    def writes(self) -> int:
        return int((self.folder / "writes").read_text())


@asynccontextmanager
async def deployed(folder: Path) -> AsyncIterator[tuple[Doomed, World]]:
    """A server not started yet, in a new folder, and a new world."""
    world = World()
    folder.mkdir()
    async with recording() as recorder:
        recorder.answering = world.answer
        server = Doomed(folder, recorder.url)
        try:
            yield server, world
        finally:
            server.close()


async def accept(server: Doomed, http: aiohttp.ClientSession) -> bool:
    """Send the alert until it is accepted; False when the server died before it was."""
    assert server.child is not None
    while server.child.alive:
        if await server.post(http, CASE) == 202:
            return True
        await asyncio.sleep(0.02)
    return False


async def settled(server: Doomed) -> End:
    """The end, once everything is over and the block is taken back."""
    async with server.api() as api:

        async def look() -> End | None:
            executions = await api.all("/executions")
            containments = await api.all("/containments")
            over = all(one["status"] in ("succeeded", "failed") for one in executions)
            if (
                len(executions) < 2
                or not over
                or any(one["status"] not in ("lifted", "voided") for one in containments)
            ):
                return None
            [run] = [one for one in executions if one["kind"] == "run"]
            shown: dict[str, Any] = await api.get(f"/executions/{run['id']}")
            steps = tuple((step["path"], step["status"]) for step in shown["steps"])
            alerts = await api.all("/alerts")
            # A try that died before it was sent leaves a containment that never was.
            held = tuple(one["status"] for one in containments if one["status"] != "voided")
            return End(run["status"], steps, held, len(alerts))

        end: End = await eventually(look, f"all is over in {server.folder}", PATIENCE)
        return end


async def clean_run(folder: Path, http: aiohttp.ClientSession) -> tuple[int, End]:
    """Writes and end of a run that nobody disturbs."""
    async with deployed(folder) as (server, world):
        server.spawn()
        assert await accept(server, http)
        end = await settled(server)
        assert server.end() == 0
        assert [call.path for call in world.changes] == [*CHANGES, "/unblock"]
        return server.writes, end


async def killed_run(folder: Path, http: aiohttp.ClientSession, at: str) -> tuple[bool, End, World]:
    """Die at that write, start again; whether it died, the end, and the world after it."""
    async with deployed(folder) as (server, world):
        server.at = at
        child = server.spawn()
        accepted = await accept(server, http)
        died = await died_or_over(child, world)
        if not died:
            server.end()
        server.at = "never"
        server.spawn()
        if not accepted:
            assert await accept(server, http)
        await asyncio.to_thread(server.child.wait_ready, f"{server.base}/readyz")  # type: ignore[union-attr]
        end = await settled(server)
        server.end()
        return died, end, world


async def died_or_over(child: Child, world: World) -> bool:
    """Wait until the server is dead, or everything there is to do was done."""

    async def look() -> bool | None:
        if not child.alive:
            return True
        return False if world.times("/unblock") else None

    died = await eventually(look, "the server died or was done", PATIENCE)
    if not died:  # the last write may still be on its way
        with_grace = asyncio.get_running_loop().time() + 1.0
        while child.alive and asyncio.get_running_loop().time() < with_grace:
            await asyncio.sleep(0.02)
    return not child.alive


def doubled(world: World) -> list[str]:
    """What was changed twice without the other system being able to tell."""
    other_key = [path for path in {*CHANGES, "/unblock"} if len(world.keys(path)) > 1]
    return other_key + (["/block"] if world.times("/block") != 1 else [])


async def matrix(folder: Path, chosen: int | None) -> None:
    async with aiohttp.ClientSession() as http:
        writes, clean = await clean_run(folder / "clean", http)
        points = [f"{side}:{number}" for number in range(1, writes + 1) for side in ("before", "after")]
        if chosen is not None:
            points = random.Random(20).sample(points, min(chosen, len(points)))
        died, same, doubles = 0, 0, []
        for start in range(0, len(points), 4):
            group = points[start : start + 4]
            runs = [killed_run(folder / point.replace(":", "-"), http, point) for point in group]
            for point, (dead, end, world) in zip(group, await asyncio.gather(*runs), strict=True):
                assert end == clean, point
                assert not world.blocked, point
                assert world.times("/never") == world.times("/other") == 0, point
                doubles += [f"{point} {path}" for path in doubled(world)]
                died, same = died + dead, same + 1
    print(
        f"\n{writes} writes, {len(points)} kill points, {died} killed there, {same} with the same end,"
        f" double changes: {len(doubles)}"
    )
    assert doubles == []
    # Writes differ by a few from run to run, as what arrives together is written together: the last may not come.
    assert died >= len(points) * 0.8


@pytest.mark.timeout(600)
async def test_killed_at_seeded_writes(tmp_path: Path) -> None:
    await matrix(tmp_path, SEEDED)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_at_every_write(tmp_path: Path) -> None:
    await matrix(tmp_path, None)
