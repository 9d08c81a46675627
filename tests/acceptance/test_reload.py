"""Edited playbooks are taken up by a running server: in one step, all of them or none."""

from __future__ import annotations

import asyncio

import aiohttp

from soar.store import engine_lock
from tests.acceptance.harness import Answer, Recorder, Server, alert, calling


async def paths_of(server: Server, target: Recorder, http: aiohttp.ClientSession, ref: str) -> list[str]:
    """What one alert had called by the time its execution was over."""
    given = alert(ref)
    assert await server.post(http, given) == 202
    await target.until(lambda: bool(target.by_ref[ref]), f"a call for {ref}")
    async with server.api() as api:
        await api.ended_one(given["id"])
    return [call.path for call in target.by_ref[ref]]


async def test_a09_after_a_reload_only_the_new_version_runs(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    server.playbook("three-calls", calling("/old"))
    await server.start()
    assert await paths_of(server, target, http, "before") == ["/old"]
    server.playbook("three-calls", calling("/new", "/newer"))
    assert await paths_of(server, target, http, "edited, not reloaded") == ["/old"]
    await server.soar("playbooks", "reload")
    assert await paths_of(server, target, http, "after") == ["/new", "/newer"]


async def test_a_broken_file_changes_nothing_and_says_where(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    server.playbook("three-calls", calling("/old"))
    await server.start()
    server.playbook("three-calls", calling("/new"))
    server.playbook("broken", calling("/other", playbook_id="broken").replace("action:", "acton:"))
    code, _, said = await server.ran("playbooks", "reload")
    assert code == 1
    assert "broken.yaml:" in said
    assert "acton" in said
    async with server.api("analyst") as api:
        status, told = await api.post("/playbooks/reload")
        assert (status, "acton" in told["detail"]) == (409, True)
    assert await paths_of(server, target, http, "still") == ["/old"]


async def test_c12_what_is_under_way_ends_on_the_version_it_began_with(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    server.playbook("three-calls", calling("/first", "/second"))
    await server.start()
    target.answering = lambda _call: Answer(delay=1.0)
    given = alert("under way")
    assert await server.post(http, given) == 202
    await target.until_called(given["id"], "/first")
    server.playbook("three-calls", calling("/first", "/third"))
    async with server.api("analyst") as api:
        status, listed = await api.post("/playbooks/reload")
        assert (status, [one["id"] for one in listed["items"]]) == (200, ["three-calls"])
        await api.ended_one(given["id"])
    assert [call.path for call in target.by_ref["under way"]] == ["/first", "/second"]


async def test_a_reload_without_a_server_says_so(server: Server) -> None:
    await server.start()
    assert server.child is not None
    await asyncio.to_thread(server.child.end)
    code, _, said = await server.ran("playbooks", "reload")
    assert (code, "no server runs on this database" in said) == (1, True), said


async def test_a_command_at_work_on_the_database_is_left_alone(server: Server) -> None:
    """SIGHUP would end it, an upgrade for one in the middle of its work."""
    await server.start()
    assert server.child is not None
    await asyncio.to_thread(server.child.end)
    # In this process, which a SIGHUP would end.
    with engine_lock(f"sqlite:///{server.folder / 'soar.db'}"):
        code, _, said = await server.ran("playbooks", "reload")
    assert (code, "no server runs on this database" in said) == (1, True), said


CLOSED = 'actions: [{action: "api.request", verdict: forbidden, reason: closed for the night}]\n'


async def test_an_edited_policy_is_taken_up_with_the_playbooks(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    policy = server.folder / "policy.yaml"
    policy.write_text("risk: {low: {irreversible: allowed}}\n")
    server.configure(server.config + "policy: policy.yaml\n")
    server.playbook("three-calls", calling("/only"))
    await server.start()
    assert await paths_of(server, target, http, "before") == ["/only"]

    policy.write_text(CLOSED.replace("verdict", "verdikt"))
    code, _, said = await server.ran("playbooks", "reload")
    assert (code, "verdikt" in said) == (1, True), said
    async with server.api("analyst") as api:
        status, told = await api.post("/playbooks/reload")
        assert (status, "verdikt" in told["detail"]) == (409, True)
    assert await paths_of(server, target, http, "still") == ["/only"]

    policy.write_text(CLOSED)
    await server.soar("playbooks", "reload")
    given = alert("closed")
    assert await server.post(http, given) == 202
    async with server.api() as api:
        ended = await api.ended_one(given["id"])
    assert ended["status"] == "failed"
    assert "closed for the night" in ended["error"]["message"]
    assert not target.by_ref["closed"]
