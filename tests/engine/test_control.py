"""Cancel, pause, cuts: what people and limits do to an execution under way (S10, S22, S23)."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from soar.ids import new_id
from soar.model.action import ActionCall, Outcome
from soar.model.execution import Execution
from soar.store.units import Signal
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage
from tests.engine.conftest import playbook, run, statuses

ALERT = {"severity": "high", "src_ip": "203.0.113.9"}


async def tell(world: Stage, execution: Execution, kind: Any, **data: Any) -> None:
    given = {"by": "person:ana", "reason": "a test", **data}
    await world.store.executions.signal(Signal(new_id(), execution.id, kind, given, world.clock.now()))


async def opened(world: Stage, steps: str, rest: str = "") -> Execution:
    execution = await world.open(playbook(steps, rest), ALERT)
    await world.run(until=world.clock.now() + 1_000)
    return execution


async def test_s23_a_cancel_ends_what_waits_and_starts_nothing_more(world: Stage, connections: FakeConnections) -> None:
    steps = "- {id: w, wait: {for: 1h}}\n- {id: after, action: api.call}"
    execution = await opened(world, steps, "finally: [{id: f, action: api.call, with: {text: bye}}]\n")
    await tell(world, execution, "cancel")
    ended = await world.finish(execution)
    assert ended.state == "cancelled"
    assert ended.error is not None
    assert "person:ana" in ended.error["message"]
    assert await statuses(world, execution) == {"w": "cancelled", "finally/f": "succeeded"}
    assert [call.inputs for call in connections.called("api.call")] == [{"text": "bye"}]


async def test_s10_on_cancel_on_failure_does_not_run(world: Stage, connections: FakeConnections) -> None:
    execution = await opened(world, "- {id: w, wait: {for: 1h}}", "on_failure: [{id: f, action: api.call}]\n")
    await tell(world, execution, "cancel")
    assert (await world.finish(execution)).state == "cancelled"
    assert connections.calls == []


async def test_s10_a_second_cancel_cuts_finally_too(world: Stage) -> None:
    rest = "finally: [{id: f, wait: {for: 5m}}, {id: g, action: api.call}]\n"
    execution = await opened(world, "- {id: w, wait: {for: 1h}}", rest)
    await tell(world, execution, "cancel")
    await world.run(until=world.clock.now() + 1_000)
    assert (await world.store.executions.get(execution.id)).state == "parked"
    await tell(world, execution, "cancel")
    assert (await world.finish(execution)).state == "cancelled"
    assert "finally/g" not in await statuses(world, execution)


async def test_s34_a_cancel_with_undo_lifts_what_is_held(world: Stage, connections: FakeConnections) -> None:
    block = "- {id: b, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}"
    steps = f"{block}\n- {{id: w, wait: {{for: 1h}}}}"
    execution = await opened(world, steps)
    await tell(world, execution, "cancel", undo=True)
    ended = await world.finish(execution)
    assert ended.state == "cancelled"
    assert connections.names() == ["gateway.block_ip", "gateway.unblock_ip"]
    assert (await world.store.containments.page()).items[0].state == "lifted"


async def test_s34_an_undo_step_lifts_and_waits_for_it(world: Stage, connections: FakeConnections) -> None:
    steps = """
    - id: contain
      steps: [{id: b, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}]
    - {id: u, undo: [contain]}
    - {id: after, action: api.call, with: {n: "{{ steps.u.output.lifted }}"}}
    """
    ended = await run(world, steps, **ALERT)
    assert ended.state == "succeeded"
    assert connections.names() == ["gateway.block_ip", "gateway.unblock_ip", "api.call"]
    assert connections.called("api.call")[0].inputs == {"n": 1}


async def test_s34_an_undo_of_what_did_not_run_does_nothing(world: Stage, connections: FakeConnections) -> None:
    steps = """
    - {id: b, when: 'false', action: gateway.block_ip, with: {ip: 203.0.113.9}}
    - {id: u, undo: [b]}
    """
    assert (await run(world, steps, **ALERT)).state == "succeeded"
    assert connections.calls == []


async def test_s22_a_changing_call_that_is_cut_gets_half_a_second_and_then_one_look(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("gateway.block_ip", Answer.done({"ok": True}, after=20))
    steps = """
    - id: race
      join: any
      parallel:
        - {id: slow, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 1h}}
        - {id: quick, wait: {for: 2s}}
    """
    begun = world.clock.now()
    ended = await run(world, steps, **ALERT)
    assert ended.state == "succeeded"
    # It was made, verify says so: succeeded, also after its time; and it stays in the ledger.
    assert (await statuses(world, ended))["race/slow"] == "succeeded"
    assert ended.finished_at is not None
    assert ended.finished_at - begun <= 3_000
    assert [call.kind for call in connections.calls] == ["perform", "verify"]
    assert (await world.store.containments.page()).items[0].state == "held"


async def test_s22_what_nobody_can_tell_stays_a_question_beside_the_ended_execution(
    world: Stage, connections: FakeConnections
) -> None:
    sent = asyncio.Event()

    async def never_answered(_call: ActionCall) -> Outcome:
        sent.set()
        await asyncio.Event().wait()
        raise AssertionError

    connections.perform = never_answered  # type: ignore[method-assign]
    execution = await world.open(playbook("- {id: a, action: api.once}\n- {id: b, action: api.call}"), ALERT)
    working = asyncio.ensure_future(world.finish(execution))
    await sent.wait()
    await tell(world, execution, "cancel")
    await world.engine.look()
    ended = await working
    assert ended.state == "cancelled"
    assert (await statuses(world, execution))["a"] == "outcome_unknown"
    assert len((await world.store.questions.page()).items) == 1


async def test_s23_a_pause_starts_nothing_and_a_resume_goes_on(world: Stage, connections: FakeConnections) -> None:
    execution = await opened(world, "- {id: w, wait: {for: 1m}}\n- {id: a, action: api.call}")
    await tell(world, execution, "pause")
    await world.run(until=world.clock.now() + 120_000)
    stands = await world.store.executions.get(execution.id)
    assert (stands.state, stands.awaiting) == ("parked", "person")
    assert connections.calls == []
    await tell(world, execution, "resume")
    assert (await world.finish(execution)).state == "succeeded"
    assert connections.names() == ["api.call"]


async def test_k04_cancelled_right_after_the_start_a_hundred_times(world: Stage, connections: FakeConnections) -> None:
    book = playbook("- {id: r, action: api.read}\n- {id: w, wait: {for: 1h}}\n- {id: a, action: api.call}")
    opened = [await world.open(book, ALERT) for _ in range(100)]
    for execution in opened:
        await tell(world, execution, "cancel")
    await world.engine.look()
    await world.run(until=world.clock.now() + 10_000)
    states = [(await world.store.executions.get(execution.id)).state for execution in opened]
    assert states == ["cancelled"] * 100
    assert connections.called("api.call") == []


@pytest.mark.parametrize("restart", [False, True])
async def test_c01_a_timeout_counts_across_a_restart(world: Stage, connections: FakeConnections, restart: bool) -> None:
    handler = "{id: h, action: api.call, with: {text: '{{ error.kind }}'}}"
    steps = f"- {{id: w, timeout: 1m, wait: {{for: 1h}}, on_failure: [{handler}]}}"
    execution = await opened(world, steps)
    if restart:
        await world.restart()
    begun = world.clock.now()
    assert (await world.finish(execution)).state == "succeeded"
    assert connections.called("api.call")[0].inputs == {"text": "timeout"}  # K11
    assert world.clock.now() - begun <= 61_000


async def test_s11_branches_run_at_once_and_a_restart_in_the_middle_does_none_twice(
    world: Stage, connections: FakeConnections
) -> None:
    steps = """
    - id: all
      parallel:
        - {id: a, steps: [{id: a1, action: api.call}, {id: aw, wait: {for: 10m}}, {id: a2, action: api.call}]}
        - {id: b, steps: [{id: b1, action: api.call}, {id: bw, wait: {for: 20m}}, {id: b2, action: api.call}]}
    """
    execution = await opened(world, steps)
    for minutes in (5, 15):
        await world.run(until=execution.opened_at + minutes * 60_000)
        await world.restart()
    assert (await world.finish(execution)).state == "succeeded"
    assert len({call.key for call in connections.calls}) == len(connections.calls) == 4


async def test_s36_a_dry_run_sends_no_change_and_waits_for_nothing(world: Stage, connections: FakeConnections) -> None:
    steps = """
    - {id: r, action: api.read}
    - {id: w, wait: {for: 1h}}
    - id: c
      approval: {message: ok?, approvers: {group: soc}, timeout: 1h}
      steps: [{id: b, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 1h}}, {id: u, undo: [b]}]
    """
    execution = await world.open(playbook(steps), ALERT, mode="dry_run")
    ended = await world.finish(execution)
    assert ended.state == "succeeded"
    assert [call.name for call in connections.calls] == ["api.read"]
    assert (await world.store.containments.page()).items == []
    outcome = next(fact for fact in await world.facts(execution) if fact.path == "c/b")
    assert outcome.data["simulated"] is True
