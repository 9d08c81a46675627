"""A worker of an earlier version, built from the history, beside one of this version: a roll from one to the other."""

from __future__ import annotations

import io
import subprocess
import sys
import tarfile
from pathlib import Path

import aiohttp
import pytest

from bench.processes import Child
from tests.acceptance.harness import STEPS, Recorder, alert
from tests.acceptance.test_kill import send_until_accepted
from tests.cluster.harness import Cluster, check_calls

EARLIER = "142a1c4"
"""A commit whose workers know this schema; the newest whose tables this version still works on beside it."""
ROOT = Path(__file__).parents[2]


def earlier_version(folder: Path) -> Path:
    """The package as it was then."""
    packed = subprocess.run(
        ["git", "archive", EARLIER, "soar", "connectors", "playbooks"], cwd=ROOT, capture_output=True, check=False
    )
    if packed.returncode != 0:
        pytest.skip(f"the history does not go back to {EARLIER}: {packed.stderr.decode().strip()}")
    with tarfile.open(fileobj=io.BytesIO(packed.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_a_worker_of_an_earlier_version_works_beside_one_of_this(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    cluster.configure(cluster.config + "execution: {side_by_side: 10}\n")  # so that each has something to do
    earlier = tmp_path / "earlier"
    earlier.mkdir()
    earlier_version(earlier)
    await cluster.start_with(1)
    argv = [sys.executable, "-P", "-m", "soar", "worker", "--config", str(cluster.folder / "soar.yaml")]
    environment = {**cluster.environment, "PYTHONPATH": str(earlier)}
    old = Child(argv, cwd=earlier, log=cluster.folder / "earlier.log", env=environment)
    cluster.workers.append(old)
    await cluster.working(old)

    alerts = [alert(f"version-{number}", number) for number in range(200)]
    await send_until_accepted(cluster, http, alerts[:150])
    await target.until(lambda: len(target.calls) >= 200, "a burst")
    old.kill()
    await send_until_accepted(cluster, http, alerts[150:])
    await target.until(lambda: all(target.of(one["id"], STEPS[-1]) for one in alerts), "every third call")
    async with cluster.api() as api:
        listed = await api.ended(len(alerts))
    assert [one["status"] for one in listed] == ["succeeded"] * len(alerts)
    again = sum(check_calls(target.by_ref[one["id"]], one) for one in alerts)
    print(
        f"a worker of {EARLIER} beside this version, then killed: 200 accepted, 200 finished, lost 0; {again} repeated"
    )
