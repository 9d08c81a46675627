"""The main job on three workers: nothing lost, nothing twice, whoever is killed."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import pytest

from tests.acceptance.harness import STEPS, Recorder, alert
from tests.acceptance.test_kill import send_until_accepted
from tests.cluster.harness import QUEUES, Cluster, check_calls

WORKERS = 3


async def test_two_hundred_alerts_on_three_workers(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await cluster.start_with(WORKERS)
    alerts = [alert(f"plain-{number}", number) for number in range(200)]
    accepted = await send_until_accepted(cluster, http, alerts)
    last = STEPS[-1]
    await target.until(lambda: all(target.of(given["id"], last) for given in alerts), "every alert's third call")
    async with cluster.api() as api:
        listed = await api.ended(len(alerts))
    assert {execution["alert_id"] for execution in listed} == set(accepted.values())
    assert {execution["status"] for execution in listed} == {"succeeded"}
    assert sum(check_calls(target.by_ref[given["id"]], given) for given in alerts) == 0


@pytest.mark.parametrize("count", [300, pytest.param(2000, marks=[pytest.mark.slow, pytest.mark.timeout(400)])])
@pytest.mark.parametrize("queue", QUEUES)
async def test_a_worker_and_the_server_killed_under_load(
    count: int, queue: str, cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """The same as the embedded engine is held to: every accepted alert's three calls, in order, under their keys."""
    chance = random.Random(count)
    await cluster.start_with(WORKERS)
    alerts = [alert(f"killed-{number}", number) for number in range(count)]
    at = [chance.randrange(1, count), chance.randrange(count, 2 * count)]
    sender = asyncio.create_task(send_until_accepted(cluster, http, alerts))

    await target.until(lambda: len(target.calls) >= at[0], "the first kill")
    cluster.workers[0].kill()
    await target.until(lambda: len(target.calls) >= at[1], "the second kill")
    cluster.kill()
    before = len(target.calls)
    await cluster.start()
    accepted = await asyncio.wait_for(sender, 300)

    last = STEPS[-1]
    await target.until(lambda: all(target.of(given["id"], last) for given in alerts), "every alert's third call")
    async with cluster.api() as api:
        listed = await api.ended(count)
    assert {execution["alert_id"] for execution in listed} == set(accepted.values())
    assert len(listed) == count
    assert {execution["status"] for execution in listed} == {"succeeded"}
    again = sum(check_calls(target.by_ref[given["id"]], given) for given in alerts)
    print(
        f"{queue}, three workers: {len(accepted)} accepted, {len(listed)} finished, 0 lost; a worker killed after"
        f" {at[0]} calls, the server after {before}; {again} calls repeated, each under its own key"
    )
