"""Rules of waiting, events, sub-playbooks and limits, each by its number (S4, S8, S10, S14-S16, S18; K05, K08)."""

from __future__ import annotations

from typing import Any

import pytest

from soar.model.execution import Execution
from soar.playbook import parse_playbook
from soar.store.units import Event
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage
from tests.engine.conftest import playbook, run, statuses
from tests.engine.test_control import ALERT, tell

HEAD = "trigger: {match: {any: {severity|exists: true}}}\n"


async def begun(world: Stage, steps: str, rest: str = "", **more: Any) -> Execution:
    execution = await world.open(playbook(steps, rest), ALERT, **more)
    await world.run(until=world.clock.now() + 1_000)
    return await world.store.executions.get(execution.id)


async def stands(world: Stage, execution: Execution) -> Execution:
    return await world.store.executions.get(execution.id)


async def happens(world: Stage, number: int, name: str = "ticket.closed", **data: Any) -> None:
    await world.store.events.add([Event(f"event-{number}", name, data, world.clock.now())])
    await world.engine.look()
    await world.run(until=world.clock.now() + 1_000)


async def calling(world: Stage, child: str, steps: str, rest: str = "", **more: Any) -> tuple[Execution, Execution]:
    """A parent under way, and its child."""
    book = parse_playbook(f"id: child\n{HEAD}{child}", "child.yaml")
    await world.keep(book)
    parent = await begun(world, steps, rest, pins={"child": book.digest}, **more)
    (opened,) = await world.store.executions.children(parent.id)
    return parent, opened


async def test_s4_an_event_and_its_timeout_at_once_are_one_outcome(world: Stage, connections: FakeConnections) -> None:
    steps = "- {id: w, wait: {event: ticket.closed, timeout: 1h}, on_failure: continue}\n- {id: a, action: api.call}"
    execution = await begun(world, steps)
    world.clock.move_to(execution.opened_at + 2 * 3_600_000)
    await happens(world, 1)
    assert (await world.finish(execution)).state == "succeeded"
    ended = [fact.kind for fact in await world.facts(execution) if fact.path == "w" and fact.kind in ("event", "due")]
    assert len(ended) >= 1
    assert len(connections.called("api.call")) == 1
    before = await statuses(world, execution)
    await world.restart()
    await world.run(until=world.clock.now() + 10_000)
    assert await statuses(world, execution) == before


async def test_s4_a_cancel_after_the_end_changes_nothing(world: Stage, connections: FakeConnections) -> None:
    ended = await run(world, "- {id: a, action: api.call}")
    facts = await world.facts(ended)
    await tell(world, ended, "cancel")
    await world.run(until=world.clock.now() + 10_000)
    assert (await stands(world, ended)).state == "succeeded"
    assert await world.facts(ended) == facts


async def test_s8_parameters_over_the_limit_fail_before_the_call(world: Stage, connections: FakeConnections) -> None:
    steps = "- {id: a, action: api.call, with: {text: '{{ alert.raw.log }}'}}"
    limit = 256 * 1024
    for size, state in ((limit - 100, "succeeded"), (limit + 1, "failed")):
        execution = await world.open(playbook(steps), {**ALERT, "raw": {"log": "x" * size}})
        ended = await world.finish(execution)
        assert ended.state == state
        assert len(connections.called("api.call")) == 1, "the small one only"
    assert ended.error is not None
    assert ended.error["kind"] == "too_large"
    assert "parameters are" in ended.error["message"]


async def test_s8_a_big_result_is_an_artefact_that_templates_see_whole(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.read", {"log": "y" * 100_000})
    steps = "- {id: r, action: api.read}\n- {id: w, wait: {for: 1h}}\n"
    steps += "- {id: a, action: api.call, with: {n: '{{ steps.r.output.log | length }}'}}"
    execution = await begun(world, steps)
    await world.restart()
    assert (await world.finish(execution)).state == "succeeded"
    assert connections.called("api.call")[0].inputs == {"n": 100_000}


async def test_s10_nothing_had_begun_and_finally_does_not_run(world: Stage, connections: FakeConnections) -> None:
    rest = "finally: [{id: f, action: api.call}]\n"
    execution = await world.open(playbook("- {id: a, action: api.call}", rest), ALERT)
    await tell(world, execution, "cancel")
    await world.restart()
    assert (await world.finish(execution)).state == "cancelled"
    assert connections.calls == []


@pytest.mark.parametrize(("moment", "waits"), [("2026-03-01T11:00:00Z", False), ("2026-03-01T13:00:00Z", True)])
async def test_s14_until_is_evaluated_once_and_the_past_passes_at_once(
    world: Stage, connections: FakeConnections, moment: str, waits: bool
) -> None:
    wait = "- {id: w, wait: {until: 'MOMENT'}}\n- {id: a, action: api.call}".replace("'MOMENT'", f"\"'{moment}'\"")
    execution = await begun(world, wait)
    assert ((await stands(world, execution)).state == "parked") is waits
    await world.restart()
    ended = await world.finish(execution)
    assert ended.state == "succeeded"
    assert len([fact for fact in await world.facts(execution) if (fact.path, fact.kind) == ("w", "chosen")]) == 1


async def test_s14_the_oldest_matching_event_since_it_opened_that_it_has_not_used(
    world: Stage, connections: FakeConnections
) -> None:
    await happens(world, 1, n=1)
    await world.run(until=world.clock.now() + 1_000)
    wait = "wait: {event: ticket.closed, match: {of: me}, timeout: 1h}"
    say = "action: api.call, with: {n: '{{ steps.%s.output.data.n }}'}"
    steps = f"- {{id: pause, wait: {{for: 10m}}}}\n- {{id: v, {wait}}}\n- {{id: w, {wait}}}\n"
    steps += f"- {{{say % 'v'}}}\n- {{{say % 'w'}}}"
    executions = [await begun(world, steps) for _ in range(2)]
    for number, whose in ((2, "you"), (3, "me"), (4, "me"), (5, "me")):
        await happens(world, number, n=number, of=whose)
    for execution in executions:
        assert (await world.finish(execution)).state == "succeeded"
    sent = [call.inputs["n"] for call in connections.called("api.call")]
    assert sorted(sent) == [3, 3, 4, 4], "one event serves any number of executions, and each of them once"


PARENT = "- {id: c, playbook: child}\n- {id: after, action: api.once}\n"


async def test_k05_a_parents_timeout_cancels_the_child_and_nothing_is_told_after_it(
    world: Stage, connections: FakeConnections
) -> None:
    loop = "steps: [{id: l, while: 'true', max_iterations: 100, steps: [{id: n, action: api.call}, {wait: {for: 2s}}]}]"
    parent, child = await calling(world, loop, "- {id: c, playbook: child, timeout: 5s}\n")
    ended = await world.finish(parent)
    assert (ended.state, (ended.error or {}).get("kind")) == ("failed", "timeout")
    assert (await stands(world, child)).state in ("cancelled", "failed")
    told = len(connections.called("api.call"))
    assert 0 < told <= 4
    await world.run(until=world.clock.now() + 3_600_000)
    assert len(connections.called("api.call")) == told


async def test_s15_a_cut_parent_waits_for_the_end_of_its_child(world: Stage, connections: FakeConnections) -> None:
    child = "steps: [{id: w, wait: {for: 1h}}]\nfinally: [{id: f, wait: {for: 30s}}, {id: g, action: api.call}]\n"
    parent, opened = await calling(world, child, PARENT)
    await tell(world, parent, "cancel")
    await world.run(until=world.clock.now() + 10_000)
    assert (await stands(world, parent)).finished_at is None
    assert (await world.finish(parent)).state == "cancelled"
    ends = [(await stands(world, one)).finished_at or 0 for one in (opened, parent)]
    assert ends == sorted(ends)
    assert [call.name for call in connections.calls] == ["api.call"], "its own finally, and nothing after it"


@pytest.mark.parametrize("word", ["stop", "fail"])
async def test_s13_stop_and_fail_in_a_sub_playbook_end_the_child(
    world: Stage, connections: FakeConnections, word: str
) -> None:
    child = f"steps: [{{id: e, {word}: enough}}, {{id: n, action: api.call}}]\n"
    steps = "- {id: c, playbook: child, on_failure: continue}\n- {id: after, action: api.once}\n"
    parent, opened = await calling(world, child, steps)
    ended = await world.finish(parent)
    assert (await stands(world, opened)).state == ("succeeded" if word == "stop" else "failed")
    assert ended.state == "succeeded"
    assert [call.name for call in connections.calls] == ["api.once"]


async def test_s15_the_deadline_is_the_earlier_of_both(world: Stage) -> None:
    wait = "steps: [{id: w, wait: {for: 5d}}]\n"
    for own, of_parent, hours in (("timeout: 1h\n", "timeout: 2h\n", 1), ("timeout: 3h\n", "timeout: 2h\n", 2)):
        parent, child = await calling(world, own + wait, PARENT, of_parent)
        assert child.deadline_at - parent.opened_at == hours * 3_600_000
        assert (await world.finish(parent)).state == "failed"


async def test_s15_a_child_runs_the_version_that_was_pinned_and_in_the_mode_of_its_parent(
    world: Stage, connections: FakeConnections
) -> None:
    child = parse_playbook(f"id: child\n{HEAD}steps: [{{id: old, action: api.call}}]\n", "child.yaml")
    newer = parse_playbook(f"id: child\n{HEAD}steps: [{{id: new, action: api.once}}]\n", "child.yaml")
    await world.keep(child)
    execution = await world.open(
        playbook("- {id: w, wait: {for: 1h}}\n- {id: c, playbook: child}\n"), ALERT, pins={"child": child.digest}
    )
    await world.run(until=world.clock.now() + 1_000)
    await world.keep(newer)
    assert (await world.finish(execution)).state == "succeeded"
    assert connections.names() == ["api.call"]
    for mode in ("dry_run", "shadow"):
        parent, opened = await calling(world, "steps: [{id: a, action: api.call}]\n", PARENT, mode=mode)
        assert opened.mode == mode
        await world.finish(parent)
    assert connections.names() == ["api.call"]


async def test_s15_executions_open_executions_five_deep_and_no_deeper(
    world: Stage, connections: FakeConnections
) -> None:
    names = [f"p{number}" for number in range(7)]
    books = []
    for number, name in enumerate(names):
        step = f"{{id: c, playbook: p{number + 1}}}" if number < 6 else "{id: a, action: api.call}"
        books.append(parse_playbook(f"id: {name}\n{HEAD}steps: [{step}]\n", f"{name}.yaml"))
        await world.keep(books[-1])
    pins = {book.id: book.digest for book in books}
    ended = await world.finish(await world.open(books[0], ALERT, pins=pins))
    assert (ended.state, (ended.error or {})["kind"]) == ("failed", "child")
    assert "5 is the limit" in ended.error["message"]  # type: ignore[index]
    assert connections.calls == []
    shallow = await world.finish(await world.open(books[1], ALERT, pins=pins))
    assert shallow.state == "succeeded"


async def test_s16_the_time_of_an_execution_runs_over_a_pause_too(world: Stage, connections: FakeConnections) -> None:
    execution = await begun(world, "- {id: w, wait: {for: 10m}}\n- {id: a, action: api.call}", "timeout: 1h\n")
    await tell(world, execution, "pause")
    await world.run(until=world.clock.now() + 2 * 3_600_000)
    ended = await stands(world, execution)
    assert (ended.state, (ended.error or {}).get("kind")) == ("failed", "timeout")
    assert connections.calls == []


async def test_s16_a_call_has_no_more_time_than_its_step_has_left(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.read", Answer.error("unavailable"))
    steps = "- {id: r, action: api.read, timeout: 10s, retry: {attempts: 3, delay: 4s, backoff: fixed}}"
    await run(world, steps, **ALERT)
    given = [call.timeout for call in connections.called("api.read")]
    assert given[0] <= 10
    assert given == sorted(given, reverse=True)
    assert given[-1] <= 2


LIMITED = "concurrency: {key: one, limit: 1, when_full: RULE}\nsteps: [{id: w, wait: {for: 1h}}, {action: api.call}]\n"


@pytest.mark.parametrize(
    ("rule", "first_state", "second_state"),
    [
        ("queue", "succeeded", "succeeded"),
        ("skip", "succeeded", "failed"),
        ("cancel_oldest", "failed", "succeeded"),
    ],
)
async def test_s18_a_sub_playbook_has_a_slot_of_its_own(
    world: Stage, connections: FakeConnections, rule: str, first_state: str, second_state: str
) -> None:
    first, _ = await calling(world, LIMITED.replace("RULE", rule), PARENT)
    second, child = await calling(world, LIMITED.replace("RULE", rule), PARENT)
    if rule == "queue":
        assert ((await stands(world, child)).state, (await stands(world, child)).awaiting) == ("parked", "slot")
    await world.run(until=world.clock.now() + 3 * 3_600_000)
    assert [(await stands(world, one)).state for one in (first, second)] == [first_state, second_state]
    assert len(connections.called("api.call")) == (2 if rule == "queue" else 1)


async def test_s18_a_child_does_not_wait_for_a_slot_that_its_ancestor_holds(
    world: Stage, connections: FakeConnections
) -> None:
    child = "concurrency: {key: one, limit: 1}\nsteps: [{id: a, action: api.call}]\n"
    parent, opened = await calling(world, child, PARENT, slot_key="child:one", slot_limit=1)
    assert opened.slot_key == "child:one"
    assert (await world.finish(parent)).state == "succeeded"
    assert connections.names() == ["api.call", "api.once"]


async def test_s18_a_child_whose_key_is_empty_is_not_opened_and_its_step_says_why(
    world: Stage, connections: FakeConnections
) -> None:
    book = parse_playbook(
        f"id: child\n{HEAD}concurrency: {{key: '{{{{ alert.title }}}}'}}\nsteps: [{{action: api.call}}]\n", "child.yaml"
    )
    await world.keep(book)
    parent = await world.open(playbook(PARENT), {**ALERT, "title": " "}, pins={"child": book.digest})
    ended = await world.finish(parent)
    assert (ended.state, "concurrency key is empty" in (ended.error or {})["message"]) == ("failed", True)
    assert connections.calls == []


async def test_k08_a_step_that_fails_without_a_handler_fails_the_execution_and_its_record_agrees(
    world: Stage, connections: FakeConnections
) -> None:
    world.wanted = lambda name: name.startswith("execution.")
    connections.script("api.once", Answer.error("refused", "no such thing"))
    ended = await run(world, "- {id: a, action: api.once}\n- {id: b, action: api.call}", **ALERT)
    assert ended.state == "failed"
    assert ended.error == {"step": "a", "kind": "refused", "message": "no such thing"}
    assert await statuses(world, ended) == {"a": "failed"}
    (event,) = await world.store.events.since("execution.*", 0, 0)
    assert (event.name, event.data["state"]) == ("execution.failed", "failed")
    (entry,) = (await world.store.audit.page(f"execution:{ended.id}")).items
    assert (entry.action, entry.data["error"]["step"]) == ("execution.failed", "a")
