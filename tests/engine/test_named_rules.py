"""Rules of time, names, requests and safety nets, each by its number (S3, S7, S25, S40; C11, K07)."""

from __future__ import annotations

from typing import Any

import pytest

from soar.ids import derived_id, new_id
from soar.model.approval import Approval
from soar.model.execution import Execution
from soar.playbook import parse_playbook
from soar.store.units import Signal
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage
from tests.engine.conftest import playbook, statuses
from tests.engine.test_control import tell

ALERT = {"severity": "high", "src_ip": "203.0.113.9"}
CHILD = parse_playbook(
    "id: child\ntrigger: {match: {any: {severity|exists: true}}}\n"
    "steps: [{id: rest, wait: {for: 1h}}, {id: say, action: api.call}]\n",
    "child.yaml",
)


async def begun(world: Stage, steps: str, rest: str = "", **more: Any) -> Execution:
    execution = await world.open(playbook(steps, rest), ALERT, **more)
    await world.run(until=world.clock.now() + 1_000)
    return await world.store.executions.get(execution.id)


async def calling(world: Stage, steps: str = "- {id: c, playbook: child}\n") -> Execution:
    await world.keep(CHILD)
    return await begun(world, steps, pins={"child": CHILD.digest})


async def request(world: Stage, execution: Execution) -> Approval:
    (one,) = [one for one in await world.store.approvals.of(execution.id) if one.settled_at is None]
    return one


async def test_s3_a_timer_that_has_come_is_a_fact_and_no_fact_is_older_than_the_one_before(world: Stage) -> None:
    execution = await begun(world, "- {id: w, wait: {for: 1h}}\n- {id: a, action: api.call}")
    assert [fact.kind for fact in await world.facts(execution)] == ["chosen"]
    await world.run()
    facts = await world.facts(execution)
    assert ("w", "due") in [(fact.path, fact.kind) for fact in facts]
    assert [fact.at for fact in facts] == sorted(fact.at for fact in facts)


async def test_s7_ids_of_what_an_execution_opens_follow_from_it(world: Stage, connections: FakeConnections) -> None:
    parent = await calling(world)
    (child,) = await world.store.executions.children(parent.id)
    assert child.id == derived_id(parent.id, "c")
    connections.script("api.once", Answer.error("unknown"))
    asked = await begun(world, "- {id: q, action: api.once}")
    (question,) = await world.store.questions.of(asked.id)
    waiting = await begun(world, "- {id: y, approval: {message: sure, timeout: 1h}}")
    found = await request(world, waiting)
    assert found.id == derived_id(waiting.id, "y", "approval", 1)
    for _ in range(3):
        await world.restart()
        await world.run(until=world.clock.now() + 1_000)
    assert len(await world.store.executions.children(parent.id)) == 1
    assert [one.id for one in await world.store.questions.of(asked.id)] == [question.id]
    assert [one.id for one in await world.store.approvals.of(waiting.id)] == [found.id]


GUARD = """\
- id: g
  approval: {message: sure, timeout: 1h}
  steps:
    - {id: first, action: api.call, with: {text: '{{ alert.src_ip }}'}}
    - {id: second, action: api.call, with: {text: '{{ steps.first.output.ok }}', n: 7}}
"""


async def test_s25_what_is_known_is_shown_as_value_and_the_rest_as_its_expression(
    world: Stage, connections: FakeConnections
) -> None:
    execution = await begun(world, GUARD)
    found = await request(world, execution)
    first, second = found.shown
    assert (first["values"], first["open"]) == ({"text": "203.0.113.9"}, {})
    assert second["values"] == {"n": 7}
    assert "steps.first.output.ok" in second["open"]["text"]
    await vote(world, found)
    assert [dict(call.inputs) for call in connections.called("api.call")] == [
        {"text": "203.0.113.9"},
        {"text": True, "n": 7},
    ]


async def vote(world: Stage, approval: Approval) -> None:
    from soar.model.approval import Vote

    now = world.clock.now()
    await world.store.approvals.vote(approval.id, Vote("ana", "approve", now, "cli", "ok"), now)
    await world.run(until=now + 1_000)


@pytest.mark.parametrize(
    "other",
    [
        GUARD.replace("n: 7", "n: 8"),
        GUARD.replace("steps.first.output.ok", "steps.first.output.no"),
        GUARD.replace("timeout: 1h}", "timeout: 1h, approvers: {required: 2}}"),
        GUARD.replace("action: api.call, with: {text: '{{ alert", "action: api.once, with: {text: '{{ alert"),
    ],
)
async def test_s25_the_digest_binds_values_expressions_actions_and_quorum(world: Stage, other: str) -> None:
    digests = [(await request(world, await begun(world, steps))).digest for steps in (GUARD, GUARD, other)]
    assert digests[0] == digests[1] != digests[2]


async def test_s25_a_target_that_was_open_is_asked_again_once_it_is_known(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.read", {"ip": "198.51.100.7"})
    steps = """\
- id: g
  approval: {message: sure, timeout: 1h}
  steps:
    - {id: look, action: api.read}
    - {id: b, action: gateway.block_ip, with: {ip: '{{ steps.look.output.ip }}'}, undo: {after: 1h}}
"""
    execution = await begun(world, steps)
    await vote(world, await request(world, execution))
    assert connections.called("gateway.block_ip") == []
    again = await request(world, execution)
    assert again.path == "g/b"
    assert again.shown[0]["values"] == {"ip": "198.51.100.7"}
    await vote(world, again)
    assert len(connections.called("gateway.block_ip")) == 1


async def test_s40_a_signal_whose_wake_up_was_lost_is_found_by_the_sweep(world: Stage) -> None:
    execution = await begun(world, "- {id: w, wait: {for: 1h}}")
    assert execution.state == "parked"
    sql = "INSERT INTO signals (id, execution_id, kind, data, at, taken) VALUES (?, ?, 'cancel', ?, ?, 0)"
    told = (new_id(), execution.id, '{"by": "person:ana", "reason": "x", "undo": false}', world.clock.now())
    await world.store._writer.run(lambda db: db.execute(sql, told).rowcount)
    await world.engine._sweep()
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(execution.id)).state == "cancelled"


async def test_s40_a_slot_that_is_free_with_somebody_waiting_is_found_by_the_sweep(world: Stage) -> None:
    waiting = await world.open(playbook("- {id: a, action: api.call}"), ALERT, slot_key="x:1", slot_limit=1)
    sql = "UPDATE executions SET state = 'parked', awaiting = 'slot', waits_for_slot = 1 WHERE id = ?"
    await world.store._writer.run(lambda db: db.execute(sql, (waiting.id,)).rowcount)
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(waiting.id)).awaiting == "slot"
    await world.engine._sweep()
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(waiting.id)).state == "succeeded"


@pytest.mark.parametrize(
    "steps",
    [
        "- {id: a, wait: {for: 1h}}",
        "- {id: a, wait: {event: never.told, timeout: 2h}}",
        "- {id: a, approval: {message: sure, timeout: 1h}}",
        "- {id: a, action: api.once}",
        "- {id: a, action: api.call, retry: {attempts: 5, delay: 10m}}",
        "- {id: a, parallel: [{id: b, wait: {for: 1h}}, {id: c, approval: {message: sure, timeout: 1h}}]}",
    ],
)
@pytest.mark.parametrize("paused", [False, True])
async def test_c11_after_a_restart_what_waits_in_any_state_can_be_cancelled(
    world: Stage, connections: FakeConnections, steps: str, paused: bool
) -> None:
    connections.script("api.once", Answer.error("unknown"))
    connections.script("api.call", Answer.error("unavailable"))
    execution = await begun(world, steps)
    if paused:
        await tell(world, execution, "pause")
        await world.run(until=world.clock.now() + 1_000)
    await world.restart()
    await tell(world, execution, "cancel")
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(execution.id)).state == "cancelled"


async def test_c11_what_ran_when_the_process_died_can_be_cancelled(world: Stage) -> None:
    execution = await world.open(playbook("- {id: a, action: api.call}\n- {id: w, wait: {for: 1h}}"), ALERT)
    sql = "UPDATE executions SET state = 'running', epoch = 1 WHERE id = ?"
    await world.store._writer.run(lambda db: db.execute(sql, (execution.id,)).rowcount)
    await world.restart()
    await tell(world, execution, "cancel")
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(execution.id)).state == "cancelled"


async def test_k07_the_parent_of_a_child_cancelled_alone_follows_its_failure_path(
    world: Stage, connections: FakeConnections
) -> None:
    steps = "- {id: c, playbook: child, on_failure: [{id: h, action: api.call, with: {text: '{{ error.kind }}'}}]}\n"
    parent = await calling(world, steps)
    (child,) = await world.store.executions.children(parent.id)
    await tell(world, child, "cancel")
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(child.id)).state == "cancelled"
    ended = await world.finish(parent)
    assert ended.state == "succeeded"  # its handler has dealt with it
    assert (await statuses(world, parent))["c"] == "failed"
    assert [call.inputs for call in connections.called("api.call")] == [{"text": "child"}]


async def test_k07_the_parent_waits_for_no_signal_that_does_not_come(world: Stage) -> None:
    parent = await calling(world)
    (child,) = await world.store.executions.children(parent.id)
    given = {"by": "person:ana", "reason": "alone", "undo": False}
    await world.store.executions.signal(Signal(new_id(), child.id, "cancel", given, world.clock.now()))
    await world.restart()
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(parent.id)).state == "failed"
