"""Faults of the machines: clocks that disagree by minutes, a disk that is full."""

from __future__ import annotations

import asyncio
import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from bench import postgres
from bench.processes import Child
from tests.acceptance.harness import STEPS, Recorder, alert, eventually
from tests.acceptance.test_kill import send_until_accepted
from tests.cluster.harness import Cluster, check_calls

pytestmark = pytest.mark.parts

LIBRARIES = (
    Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"),
    Path("/usr/lib/aarch64-linux-gnu/faketime/libfaketime.so.1"),
)
WAITS = """\
id: three-calls
trigger:
  match:
    selection:
      rule_name: Token replay
steps:
  - id: before
    action: api.request
    with: {method: POST, path: /before, json: {ref: "{{ alert.source_ref }}"}}
  - id: pause
    wait: {for: 7s}
  - id: after
    action: api.request
    with: {method: POST, path: /after, json: {ref: "{{ alert.source_ref }}"}}
"""


def skewed(cluster: Cluster, offset: str) -> Child:
    """A worker whose wall clock is wrong by so much, at the same pace."""
    library = next((path for path in LIBRARIES if path.exists()), None)
    if library is None:
        pytest.skip("libfaketime is not installed; tests/parts/install.sh installs it")
    wrong = {"LD_PRELOAD": str(library), "FAKETIME": offset, "FAKETIME_DONT_FAKE_MONOTONIC": "1"}
    log = cluster.folder / f"worker{offset}.log"
    worker = Child(cluster.command("worker"), cwd=cluster.folder, log=log, env={**cluster.environment, **wrong})
    cluster.workers.append(worker)
    return worker


async def test_s43_clocks_that_disagree_by_minutes_change_nothing(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    cluster.playbook("three-calls", WAITS)
    await cluster.start()
    for worker in (skewed(cluster, "+5m"), skewed(cluster, "-5m")):
        await cluster.working(worker)
    alerts = [alert(f"skew-{number}", number) for number in range(40)]
    await send_until_accepted(cluster, http, alerts)
    await target.until(lambda: all(target.of(one["id"], "/after") for one in alerts), "every call after the pause")
    async with cluster.api() as api:
        listed = await api.ended(len(alerts))
    assert {one["status"] for one in listed} == {"succeeded"}
    assert len(target.calls) == 2 * len(alerts), "nothing twice"
    waited = [at["/after"] - at["/before"] for at in (seen(cluster, one["id"]) for one in alerts)]
    assert min(waited) >= 7.0, "no pause was cut short by a clock that is ahead"
    assert max(waited) < 60.0, "and none was drawn out by one that is behind"
    print(f"workers 10 minutes apart: 40 executions, pauses of 7 s took {min(waited):.1f} to {max(waited):.1f} s")


def seen(cluster: Cluster, ref: str) -> dict[str, float]:
    """When the steps of that alert's execution ended, in seconds of the server's clock."""
    rows = cluster.rows(
        "SELECT facts.path, facts.at FROM facts JOIN executions ON executions.seq = facts.execution_seq"
        " JOIN alerts ON alerts.id = executions.alert_id"
        f" WHERE facts.kind = 'outcome' AND alerts.data LIKE '%\"{ref}\"%'"
    )
    return {f"/{path}": at / 1000 for path, at in rows}


@contextmanager
def small_disk(megabytes: int) -> Iterator[Path]:
    """A file system of that size, gone afterwards; only root can make one."""
    if os.getuid() != 0:
        pytest.skip("mounting a small file system needs root")
    folder = Path(tempfile.mkdtemp(prefix="soar-disk-"))
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={megabytes}m", "tmpfs", folder], capture_output=True, check=False
    )
    if mounted.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {mounted.stderr.decode().strip()}")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", folder], check=False)
        folder.rmdir()


@pytest.fixture
async def full(tmp_path: Path, target: Recorder) -> AsyncIterator[tuple[Cluster, postgres.Server, Path]]:
    """A cluster on a database whose disk has little room."""
    with small_disk(110) as disk:
        server = postgres.Server(folder=disk / "postgres", min_wal_size="32MB", max_wal_size="48MB")
        try:
            server.start()
            made = Cluster(tmp_path, target.url, server.create())
            yield made, server, disk
            await asyncio.to_thread(made.close)
        finally:
            server.close()


async def test_a11_a_full_disk_is_said_and_nothing_accepted_is_lost(
    full: tuple[Cluster, postgres.Server, Path], target: Recorder, http: aiohttp.ClientSession
) -> None:
    cluster, server, disk = full
    await cluster.start_with(1)
    first = [alert(f"before-{number}", number) for number in range(20)]
    await send_until_accepted(cluster, http, first)
    await target.until(lambda: all(target.of(one["id"], STEPS[-1]) for one in first), "the first ones")
    ballast = disk / "ballast"
    fill(ballast)

    refused = 0
    accepted: list[dict[str, Any]] = []
    for number in range(4_000):
        given = {**alert(f"full-{number}", number), "description": os.urandom(20_000).hex()}
        status = await cluster.post(http, given)
        if status == 202:
            accepted.append(given)
        else:
            assert status == 503
            refused += 1
            if refused > 3:
                break
    assert refused, "the disk never became full"
    ballast.unlink()
    later = alert("later", 1)

    async def taken() -> bool | None:
        if not server.alive:
            await asyncio.to_thread(server.start)  # PostgreSQL ends itself when it cannot write its log
        return (await cluster.post(http, later)) == 202 or None

    await eventually(taken, "alerts are taken again")
    every = [*first, *accepted, later]
    await target.until(lambda: all(target.of(one["id"], STEPS[-1]) for one in every), "everything accepted", 120)
    async with cluster.api() as api:
        await api.ended(len(every), 120)
    again = sum(check_calls(target.by_ref[one["id"]], one) for one in every)
    print(
        f"a full disk: {len(every)} accepted, {len(every)} finished, lost 0, {refused} answered 503; {again} repeated"
    )


def fill(ballast: Path) -> None:
    """Leave a few megabytes."""
    room = os.statvfs(ballast.parent)
    ballast.write_bytes(bytes(max(room.f_bavail * room.f_frsize - (6 << 20), 0)))
