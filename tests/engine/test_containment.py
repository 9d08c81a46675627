"""What is contained is taken back: on time, across restarts, by hand (S30, S31, S33)."""

from __future__ import annotations

from soar.store import ContainmentFilter
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage

from .conftest import playbook, run

BLOCK = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}\n"
HOUR = 3_600_000


async def _only(world: Stage) -> object:
    page = await world.store.containments.page(ContainmentFilter(), None, 10)
    (containment,) = page.items
    return containment


async def test_a_block_lifts_itself_after_a_day_also_across_a_restart(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK, title="Token replay")
    held = await _only(world)
    assert held.state == "held" and held.reason == "Token replay"  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + 12 * HOUR)
    await world.restart()
    assert connections.names() == ["gateway.block_ip"]
    await world.run(until=world.clock.now() + 13 * HOUR)
    assert connections.names() == ["gateway.block_ip", "gateway.unblock_ip"]
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_s31_two_executions_hold_one_containment_and_the_last_lets_go(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + 12 * HOUR)
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + 13 * HOUR)
    assert (await _only(world)).state == "held"  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + 12 * HOUR)
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_s33_a_lift_is_tried_until_the_gateway_answers(world: Stage, connections: FakeConnections) -> None:
    connections.script_undo("gateway.unblock_ip", Answer.error("unavailable"), Answer.error("unknown"), Answer.done({}))
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + 25 * HOUR)
    assert connections.names().count("gateway.unblock_ip") == 3
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_s33_a_lift_that_is_refused_is_stuck_and_a_person_may_try_again(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script_undo("gateway.unblock_ip", Answer.error("refused", "locked"), Answer.done({}))
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + 25 * HOUR)
    stuck = await _only(world)
    assert stuck.state == "stuck"  # type: ignore[attr-defined]
    await world.store.containments.lift(stuck.id, "person:ana", "unlocked now", world.clock.now())  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + HOUR)
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_a_person_lifts_early_and_the_timer_finds_nothing_to_do(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    held = await _only(world)
    await world.store.containments.lift(held.id, "person:ana", "false alarm", world.clock.now())  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + 48 * HOUR)
    assert connections.names() == ["gateway.block_ip", "gateway.unblock_ip"]
    lifted = await _only(world)
    assert (lifted.state, lifted.lifted_by) == ("lifted", "person:ana")  # type: ignore[attr-defined]


async def test_s30_what_was_refused_is_voided_and_never_lifted(world: Stage, connections: FakeConnections) -> None:
    connections.script("gateway.block_ip", Answer.error("refused", "protected"))
    await run(world, BLOCK)
    assert (await _only(world)).state == "voided"  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + 25 * HOUR)
    assert connections.names() == ["gateway.block_ip"]


async def test_s21_given_up_stays_suspected_and_is_verified_when_it_is_due(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("gateway.loose", Answer.error("lost"))
    steps = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, retry: {attempts: 1}, undo: {after: 1h}}\n"
    execution = await world.open(playbook(steps), {})
    await world.run(until=world.clock.now() + 60_000)
    assert (await _only(world)).state == "suspected"  # type: ignore[attr-defined]
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "give_up", "person:ana", "cannot tell", world.clock.now())
    done = await world.finish(execution)
    assert done.state == "failed"
    await world.run(until=world.clock.now() + 2 * HOUR)
    assert "gateway.tighten" in connections.names()
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_s31_a_call_made_again_after_its_suspected_containment_was_lifted_is_held_anew(
    world: Stage, connections: FakeConnections
) -> None:
    """The change was never known to be made; its time came, it was taken back, and then a person said: do it again."""
    connections.script("gateway.loose", Answer.error("lost"), {"ok": True})
    steps = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, retry: {attempts: 1}, undo: {after: 1h}}\n"
    execution = await world.open(playbook(steps), {})
    await world.run(until=world.clock.now() + 2 * HOUR)
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "again", "person:ana", "needed", world.clock.now())
    assert (await world.finish(execution)).state == "succeeded"
    found = (await world.store.containments.page()).items
    assert [one.state for one in found] == ["held", "lifted"]
    await world.run(until=world.clock.now() + 2 * HOUR)
    assert [one.state for one in (await world.store.containments.page()).items] == ["lifted", "lifted"]
    assert connections.names().count("gateway.tighten") == 2


async def test_s33_no_expiry_lets_go_of_a_call_that_is_made_again(world: Stage, connections: FakeConnections) -> None:
    connections.script("gateway.loose", Answer.error("lost"), Answer.done({"ok": True}, after=20))
    steps = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, retry: {attempts: 1}, undo: {after: 1h}}\n"
    execution = await world.open(playbook(steps), {})
    await world.run(until=world.clock.now() + HOUR - 10_000)
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "again", "person:ana", "needed", world.clock.now())
    assert (await world.finish(execution)).state == "succeeded"
    assert connections.names() == ["gateway.loose", "gateway.loose"]
    assert (await _only(world)).state == "held"  # type: ignore[attr-defined]


async def test_s21_a_try_that_did_nothing_says_nothing_of_an_earlier_one_without_an_answer(
    world: Stage, connections: FakeConnections
) -> None:
    """The first try may have blocked: the containment stays suspected, and a person is asked in the end."""
    connections.script("gateway.loose", Answer.error("lost"), Answer.error("unavailable"))
    steps = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, retry: {attempts: 3, delay: 30s}}\n"
    execution = await world.open(playbook(steps), {})
    await world.run(until=world.clock.now() + HOUR)
    assert (await world.store.executions.get(execution.id)).awaiting == "person"
    assert len(connections.called("gateway.loose")) == 3
    assert (await _only(world)).state == "suspected"  # type: ignore[attr-defined]
    (question,) = (await world.store.questions.page()).items
    assert "an earlier try, which had no answer, may have happened" in question.message


async def test_s21_a_refused_repeat_under_its_key_ends_the_step_and_what_it_may_contain_is_taken_back(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("gateway.loose", Answer.error("lost"), Answer.error("refused", "the list is full"))
    steps = "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, retry: {delay: 30s}, undo: {after: 2h}}\n"
    execution = await world.open(playbook(steps), {})
    done = await world.finish(execution)
    assert (done.state, (done.error or {})["kind"]) == ("failed", "refused")
    assert (await _only(world)).state == "suspected"  # type: ignore[attr-defined]
    await world.run(until=world.clock.now() + 3 * HOUR)
    assert connections.names().count("gateway.tighten") == 1
    assert (await _only(world)).state == "lifted"  # type: ignore[attr-defined]


async def test_s21_a_refused_repeat_of_what_is_known_to_be_absent_is_refused(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("gateway.block_ip", Answer.error("lost", happened=False), Answer.error("refused", "list full"))
    execution = await world.open(playbook(BLOCK), {"src_ip": "203.0.113.9"})
    done = await world.finish(execution)
    assert (done.state, (done.error or {})["kind"]) == ("failed", "refused")
    assert len(connections.called("gateway.block_ip")) == 2
    assert {one.state for one in (await world.store.containments.page()).items} == {"voided"}
