"""S44: calls of a zone are made by its workers; without one they wait, visibly, and fail with that reason."""

from __future__ import annotations

from typing import Any

import aiohttp
import pytest

from tests.acceptance.harness import STEPS, Recorder, alert, calling, eventually
from tests.cluster.harness import Cluster, check_calls


@pytest.fixture
def zoned(cluster: Cluster) -> Cluster:
    """Its only connection is reached from the zone `dmz`."""
    cluster.configure(cluster.config.replace("api: {connector: http,", "api: {connector: http, zone: dmz,"))
    return cluster


async def test_s44_calls_are_made_by_the_workers_of_their_zone(
    zoned: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await zoned.start()
    for worker in (zoned.work(), zoned.work("dmz"), zoned.work("dmz")):
        await zoned.working(worker)
    alerts = [alert(f"zone-{number}", number) for number in range(40)]
    for given in alerts:
        assert await zoned.post(http, given) == 202
    await target.until(lambda: all(target.of(one["id"], STEPS[-1]) for one in alerts), "every third call")
    async with zoned.api() as api:
        runs = await api.ended(len(alerts))
        calls = await api.all("/executions", kind="call")
    assert len(calls) == len(STEPS) * len(alerts)
    assert [one["status"] for one in runs] == ["succeeded"] * len(alerts)
    assert sum(check_calls(target.by_ref[one["id"]], one) for one in alerts) == 0


async def test_s44_without_a_worker_of_the_zone_a_step_waits_and_says_why(
    zoned: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    zoned.playbook("three-calls", calling("/first"))
    zoned.playbook("hurried", calling("/hurried", playbook_id="hurried", more="    timeout: 3s\n"))
    await zoned.start()
    assert await zoned.post(http, alert("one", 1)) == 202

    async with zoned.api() as api:

        async def waits() -> Any:
            found = await api.all("/executions", playbook="three-calls")
            return found[0] if found and found[0]["awaiting"] == "zone" else None

        waiting = await eventually(waits, "the execution waits for its zone")

        async def failed() -> Any:
            found = await api.all("/executions", playbook="hurried")
            return found[0] if found and found[0]["status"] == "failed" else None

        hurried = await eventually(failed, "the hurried one fails")
        assert hurried["error"]["kind"] == "timeout"
        assert "no worker of zone 'dmz' is alive" in hurried["error"]["message"]
        assert not target.calls

        await zoned.working(zoned.work("dmz"))

        async def done() -> Any:
            found = await api.get(f"/executions/{waiting['id']}")
            return found if found["status"] == "succeeded" else None

        await eventually(done, "it goes on once there is a worker of its zone")
    assert [call.path for call in target.calls] == ["/first"]


async def test_s44_a_worker_of_a_zone_that_dies_in_a_call_leaves_it_to_the_next(
    zoned: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await zoned.start()
    first, second = zoned.work("dmz"), zoned.work("dmz")
    for worker in (first, second):
        await zoned.working(worker)
    alerts = [alert(f"killed-{number}", number) for number in range(30)]
    for given in alerts:
        assert await zoned.post(http, given) == 202
    await target.until(lambda: len(target.calls) >= 20, "some calls")
    first.kill()
    await target.until(lambda: all(target.of(one["id"], STEPS[-1]) for one in alerts), "every third call")
    async with zoned.api() as api:

        async def over() -> Any:
            found = [one for one in await api.all("/executions") if one["kind"] == "run"]
            return found if all(one["status"] in {"succeeded", "failed"} for one in found) else None

        runs = await eventually(over, "all runs are over")
    assert [one["status"] for one in runs] == ["succeeded"] * len(alerts)
    again = sum(check_calls(target.by_ref[one["id"]], one) for one in alerts)
    print(f"zone dmz, a worker killed: 30 accepted, 30 finished, lost 0; {again} calls repeated under their own keys")
