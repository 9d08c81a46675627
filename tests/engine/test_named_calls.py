"""Rules of calls, requests and the ledger that no other test names (S20-S22, S26-S36, S40-S43; K15)."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from soar.engine.pending import Pending
from soar.engine.writing import Writing
from soar.errors import LeaseLost, StoreUnavailable
from soar.model.execution import Execution
from soar.playbook import parse_playbook
from soar.store.units import ExecutionUnit
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage
from tests.engine.conftest import playbook, run, statuses
from tests.engine.test_control import ALERT
from tests.engine.test_named_waits import HEAD, begun, stands
from tests.property.interpreter import new_history

BLOCK = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}\n"
HOUR = 3_600_000


async def test_s20_reading_calls_cost_no_commit_of_their_own(world: Stage, monkeypatch: pytest.MonkeyPatch) -> None:
    commits = 0
    original = world.store.executions.commit

    async def counted(unit: ExecutionUnit) -> bool:
        nonlocal commits
        commits += 1
        return await original(unit)

    monkeypatch.setattr(world.store.executions, "commit", counted)
    await run(world, "".join(f"- {{id: r{number}, action: api.read}}\n" for number in range(5)), **ALERT)
    assert commits == 1


@pytest.mark.parametrize(("late", "owner"), [(1.9, "another"), (2.1, "another"), (2.1, "ours")])
async def test_s20_a_call_that_starts_late_makes_sure_that_it_is_still_ours(
    world: Stage, late: float, owner: str
) -> None:
    book = playbook("- {id: a, action: api.call}")
    execution = await world.open(book, ALERT)
    around: Any = SimpleNamespace(store=world.store, clock=world.clock, written=lambda: None)
    writing = Writing(execution, new_history(book, [], world.clock.now()), around, Pending())
    await writing.commit(None)
    confirm = writing.confirmed(world.clock.monotonic())
    world.clock.move_to(world.clock.now() + round(late * 1_000))
    if owner == "another":
        await world.store.executions.commit(ExecutionUnit(execution.id, 1, take=True))
    if late > 2 and owner == "another":
        with pytest.raises(LeaseLost):
            await confirm()
    else:
        await confirm()


async def test_s20_s41_an_outcome_that_cannot_be_written_is_kept_and_nothing_new_starts_meanwhile(
    world: Stage, connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    original = world.store.executions.commit
    seen: list[int] = []

    async def failing(unit: ExecutionUnit) -> bool:
        """The disk is full for a while; once what was written is told to have failed."""
        if connections.calls and len(seen) < 3:
            seen.append(len(connections.calls))
            if len(seen) == 3:
                await original(unit)
            raise StoreUnavailable("the disk is full")
        return await original(unit)

    monkeypatch.setattr(world.store.executions, "commit", failing)
    execution = await world.open(playbook("- {id: a, action: api.once}\n- {id: b, action: api.call}"), ALERT)
    working = asyncio.ensure_future(world.finish(execution))
    while not working.done():
        await asyncio.sleep(0)
        if len(seen) < 4 and world.clock.next_wake is not None:
            world.clock.move_to(world.clock.next_wake)
    assert seen == [1, 1, 1], "no call while its outcome is not on disk"
    await world.restart()
    monkeypatch.undo()
    ended = await world.finish(execution)
    assert ended.state == "succeeded"
    assert connections.names() == ["api.once", "api.call"]


@pytest.mark.parametrize(("happened", "state"), [(True, "succeeded"), (False, "failed")])
async def test_s22_cut_by_its_timeout_one_look_tells_what_a_change_came_to(
    world: Stage, connections: FakeConnections, happened: bool, state: str
) -> None:
    connections.script("gateway.block_ip", Answer(Answer.done({"ok": True}).outcome, happened, after=3_600.0))
    ended = await run(world, BLOCK.replace("undo:", "timeout: 10s, undo:"), **ALERT)
    assert ended.state == state
    assert (await statuses(world, ended))["block"] == state
    assert [call.kind for call in connections.calls] == ["perform", "verify"]
    assert connections.calls[1].timeout <= 10
    if not happened:
        assert (ended.error or {})["kind"] == "timeout"


async def test_s26_a_connection_that_leads_elsewhere_voids_the_answer_and_is_asked_again(
    world: Stage, connections: FakeConnections
) -> None:
    from tests.engine.test_named_rules import request, vote

    steps = "- {id: a, approval: {message: sure, timeout: 1h, approvers: {required: 2}}, action: api.call}"
    execution = await begun(world, steps.replace(", approvers: {required: 2}", ""))
    first = await request(world, execution)
    connections.addresses["api"] = "https://elsewhere.example"
    await vote(world, first)
    assert connections.calls == []
    second = await request(world, execution)
    assert (second.path, second.round, second.votes) == ("a", 2, ())
    assert second.digest != first.digest
    await vote(world, second)
    assert connections.names() == ["api.call"]


async def test_s30_what_is_held_and_still_there_is_joined_without_a_call(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    await run(world, BLOCK)
    assert connections.names() == ["gateway.block_ip"]
    assert len(connections.called("gateway.block_ip", "verify")) == 1
    (one,) = (await world.store.containments.page()).items
    assert [hold.state for hold in one.holds] == ["live", "live"]


async def test_s30_what_is_gone_or_cannot_be_asked_about_gets_a_call_of_its_own_and_all_are_undone_newest_first(
    world: Stage, connections: FakeConnections
) -> None:
    loose = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9, n: NUMBER}, undo: {after: 24h}}\n"
    for number in (1, 2):
        await run(world, loose.replace("NUMBER", str(number)))
    keys = [call.key for call in connections.called("gateway.loose")]
    assert len(set(keys)) == 2
    await world.run(until=world.clock.now() + 25 * HOUR)
    undone = [call.inputs["n"] for call in connections.called("gateway.tighten")]
    assert undone == [2, 1]
    await run(world, BLOCK)
    connections.world.clear()
    await run(world, BLOCK)
    assert len(connections.called("gateway.block_ip")) == 2


async def test_s32_shadow_and_dry_run_are_no_rungs_and_joining_takes_the_one_that_stands(
    world: Stage, connections: FakeConnections
) -> None:
    ladder = BLOCK.replace("after: 24h", "after: [1h, 5h]")
    for mode in ("dry_run", "shadow"):
        await world.finish(await world.open(playbook(ladder), ALERT, mode=mode))
    await run(world, ladder)
    await run(world, ladder)
    (one,) = (await world.store.containments.page()).items
    assert (one.rung, (one.expires_at or 0) - one.started_at <= HOUR + 60_000) == (1, True)


@pytest.mark.parametrize(("verdict", "rung"), [("false_positive", 1), ("Benign", 1), ("true_positive", 2)])
async def test_s32_a_period_that_was_not_deserved_is_no_rung(world: Stage, verdict: str, rung: int) -> None:
    ladder = BLOCK.replace("after: 24h", "after: [1h, 5h]")
    await world.finish(await world.open(playbook(ladder), {**ALERT, "verdict": verdict}))
    await world.run(until=world.clock.now() + 25 * HOUR)
    await run(world, ladder)
    newest = (await world.store.containments.page()).items[0]
    assert newest.rung == rung


async def test_s34_an_undo_of_a_sub_playbook_lifts_all_that_it_holds(
    world: Stage, connections: FakeConnections
) -> None:
    steps = "".join(BLOCK.replace("block,", f"b{n},").replace("113.9", f"113.{n}") for n in (1, 2))
    book = parse_playbook(f"id: child\n{HEAD}steps:\n{steps}", "child.yaml")
    await world.keep(book)
    parent = playbook("- {id: c, playbook: child}\n- {id: u, undo: [c]}\n")
    ended = await world.finish(await world.open(parent, ALERT, pins={"child": book.digest}))
    assert ended.state == "succeeded"
    undone = [call.inputs["ip"] for call in connections.called("gateway.unblock_ip")]
    assert sorted(undone) == ["203.0.113.1", "203.0.113.2"]
    (fact,) = [one for one in await world.facts(ended) if (one.path, one.kind) == ("u", "ended")]
    assert fact.data["output"] == {"lifted": 2, "still_held": 0}


async def test_s36_a_shadow_waits_and_changes_nothing_and_tells_nobody(
    world: Stage, connections: FakeConnections
) -> None:
    world.wanted = lambda _: True
    steps = "- {id: r, action: api.read}\n- {id: w, wait: {for: 1h}}\n" + BLOCK
    execution = await world.open(playbook(steps), ALERT, mode="shadow")
    ended = await world.finish(execution)
    assert (ended.state, (ended.finished_at or 0) - ended.opened_at >= HOUR) == ("succeeded", True)
    assert [call.name for call in connections.calls] == ["api.read"]
    assert (await world.store.containments.page()).items == []
    assert await world.store.events.since("*", 0, 0) == []
    facts = await world.facts(ended)
    assert "attempt" not in [fact.kind for fact in facts]
    assert next(fact for fact in facts if fact.path == "block").data["simulated"] is True


async def test_s40_what_is_due_and_was_not_taken_and_holds_past_expiry_are_found_by_the_sweep(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    waiting = await begun(world, "- {id: w, wait: {for: 1h}}")
    await world.restart()
    world.clock.move_to(world.clock.now() + 30 * HOUR)
    await world.engine._sweep()
    await world.run(until=world.clock.now() + 1_000)
    assert (await stands(world, waiting)).state == "succeeded"
    assert connections.names() == ["gateway.block_ip", "gateway.unblock_ip"]


async def test_s43_one_timer_in_memory_for_a_hundred_that_are_parked(world: Stage) -> None:
    opened = [await begun(world, f"- {{id: w, wait: {{for: {number + 1}h}}}}") for number in range(100)]
    assert {(await stands(world, one)).state for one in opened} == {"parked"}
    assert (world.engine.active, world.engine.backlog, world.clock.sleeping) == (0, 0, 0)
    assert await world.engine.next_due() == min([(await stands(world, one)).due_at or 0 for one in opened])


async def test_k15_a_burst_larger_than_the_places_is_done_to_the_last_and_in_order(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.call", Answer.done({"ok": True}, after=2.0))
    world.engine._limits = type(world.engine._limits)(active=4)
    book = playbook("- {id: a, action: api.call, with: {n: '{{ alert.raw.n }}'}}")
    opened: list[Execution] = []
    for number in range(40):
        opened.append(await world.open(book, {**ALERT, "raw": {"n": number}}))
        world.clock.move_to(world.clock.now() + 1)
    begun_at = world.clock.now()
    await world.run()
    ended = [await stands(world, one) for one in opened]
    assert {one.state for one in ended} == {"succeeded"}
    sent = [call.inputs["n"] for call in connections.called("api.call")]
    assert sorted(sent) == list(range(40))
    assert all(abs(place - number) < 8 for place, number in enumerate(sent)), "first come, first served"
    assert world.clock.now() - begun_at <= 40 / 4 * 2_000 + 5_000
