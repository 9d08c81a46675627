"""Starting and stopping: never a 2xx before the alert is on disk, and an orderly stop loses and doubles nothing."""

from __future__ import annotations

import asyncio
import random

import aiohttp
import pytest

from bench.processes import status
from tests.acceptance.harness import STEPS, Answer, Recorder, Server, alert


@pytest.mark.parametrize("seed", range(3))
async def test_killed_at_the_first_acceptance_while_starting(
    seed: int, server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """Deliveries knock from the first moment; the first 202 is followed by SIGKILL at once."""
    child = server.spawn()
    given = alert(f"early-{seed}", seed)
    while (answer := await server.post(http, given)) != 202:
        assert answer in {None, 503}
        assert child.alive
    server.kill()

    await server.start()
    await target.until_called(given["id"], STEPS[-1])
    async with server.api() as api:
        execution = await api.ended_one(given["id"])
    assert execution["status"] == "succeeded"


async def test_killed_before_it_was_ready_and_started_again(server: Server, http: aiohttp.ClientSession) -> None:
    """A kill while the schema is being made leaves a database that the next start takes."""
    chance = random.Random(7)
    for _ in range(4):
        child = server.spawn()
        await asyncio.sleep(chance.uniform(0.05, 0.9))  # the moment is the test's input, not a wait
        child.kill()
    await server.start()
    assert await server.post(http, alert("after-all")) == 202


async def test_sigterm_while_alerts_come_in(server: Server, target: Recorder, http: aiohttp.ClientSession) -> None:
    """What was answered 202 is carried out after the restart; nothing is sent twice by an orderly stop."""
    await server.start()
    target.answering = lambda _call: Answer(delay=0.02)
    accepted: list[str] = []
    stopped = asyncio.Event()

    async def lane(number: int) -> None:
        for turn in range(10_000):
            given = alert(f"stop-{number}-{turn}", turn)
            answer = await server.post(http, given)
            if answer == 202:
                accepted.append(given["id"])
            elif stopped.is_set():
                return
            assert answer in {202, 503, None}

    lanes = [asyncio.create_task(lane(number)) for number in range(16)]
    await target.until(lambda: len(target.calls) > 100, "100 calls")
    assert server.child is not None
    server.child.signal(15)
    stopped.set()
    assert await asyncio.to_thread(server.child.wait, 30) == 0
    await asyncio.gather(*lanes)

    await server.start()
    await target.until(lambda: all(target.of(ref, STEPS[-1]) for ref in accepted), "every third call")
    async with server.api() as api:
        listed = await api.ended(len(accepted))
    assert {execution["status"] for execution in listed} == {"succeeded"}
    assert target.repeated() == []


async def test_sigterm_lets_an_open_call_end(server: Server, target: Recorder, http: aiohttp.ClientSession) -> None:
    """The call that is open when SIGTERM comes is answered, its outcome kept, and it is not made again."""
    await server.start()
    target.answering = lambda call: Answer(delay=1.0 if call.path == "/second" else 0.0)
    await server.post(http, alert("drain"))
    await target.until_called("drain", "/second")
    assert await asyncio.to_thread(server.end) == 0  # the target answers meanwhile

    await server.start()
    await target.until_called("drain", "/third")
    assert [call.path for call in target.by_ref["drain"]] == list(STEPS)


async def test_s42_a_second_server_on_the_same_database_says_so_and_ends(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """S42: the lock beside the database names who holds it; the first server does not notice."""
    await server.start()
    first = server.child
    assert first is not None
    second = server.spawn_beside()
    try:
        assert await asyncio.to_thread(second.wait, 20) not in {0, None}
    finally:
        second.end()
    assert str(first.pid) in second.output()
    assert "Traceback" not in second.output()

    assert await server.post(http, alert("still-there")) == 202
    await target.until_called("still-there", STEPS[-1])


async def test_not_ready_while_stopping_and_healthy_when_ready(server: Server, target: Recorder) -> None:
    await server.start()
    assert status(f"{server.base}/healthz") == 200
    assert status(f"{server.base}/readyz") == 200
    assert server.end() == 0
    assert status(f"{server.base}/readyz") is None
