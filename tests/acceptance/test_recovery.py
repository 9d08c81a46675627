"""Single executions killed at chosen moments: the cases of chapter C on a real process."""

from __future__ import annotations

import asyncio
import time
from datetime import datetime

import aiohttp
import orjson

from tests.acceptance.harness import STEPS, Answer, ApiCall, Recorder, Server, alert, calling, eventually

SILENT = Answer(silent=True)

SLOW_READ = """\
id: three-calls
trigger: {match: {selection: {rule_name: Token replay}}}
steps:
  - id: look
    action: api.get
    timeout: 6s
    with: {path: /slow, query: {ref: "{{ alert.source_ref }}"}}
on_failure:
  - id: tell
    action: api.request
    with: {method: POST, path: /told, json: {ref: "{{ alert.source_ref }}", kind: "{{ error.kind }}"}}
"""


def kill_on(target: Recorder, server: Server, path: str) -> asyncio.Event:
    """SIGKILL when that call arrives, before it is answered; once."""
    killed = asyncio.Event()

    def watch(call: ApiCall) -> None:
        if call.path == path and not killed.is_set():
            server.kill()
            killed.set()

    target.on_call = watch
    return killed


async def test_c01_a_timeout_counts_across_a_restart(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """C01: killed while a step with a timeout runs, down until it has passed: the step fails with `timeout`."""
    server.playbook("three-calls", SLOW_READ)
    target.answering = lambda call: SILENT if call.path == "/slow" else Answer()
    killed = kill_on(target, server, "/slow")
    await server.start()
    began = time.monotonic()
    assert await server.post(http, alert("c01")) == 202
    await asyncio.wait_for(killed.wait(), 20)

    await server.start()
    await target.until_called("c01", "/told", 1)
    took = time.monotonic() - began
    async with server.api() as api:
        execution = await api.ended_one("c01")
    assert execution["status"] == "failed"
    assert execution["error"]["kind"] == "timeout"
    [told] = target.of("c01", "/told")
    assert told.body["kind"] == "timeout"
    assert 6 <= took < 6 + 6  # from the step's first start; a clock that began again at the restart would say more
    [look, *_] = execution["steps"]
    assert instant(look["ended_at"]) - instant(look["started_at"]) < 9


async def test_c04_killed_between_two_steps(server: Server, target: Recorder, http: aiohttp.ClientSession) -> None:
    """C04: killed between step 2's effect and step 3; step 3 runs once, then the next alert's run."""
    killed = kill_on(target, server, "/second")
    await server.start()
    assert await server.post(http, alert("c04-a")) == 202
    await asyncio.wait_for(killed.wait(), 20)

    await server.start()
    await target.until_called("c04-a", "/third")
    assert await server.post(http, alert("c04-b")) == 202
    await target.until_called("c04-b", "/third")
    async with server.api() as api:
        listed = await api.ended(2)
    assert {execution["status"] for execution in listed} == {"succeeded"}
    assert [call.path for call in target.by_ref["c04-a"]] == ["/first", "/second", "/second", "/third"]
    assert len({call.key for call in target.of("c04-a", "/second")}) == 1
    assert [call.path for call in target.by_ref["c04-b"]] == list(STEPS)


async def test_c06_killed_after_the_last_effect(server: Server, target: Recorder, http: aiohttp.ClientSession) -> None:
    """C06: an idempotent last step is repeated with the same key, and the execution ends."""
    killed = kill_on(target, server, "/third")
    await server.start()
    assert await server.post(http, alert("c06")) == 202
    await asyncio.wait_for(killed.wait(), 20)

    await server.start()
    async with server.api() as api:
        execution = await api.ended_one("c06")
    assert execution["status"] == "succeeded"
    calls = target.of("c06", "/third")
    assert len(calls) == 2
    assert len({call.key for call in calls}) == 1
    assert [call.path for call in target.by_ref["c06"]][:2] == ["/first", "/second"]


async def test_c06_a_call_that_may_not_be_repeated_asks_a_person(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """C06: without idempotency the last step is not done again; a person says what happened."""
    not_repeatable(server, target)
    server.playbook("three-calls", calling("/first", "/last", connection="once"))
    killed = kill_on(target, server, "/last")
    await server.start()
    assert await server.post(http, alert("c06-once")) == 202
    await asyncio.wait_for(killed.wait(), 20)

    await server.start()
    question = await open_question(server)
    assert len(target.of("c06-once", "/last")) == 1
    await server.soar("answer", question["id"], "happened", "--reason", "seen in the target's log")
    async with server.api() as api:
        execution = await api.ended_one("c06-once")
    assert execution["status"] == "succeeded"
    assert len(target.of("c06-once", "/last")) == 1


async def test_c08_one_waits_for_a_person_and_one_was_interrupted(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """C08: after the restart the interrupted one goes on, and the waiting one is listed as needing a person."""
    not_repeatable(server, target)
    server.playbook("three-calls", calling("/first", "/last", connection="once"))
    killed = kill_on(target, server, "/last")
    await server.start()
    assert await server.post(http, alert("c08-waits")) == 202
    await asyncio.wait_for(killed.wait(), 20)
    server.playbook("three-calls", calling("/early", "/late"))
    killed = kill_on(target, server, "/late")
    await server.start()
    await open_question(server)
    assert await server.post(http, alert("c08-runs")) == 202
    await asyncio.wait_for(killed.wait(), 20)

    await server.start()
    question = await open_question(server)
    async with server.api() as api:
        assert (await api.ended_one("c08-runs"))["status"] == "succeeded"
        waiting = await api.execution_of("c08-waits")
        assert (waiting["status"], waiting["awaiting"]) == ("parked", "person")
        await server.soar("answer", question["id"], "again", "--reason", "not seen in the target's log")
        assert (await api.ended_one("c08-waits"))["status"] == "succeeded"
    calls = target.of("c08-waits", "/last")
    assert len(calls) == 2
    assert len({call.key for call in calls}) == 1


async def test_c12_an_edited_playbook_does_not_touch_a_run_under_way(
    server: Server, target: Recorder, http: aiohttp.ClientSession
) -> None:
    """C12: a step added before and one removed after, across a restart: the run ends on the version it began with."""
    server.playbook("three-calls", calling("/first", "/second", "/third"))
    killed = kill_on(target, server, "/second")
    await server.start()
    assert await server.post(http, alert("c12-old")) == 202
    await asyncio.wait_for(killed.wait(), 20)
    server.playbook("three-calls", calling("/before", "/first", "/second"))

    await server.start()
    assert await server.post(http, alert("c12-new")) == 202
    async with server.api() as api:
        old, new = await api.ended_one("c12-old"), await api.ended_one("c12-new")
    assert old["status"] == new["status"] == "succeeded"
    assert [step["path"] for step in old["steps"]] == ["first", "second", "third"]
    assert [step["path"] for step in new["steps"]] == ["before", "first", "second"]
    assert [call.path for call in target.by_ref["c12-old"]] == ["/first", "/second", "/second", "/third"]
    assert [call.path for call in target.by_ref["c12-new"]] == ["/before", "/first", "/second"]
    assert old["playbook_digest"] != new["playbook_digest"]


def not_repeatable(server: Server, target: Recorder) -> None:
    """A connection whose calls may not be repeated on our own account."""
    settings = f'{{base_url: "{target.url}", idempotency: none}}'
    server.configure(server.config + f"  once: {{connector: http, settings: {settings}}}\n")


async def open_question(server: Server) -> dict[str, str]:
    async def look() -> dict[str, str] | None:
        listed = orjson.loads(await server.soar("questions", "list", "--json"))
        questions = listed["items"] if isinstance(listed, dict) else listed
        return questions[0] if questions else None

    question: dict[str, str] = await eventually(look, "a question is open")
    return question


def instant(text: str) -> float:
    return datetime.fromisoformat(text).timestamp()
