"""The main job under load: every accepted alert's three calls arrive once, in order, with the right values."""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp

from tests.acceptance.harness import STEPS, Recorder, Server, alert, expected_bodies

ALERTS = 2000
CONNECTIONS = 16


async def test_two_thousand_alerts_at_sixteen_connections(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await server.start()
    alerts = [alert(f"load-{number}", number) for number in range(ALERTS)]
    accepted = await send_all(server, http, alerts)
    assert len(accepted) == ALERTS

    await target.until(lambda: len(target.calls) >= 3 * ALERTS, f"{3 * ALERTS} calls")
    async with server.api() as api:
        listed = await api.ended(ALERTS)
        assert len(target.calls) == 3 * ALERTS  # and none came after that
        for given in alerts:
            calls = target.by_ref[given["id"]]
            assert [call.path for call in calls] == list(STEPS)
            assert [call.body for call in calls] == expected_bodies(given)
            assert len({call.key for call in calls}) == 3
            assert all(call.key for call in calls)

        assert len(listed) == len({execution["id"] for execution in listed}) == ALERTS
        assert {execution["status"] for execution in listed} == {"succeeded"}
        assert {execution["alert_id"] for execution in listed} == set(accepted.values())
        await _check_steps(api, listed, {identity: ref for ref, identity in accepted.items()})
    assert server.end() == 0


async def send_all(server: Server, http: aiohttp.ClientSession, alerts: list[dict[str, Any]]) -> dict[str, str]:
    """All of them over sixteen connections; our ids by theirs."""
    accepted: dict[str, str] = {}
    waiting = iter(alerts)

    async def lane() -> None:
        for given in waiting:
            status, body = await server.deliver(http, given)
            assert status == 202, body
            [entry] = body["alerts"]
            assert entry["duplicate"] is False
            accepted[given["id"]] = entry["id"]

    async with asyncio.TaskGroup() as group:
        for _ in range(CONNECTIONS):
            group.create_task(lane())
    return accepted


async def _check_steps(api: Any, listed: list[dict[str, Any]], refs: dict[str, str]) -> None:
    """Every execution shows its three steps with what went out and what came back."""
    waiting = iter(listed)

    async def lane() -> None:
        for execution in waiting:
            shown = await api.get(f"/executions/{execution['id']}")
            assert [step["path"] for step in shown["steps"]] == ["first", "second", "third"]
            ref = refs[execution["alert_id"]]
            for step in shown["steps"]:
                assert step["status"] == "succeeded"
                assert step["input"]["json"]["ref"] == ref
                assert step["output"]["body"]["receipt"] == f"{step['path']}-{ref}"
                assert len(step["attempts"]) == 1

    async with asyncio.TaskGroup() as group:
        for _ in range(8):
            group.create_task(lane())
