"""SIGKILL at a random moment, and a restart: nothing accepted is lost, every execution ends."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import aiohttp
import pytest

from tests.acceptance.harness import STEPS, ApiCall, Recorder, Server, alert, eventually, expected_bodies

SEEDS = range(10)
CONNECTIONS = 16


@pytest.mark.parametrize("seed", SEEDS)
async def test_killed_at_a_random_moment(
    seed: int, server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await kill_and_resume(seed, 200, server, target, http)


@pytest.mark.slow
@pytest.mark.timeout(300)
@pytest.mark.parametrize("seed", SEEDS)
async def test_two_thousand_alerts_killed_at_a_random_moment(
    seed: int, server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await kill_and_resume(seed, 2000, server, target, http)


async def kill_and_resume(seed: int, count: int, server: Server, target: Recorder, http: aiohttp.ClientSession) -> None:
    alerts = [alert(f"kill-{seed}-{number}", number) for number in range(count)]
    await server.start()
    token = await server.token()
    killed = kill_at(random.Random(seed), server, target, 3 * count)
    sender = asyncio.create_task(send_until_accepted(server, http, alerts))
    await asyncio.wait_for(killed.wait(), 60)
    before = len(target.calls)
    await server.start()
    accepted = await asyncio.wait_for(sender, 120)
    assert token

    # Each accepted one is carried out, in order and with the right values, however often a call was repeated.
    last = STEPS[-1]
    await target.until(lambda: all(target.of(given["id"], last) for given in alerts), "every alert's third call")
    async with server.api() as api:
        listed = await api.ended(count)
    assert {execution["status"] for execution in listed} == {"succeeded"}
    assert len(listed) == count
    assert {execution["alert_id"] for execution in listed} == set(accepted.values())
    for given in alerts:
        check_calls(target.by_ref[given["id"]], given)

    repeated = target.repeated()
    for calls in repeated:
        assert len({call.key for call in calls}) == 1, calls
        assert len(calls) == 2, calls  # one crash can repeat a call once
    again = sum(len(calls) - 1 for calls in repeated)
    assert again <= before  # only what was sent before the kill can be sent again
    print(f"seed {seed}: {len(accepted)} accepted, 0 lost, killed after {before} calls, {again} calls repeated")


def kill_at(chance: random.Random, server: Server, target: Recorder, calls: int) -> asyncio.Event:
    """Kill the server some milliseconds after a random call arrived."""
    at, delay = chance.randrange(1, calls * 9 // 10), chance.random() * 0.02
    loop, killed = asyncio.get_running_loop(), asyncio.Event()

    def kill() -> None:
        server.kill()
        killed.set()

    def watch(_call: ApiCall) -> None:
        if len(target.calls) == at:
            loop.call_later(delay, kill)

    target.on_call = watch
    return killed


async def send_until_accepted(
    server: Server, http: aiohttp.ClientSession, alerts: list[dict[str, Any]]
) -> dict[str, str]:
    """As a SIEM does: what was not answered with a 2xx is sent again, the same body."""
    accepted: dict[str, str] = {}
    waiting = iter(alerts)

    async def lane() -> None:
        for given in waiting:

            async def deliver(given: dict[str, Any] = given) -> str | None:
                status, body = await server.deliver(http, given)
                assert status in {202, 429, 503, None}, body
                return body["alerts"][0]["id"] if status == 202 else None

            accepted[given["id"]] = await eventually(deliver, f"{given['id']} accepted")

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(lane())
    return accepted


def check_calls(calls: list[ApiCall], given: dict[str, Any]) -> None:
    first_seen = list({call.path: call for call in calls}.values())
    assert [call.path for call in first_seen] == list(STEPS)
    expected = dict(zip(STEPS, expected_bodies(given), strict=True))
    for call in calls:
        assert call.body == expected[call.path]
    positions = [STEPS.index(call.path) for call in calls]
    assert positions == sorted(positions)  # a repeat comes before the next step, never after it
