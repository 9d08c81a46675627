"""What becomes of calls: retries, unknown outcomes, timeouts, restarts (S16, S17, S20, S21, S22)."""

from __future__ import annotations

import asyncio

from soar.model.action import ActionCall, Outcome
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage

from .conftest import playbook, run, statuses


async def test_s17_only_unavailable_is_tried_again_with_the_same_key(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("unavailable"), Answer.error("unavailable"), {"ok": 1})
    done = await run(world, "- {id: one, action: api.once}\n")
    assert done.state == "succeeded"
    calls = connections.called("api.once")
    assert len(calls) == 3 and len({call.key for call in calls}) == 1


async def test_s17_three_tries_unless_said_otherwise(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("unavailable", "down"))
    done = await run(world, "- {id: one, action: api.once}\n")
    assert done.state == "failed" and done.error is not None
    assert done.error["kind"] == "unavailable" and "3 times" in done.error["message"]
    assert len(connections.called("api.once")) == 3


async def test_s17_a_long_pause_parks_the_execution_and_survives_a_restart(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("unavailable"), {"ok": 1})
    execution = await world.open(playbook("- {id: one, action: api.once, retry: {attempts: 2, delay: 1h}}\n"), {})
    await world.run(until=world.clock.now() + 1000)
    stands = await world.store.executions.get(execution.id)
    assert (stands.state, stands.awaiting) == ("parked", "timer")
    await world.restart()
    done = await world.finish(execution)
    assert done.state == "succeeded"
    assert len(connections.called("api.once")) == 2


async def test_h01_a_lost_answer_is_asked_of_a_person_and_never_repeated(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("lost"))
    execution = await world.open(playbook("- {id: one, action: api.once}\n- {id: two, action: api.call}\n"), {})
    stands = await world.finish(execution)
    assert (stands.state, stands.awaiting) == ("parked", "person")
    assert await statuses(world, execution) == {"one": "outcome_unknown"}
    assert len(connections.called("api.once")) == 1
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "happened", "person:ana", "seen in the tracker", world.clock.now())
    done = await world.finish(execution)
    assert done.state == "succeeded"
    assert len(connections.called("api.once")) == 1


async def test_s21_a_person_may_say_do_it_again_and_the_key_stays(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("lost"), {"ok": 1})
    execution = await world.open(playbook("- {id: one, action: api.once}\n"), {})
    await world.finish(execution)
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "again", "person:ana", "not there", world.clock.now())
    assert (await world.finish(execution)).state == "succeeded"
    assert len({call.key for call in connections.called("api.once")}) == 1


async def test_s21_a_person_may_give_up(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("lost"))
    execution = await world.open(playbook("- {id: one, action: api.once}\n"), {})
    await world.finish(execution)
    (question,) = (await world.store.questions.page()).items
    await world.store.questions.answer(question.id, "give_up", "person:ana", "cannot tell", world.clock.now())
    done = await world.finish(execution)
    assert done.error is not None and done.error["kind"] == "outcome_unknown"


async def test_s21_an_unknown_outcome_is_verified(world: Stage, connections: FakeConnections) -> None:
    connections.script("gateway.block_ip", Answer.error("lost", happened=True))
    done = await run(world, "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}}\n")
    assert done.state == "succeeded"
    assert len(connections.called("gateway.block_ip")) == 1


async def test_s21_an_absent_change_is_repeated_only_after_a_second_look(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("gateway.block_ip", Answer.error("lost", happened=False), {"ok": 1})
    started = world.clock.now()
    done = await run(world, "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}}\n")
    assert done.state == "succeeded"
    assert len(connections.called("gateway.block_ip", "verify")) == 2
    assert len(connections.called("gateway.block_ip")) == 2
    assert world.clock.now() - started >= 32_000


class Hanging(FakeConnections):
    """The first call never answers; what it changed is the world's secret."""

    hang = True

    async def perform(self, call: ActionCall) -> Outcome:
        outcome = await super().perform(call)
        if self.hang:
            await asyncio.Event().wait()
        return outcome


async def _crash_during_the_call(world: Stage, connections: Hanging, steps: str) -> str:
    execution = await world.open(playbook(steps), {})
    working = asyncio.ensure_future(world.engine.settle())
    while not connections.calls:
        await asyncio.sleep(0)
    await world.restart()
    working.cancel()
    connections.hang = False
    return execution.id


async def test_s21_a_call_left_open_by_a_crash_is_repeated_with_its_key_when_it_is_idempotent(
    world: Stage, connections: FakeConnections
) -> None:
    hanging = Hanging(connections.actions)
    world.connections = hanging
    world.engine = world._new_engine()
    identity = await _crash_during_the_call(world, hanging, "- {id: one, action: api.call}\n")
    done = await world.finish(await world.store.executions.get(identity))
    assert done.state == "succeeded"
    calls = hanging.called("api.call")
    assert len(calls) == 2 and len({call.key for call in calls}) == 1


async def test_s21_c06_a_call_left_open_by_a_crash_is_never_repeated_blindly(
    world: Stage, connections: FakeConnections
) -> None:
    """C06: it is verified where that is possible, else a person is asked."""
    hanging = Hanging(connections.actions)
    world.connections = hanging
    world.engine = world._new_engine()
    steps = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}}\n- {id: one, action: api.once}\n"
    identity = await _crash_during_the_call(world, hanging, steps)
    done = await world.finish(await world.store.executions.get(identity))
    assert done.state == "succeeded"
    assert len(hanging.called("gateway.block_ip")) == 1


async def test_k11_a_timeout_reaches_the_failure_handler(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("unavailable"))
    done = await run(
        world,
        """
        - id: one
          action: api.once
          timeout: 10s
          retry: {attempts: 10, delay: 4s, backoff: fixed}
          on_failure: [{id: mend, action: api.call, with: {text: "{{ error.kind }}"}}]
        """,
    )
    assert done.state == "succeeded"
    assert connections.called("api.call")[0].inputs == {"text": "timeout"}
    assert len(connections.called("api.once")) == 3


async def test_c01_a_step_timeout_counts_across_a_restart(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("unavailable"))
    steps = "- {id: one, action: api.once, timeout: 30s, retry: {attempts: 50, delay: 20s, backoff: fixed}}\n"
    execution = await world.open(playbook(steps), {})
    opened = world.clock.now()
    await world.run(until=opened + 5_000)
    await world.restart()
    done = await world.finish(execution)
    assert done.error is not None and done.error["kind"] == "timeout"
    assert done.finished_at is not None and done.finished_at - opened <= 30_500


async def test_s22_an_unknown_outcome_cut_by_a_timeout_stays_a_question_beside_the_execution(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("lost"))
    steps = "- {id: one, action: api.once, timeout: 1m, on_failure: continue}\n- {id: two, action: api.call}\n"
    done = await run(world, steps)
    assert done.state == "succeeded"
    assert (await statuses(world, done))["one"] == "outcome_unknown"
    assert len((await world.store.questions.page()).items) == 1


async def test_s16_the_deadline_of_an_execution_ends_it(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("unavailable"))
    steps = "- {id: one, action: api.once, retry: {attempts: 100, delay: 10m, backoff: fixed}}\n"
    opened = world.clock.now()
    done = await run(world, steps, rest="timeout: 1h\non_failure: [{id: tell, action: api.call}]\n")
    assert done.state == "failed" and done.error is not None and done.error["kind"] == "timeout"
    assert done.finished_at is not None and done.finished_at - opened <= 3_601_000
    assert (await statuses(world, done))["on_failure/tell"] == "succeeded"


async def test_c12_an_execution_goes_on_with_the_version_it_started_with(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("unavailable"), {"ok": 1})
    execution = await world.open(playbook("- {id: one, action: api.once, retry: {delay: 1h}}\n"), {})
    await world.run(until=world.clock.now() + 1000)
    edited = playbook("- {id: zero, action: api.call}\n- {id: one, action: api.once}\n")
    await world.store.playbooks.keep([(edited.id, edited.digest, "under-test.yaml", edited.source)], edited.digest)
    await world.restart()
    done = await world.finish(execution)
    assert done.state == "succeeded" and done.playbook_digest != edited.digest
    assert await statuses(world, done) == {"one": "succeeded"}
