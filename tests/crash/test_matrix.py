"""SIGKILL before and after every write of a playbook with every kind of step; then the same end, each time.

The world is another process's: this one; so are the people. Writes are counted from a clean run. A change that is
asked for again carries the key it had; one whose system knows no keys, the block, is asked about instead, and never
made twice (S20, S21, S30, S38-S41).
"""

from __future__ import annotations

import asyncio
import os
import random
import time
from dataclasses import dataclass, field
from pathlib import Path

import aiohttp
import pytest

from bench import postgres
from tests.crash.doomed import Outcome, lived
from tests.crash.playbooks import CHANGES

POINTS = 60
"""Kill points of the short run; the long one takes all."""
POINTS_ON_POSTGRESQL = 10
"""Each life is some seconds longer there."""
SIDE_BY_SIDE = 10
"""Deployments at one time: most of their time they wait."""


@dataclass
class Count:
    """What came of all kill points."""

    writes: int
    points: int
    resumed: int = 0
    same_end: int = 0
    same_world: int = 0
    doubles: list[str] = field(default_factory=list)
    wrong: list[str] = field(default_factory=list)

    def take(self, point: str, clean: Outcome, got: Outcome) -> None:
        """Compare one life with the undisturbed one."""
        differences = got.end.differs(clean.end)
        changed = sorted(set(got.world.keys) ^ set(clean.world.keys)) + sorted(got.world.blocked)
        self.resumed += got.died
        self.same_end += not differences
        self.same_world += not changed
        self.doubles += [f"{point} {change}" for change in got.world.doubled]
        self.wrong += [f"{point} {word}" for word in [*differences, *changed]]

    def __str__(self) -> str:
        return (
            f"{self.writes} writes, {self.points} kill points, {self.resumed} died there and resumed,"
            f" {self.same_end} same end, {self.same_world} same world, double changes: {len(self.doubles)}"
        )


async def matrix(folder: Path, chosen: int | None, server: postgres.Server | None = None) -> None:
    began = time.monotonic()
    seed = int(os.environ.get("CRASH_SEED", "") or random.SystemRandom().randrange(1 << 32))
    places = asyncio.Semaphore(SIDE_BY_SIDE)
    async with aiohttp.ClientSession() as http:
        clean = await undisturbed(folder / "clean", http, new_database(server))
        points = [f"{side}:{number}" for number in range(1, clean.writes + 1) for side in ("before", "after")]
        if chosen is not None:
            points = random.Random(seed).sample(points, min(chosen, len(points)))
        count = Count(clean.writes, len(points))

        async def live(point: str) -> None:
            async with places:
                try:
                    database = new_database(server)
                    got = await lived(folder / point.replace(":", "-"), http, point, database=database)
                except Exception as error:  # noqa: BLE001 # told with all the others
                    count.wrong.append(f"{point} {error!r}")
                else:
                    count.take(point, clean, got)

        await asyncio.gather(*map(live, points))
    kind = "PostgreSQL" if server else "SQLite"
    print(f"\ncrash matrix on {kind}, seed {seed}: {count}; {time.monotonic() - began:.0f} s")
    assert count.doubles == []
    assert count.wrong == [], f"seed {seed}\n" + "\n".join(count.wrong)
    # Writes differ by a few from run to run, as what arrives together is written together: the last may not come.
    assert count.resumed >= len(points) * 0.8


def new_database(server: postgres.Server | None) -> str | None:
    """One for each life: a file of its own, or a database of that server."""
    return None if server is None else server.create()


async def undisturbed(folder: Path, http: aiohttp.ClientSession, database: str | None = None) -> Outcome:
    """A run that nobody kills: it does what it should, so that all others are compared with the right thing."""
    clean = await lived(folder, http, database=database)
    assert set(clean.world.keys) == CHANGES
    assert not clean.world.doubled
    assert not clean.world.blocked
    assert not clean.end.questions
    assert {run.name: run.status for run in clean.end.runs} == {
        ("child", "first"): "succeeded",
        ("every-kind", "first"): "succeeded",
        ("every-kind", "second"): "failed",
        ("lingering", "third"): "cancelled",
    }
    assert ("198.51.100.7", "lifted", 2, 1) in clean.end.held  # the second rung of the ladder
    return clean


@pytest.mark.timeout(600)
async def test_killed_at_seeded_writes(tmp_path: Path) -> None:
    await matrix(tmp_path, POINTS)


@pytest.mark.slow
@pytest.mark.timeout(900)
async def test_killed_at_every_write(tmp_path: Path) -> None:
    await matrix(tmp_path, None)


@pytest.mark.timeout(600)
async def test_killed_at_seeded_writes_on_postgresql(tmp_path: Path, postgres_server: postgres.Server) -> None:
    """There the next process takes over when the dead one's jobs have been silent for six seconds."""
    await matrix(tmp_path, POINTS_ON_POSTGRESQL, postgres_server)


@pytest.mark.slow
@pytest.mark.timeout(1500)
async def test_killed_at_every_write_on_postgresql(tmp_path: Path, postgres_server: postgres.Server) -> None:
    await matrix(tmp_path, None, postgres_server)


async def test_s20_the_matrix_finds_a_call_that_went_out_before_its_attempt_was_on_disk(tmp_path: Path) -> None:
    """Killed in the middle of a block, whose system knows no keys: only the attempt on disk has it asked about."""
    block = "/block first-ladder"
    async with aiohttp.ClientSession() as http:
        sound = lived(tmp_path / "sound", http, on_call=block)
        broken = lived(tmp_path / "broken", http, on_call=block, fault="no write-ahead")
        outcomes = await asyncio.gather(sound, broken)
    assert [outcome.died for outcome in outcomes] == [True, True]
    assert [outcome.world.doubled for outcome in outcomes] == [[], [block]]
