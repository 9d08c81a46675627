"""What happens to workers and to their database, and what must not come of it: nothing lost, nothing doubled."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import Any

import aiohttp
import pytest

from bench import postgres
from tests.acceptance.harness import STEPS, Answer, ApiCall, Recorder, alert, eventually
from tests.acceptance.test_kill import send_until_accepted
from tests.cluster.harness import Cluster, check_calls
from tests.cluster.wire import wire

COUNT = 120


async def accept(cluster: Cluster, http: aiohttp.ClientSession, name: str, count: int = COUNT) -> list[dict[str, Any]]:
    alerts = [alert(f"{name}-{number}", number) for number in range(count)]
    await send_until_accepted(cluster, http, alerts)
    return alerts


async def finished(cluster: Cluster, target: Recorder, alerts: list[dict[str, Any]]) -> int:
    """Every one of them carried out, each call once but for repeats under its key; how many repeats there were."""
    last = STEPS[-1]
    await target.until(lambda: all(target.of(given["id"], last) for given in alerts), "every third call")
    async with cluster.api() as api:
        listed = await api.ended(len(alerts))
    assert len(listed) == len(alerts)
    assert {execution["status"] for execution in listed} == {"succeeded"}
    return sum(check_calls(target.by_ref[given["id"]], given) for given in alerts)


async def test_s40_the_work_of_a_killed_worker_goes_on_elsewhere(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await cluster.start_with(3)
    held = asyncio.Event()
    target.answering = lambda call: Answer(delay=0.05)
    alerts = await accept(cluster, http, "dead")
    await target.until(lambda: len(target.calls) >= COUNT, "a burst")
    cluster.workers[1].kill()
    killed = time.monotonic()
    owned = running(cluster)
    held.set()

    async def taken() -> float | None:
        left = [row for row in running(cluster) if row in owned]
        return None if left else time.monotonic() - killed

    over = await eventually(taken, "what ran when it died has ended, or was taken by others", 30)
    again = await finished(cluster, target, alerts)
    print(
        f"a worker killed: {COUNT} accepted, {COUNT} finished, lost 0, double changes 0; {len(owned)} were running,"
        f" the last of them moved on after {over:.1f} s; {again} calls repeated under their keys"
    )


def running(cluster: Cluster) -> list[tuple[Any, ...]]:
    """Executions under way with their epochs: a take-over changes the epoch."""
    return cluster.rows("SELECT id, epoch FROM executions WHERE state = 'running'")


async def test_s20_s38_a_worker_that_was_frozen_writes_and_sends_nothing_when_it_wakes(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    cluster.configure(cluster.config + "execution: {side_by_side: 10}\n")  # so that all three have something to do
    await cluster.start_with(2)
    slow = asyncio.Event()

    def answer(call: ApiCall) -> Answer:
        return Answer(delay=0.0 if slow.is_set() else 1.5)

    target.answering = answer
    alerts = await accept(cluster, http, "frozen", 60)
    await target.until(lambda: len(target.calls) >= 30, "calls are open")
    frozen = cluster.workers[0]
    frozen.signal(signal.SIGSTOP)
    slow.set()
    last = STEPS[-1]
    await target.until(lambda: all(target.of(given["id"], last) for given in alerts), "the others did its work", 60)
    before = len(target.calls)
    frozen.signal(signal.SIGCONT)

    async def refused() -> int | None:
        return frozen.output(1_000_000).count("has another owner") or None

    stale = await eventually(refused, "its stale writes are refused")
    again = await finished(cluster, target, alerts)
    assert len(target.calls) == before, "it has sent something after it woke"
    print(f"a worker frozen: 60 accepted, 60 finished, lost 0; {stale} stale writes refused, {again} calls repeated")


@pytest.mark.parametrize("seconds", [4, pytest.param(20, marks=[pytest.mark.slow, pytest.mark.timeout(240)])])
async def test_c03_s41_a_database_that_was_away_is_worked_on_again_by_itself(
    seconds: float, cluster: Cluster, target: Recorder, http: aiohttp.ClientSession, postgres_server: postgres.Server
) -> None:
    await cluster.start_with(2)
    sender = asyncio.create_task(accept(cluster, http, "away"))
    await target.until(lambda: len(target.calls) >= COUNT, "a burst")
    await asyncio.to_thread(postgres_server.stop)
    await asyncio.sleep(seconds)  # the outage itself
    await asyncio.to_thread(postgres_server.start)
    up = time.monotonic()
    alerts = await asyncio.wait_for(sender, 60)
    again = await finished(cluster, target, alerts)
    after = await accept(cluster, http, "after", 10)
    await finished(cluster, target, alerts + after)
    assert all(worker.alive for worker in cluster.workers)
    print(
        f"PostgreSQL away for {seconds} s: {COUNT} accepted, {COUNT} finished {time.monotonic() - up:.1f} s after its"
        f" start, lost 0; {again} calls repeated under their keys; no process was restarted"
    )


async def test_s41_a_commit_whose_answer_was_lost_is_found_out_and_not_repeated(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession, postgres_server: postgres.Server
) -> None:
    """The server has committed, and nobody was told: alerts, units and outcomes alike."""
    async with wire(postgres_server.port) as between:
        through = cluster.database.replace(f":{postgres_server.port}/", f":{between.port}/")
        cluster.configure(cluster.config.replace(cluster.database, through))
        await cluster.start_with(2)
        sender = asyncio.create_task(accept(cluster, http, "cut"))
        for round in range(1, 9):
            await target.until(lambda: len(target.calls) >= 25 * round, "more calls")  # noqa: B023 # awaited here
            between.arm(2)
        alerts = await asyncio.wait_for(sender, 60)
        again = await finished(cluster, target, alerts)
        cuts = between.cut
        between.arm(0)
        async with cluster.api() as api:
            kept = await api.all("/alerts")
        assert len(kept) == len(alerts), "an alert that was kept is not kept again"
        assert cuts > 5
        await asyncio.to_thread(cluster.close)  # before the wire: they say goodbye through it
    print(
        f"{cuts} connections cut between a commit and its answer: {COUNT} accepted, {COUNT} finished, lost 0,"
        f" double changes 0; {again} calls repeated under their keys"
    )


async def test_s39_a_worker_that_is_told_to_end_gives_back_what_it_had_not_begun(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await cluster.start_with(2)
    target.answering = lambda call: Answer(delay=0.2)
    alerts = await accept(cluster, http, "drained")
    await target.until(lambda: len(target.calls) >= COUNT // 2, "a burst")
    leaving = cluster.workers[0]
    assert await asyncio.to_thread(leaving.end, 20) == 0
    assert await finished(cluster, target, alerts) == 0, "its open calls ended, and none was made twice"


async def test_a_critical_alert_overtakes_what_waits(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    backlog = 400
    cluster.configure(cluster.config + "execution: {side_by_side: 4}\n")
    cluster.playbook("three-calls", PLAYBOOK_FOR_ALL)
    await cluster.start_with(1)
    target.answering = lambda call: Answer(delay=0.02)
    waiting = [{**alert(f"low-{number}", number), "severity": "low"} for number in range(backlog)]
    await send_until_accepted(cluster, http, waiting)
    urgent = {**alert("urgent", 1), "severity": "critical"}
    assert await cluster.post(http, urgent) == 202
    sent = time.monotonic()
    await target.until_called("urgent", "/only")
    took = time.monotonic() - sent
    left = backlog - len({call.ref for call in target.calls if call.ref != "urgent"})
    assert left > backlog // 3, f"only {left} still waited"
    print(f"a critical alert behind {backlog} of low severity: called after {took:.1f} s, {left} still waited")


PLAYBOOK_FOR_ALL = """\
id: three-calls
trigger:
  match:
    selection:
      rule_name: Token replay
steps:
  - id: only
    action: api.request
    with: {method: POST, path: /only, json: {ref: "{{ alert.source_ref }}"}}
"""
