"""Two servers on one database: the same delivery to both, answers that race, one schedule for both."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import Any

import aiohttp
import orjson
import pytest

from bench.load import sign
from soar.store import Store
from soar.testing.clock import FakeClock
from tests.acceptance.harness import Answer, Recorder, alert, calling, eventually
from tests.acceptance.test_decision_race import GUARDED, PEOPLE, asked, token_of
from tests.acceptance.test_kill import send_until_accepted
from tests.cluster.harness import Cluster, check_calls
from tests.ingest.given import Desk, books, scheduled

ROUNDS = 50


async def deliver(http: aiohttp.ClientSession, base: str, given: dict[str, Any]) -> tuple[int, Any]:
    body = orjson.dumps(given)
    headers = {"X-Signature": sign(body), "Content-Type": "application/json"}
    async with http.post(f"{base}/webhooks/bench", data=body, headers=headers) as reply:
        return reply.status, orjson.loads(await reply.read())


async def test_a02_twenty_identical_deliveries_to_two_servers_are_one_execution(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await cluster.start_with(1)
    other = await cluster.serve_beside()
    for number in range(10):
        given = alert(f"same-{number}", number)
        bases = [cluster.base, other] * 10
        told = await asyncio.gather(*[deliver(http, base, given) for base in bases])
        assert {status for status, _ in told} == {202}
        entries = [body["alerts"][0] for _, body in told]
        assert len({entry["id"] for entry in entries}) == 1
        assert sorted(entry["duplicate"] for entry in entries) == [False] + [True] * 19
    async with cluster.api() as api:
        assert len(await api.ended(10)) == 10
    again = [check_calls(target.by_ref[f"same-{number}"], alert(f"same-{number}", number)) for number in range(10)]
    assert sum(again) == 0


async def test_d05_approve_and_deny_at_once_at_two_servers_give_one_outcome(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    cluster.configure(cluster.config + PEOPLE)
    cluster.playbook("three-calls", calling("/only", more=GUARDED))
    await cluster.start_with(1)
    other = await cluster.serve_beside()
    for number in range(ROUNDS):
        assert await cluster.post(http, alert(f"race-{number}", number)) == 202
    waiting = await asked(cluster, ROUNDS)
    tokens = [await token_of(cluster, person) for person in ("ana", "ben")]
    sessions = [aiohttp.ClientSession(headers={"Authorization": f"Bearer {token}"}) for token in tokens]

    async def say(place: int, base: str, approval: str, decision: str) -> tuple[int, str]:
        asked_for = {"decision": decision, "reason": "raced"}
        url = f"{base}/api/v1/approvals/{approval}/decisions"
        async with sessions[place].post(url, json=asked_for) as reply:
            told = orjson.loads(await reply.read())
            return reply.status, str(told.get("detail"))

    won = Counter[str]()
    try:
        for round, approval in enumerate(waiting):
            here, there = (cluster.base, other) if round % 2 else (other, cluster.base)
            # A double click of the one, within a moment, and a no of the other.
            told = await asyncio.gather(
                say(0, here, approval, "approve"), say(0, there, approval, "approve"), say(1, there, approval, "deny")
            )
            winners = [place for place, (status, _) in enumerate(told) if status == 200]
            won["approved" if 2 not in winners else "denied"] += 1
            assert len({"approve" if place < 2 else "deny" for place in winners}) == 1, told
            losers = [detail for status, detail in told if status != 200]
            assert all("person:" in detail or "already" in detail for detail in losers), told
    finally:
        for session in sessions:
            await session.close()
    async with cluster.api() as api:
        await api.ended(ROUNDS)
        states = Counter([one["status"] for one in await api.all("/approvals", status="all")])
    assert states == Counter({state: number for state, number in won.items() if number})
    assert len(target.calls) == won["approved"], "each approved call once, no denied one"
    print(f"decisions raced at two servers: {ROUNDS} rounds, {dict(won)}, two winners 0, calls {len(target.calls)}")


SCHEDULED = """\
id: scheduled
trigger:
  schedule: {cron: "* * * * *"}
steps:
  - id: only
    action: api.request
    with: {method: POST, path: /only, json: {ref: scheduled}}
"""


async def test_j07_two_ringers_on_one_database_fire_ten_times_in_ten_minutes(soar_postgres_url: str) -> None:
    clock, stores = FakeClock(), [await Store.open(soar_postgres_url) for _ in range(2)]
    desks = [Desk(store, clock, books(scheduled())) for store in stores]
    for _ in range(10):
        await asyncio.gather(*[desk.ringer.step() for desk in desks])
        clock.move_to(clock.now() + 60_000)
    await asyncio.gather(*[desk.ringer.step() for desk in desks])
    opened = [execution.id for execution in await desks[0].opened()]
    assert len(opened) == len(set(opened)) == 10
    assert len(await desks[1].opened()) == 10
    for store in stores:
        await store.close()


@pytest.mark.slow
@pytest.mark.timeout(240)
async def test_j07_a_schedule_of_every_minute_fires_once_a_minute_on_two_servers(
    cluster: Cluster, target: Recorder
) -> None:
    """The keeper is killed between two firings: the other server rings on."""
    cluster.playbook("scheduled", SCHEDULED)
    await cluster.start()
    await cluster.serve_beside()
    cluster.work()
    await target.until(lambda: len(target.calls) >= 1, "the first firing", 90)
    cluster.kill()
    await target.until(lambda: len(target.calls) >= 2, "the second firing", 90)
    await target.until(lambda: len(target.calls) >= 3, "the third firing", 90)
    fired = cluster.rows("SELECT dedupe_key FROM alerts WHERE source = 'manual' ORDER BY dedupe_key")
    assert len(fired) == len(set(fired)) == 3
    assert len({call.key for call in target.calls}) == len(target.calls) == 3
    print("two servers, one killed: 3 minutes, 3 firings, 3 executions")


async def test_k15_a_burst_beyond_all_places_is_worked_off_in_order_and_nothing_is_left(
    cluster: Cluster, target: Recorder, http: aiohttp.ClientSession
) -> None:
    count, workers = 120, 4
    cluster.configure(cluster.config + "execution: {side_by_side: 2}\n")
    cluster.playbook("three-calls", calling("/only"))
    await cluster.start_with(workers)
    quick = asyncio.Event()
    target.answering = lambda call: Answer(delay=0.2 if quick.is_set() else 2.0)
    alerts = [alert(f"burst-{number}", 1) for number in range(count)]
    await send_until_accepted(cluster, http, alerts)

    async def seen() -> int | None:
        async with cluster.api() as api:
            (zone,) = (await api.get("/zones"))["items"]
            return int(zone["waiting"]) or None

    waited = await eventually(seen, "the queue shows what waits")
    quick.set()
    async with cluster.api() as api:
        listed = await api.ended(count)
        (zone,) = (await api.get("/zones"))["items"]
    assert [one["status"] for one in listed] == ["succeeded"] * count
    assert zone["waiting"] == 0
    order = [int(call.ref.removeprefix("burst-")) for call in target.calls]
    assert len(order) == len(set(order)) == count
    first, last = order[: count // 4], order[-count // 4 :]
    assert sum(first) < sum(last), "roughly first come, first served"
    print(f"{count} at once on {workers} workers with 2 places each: all done, {waited} seen waiting, 0 left over")
