"""What kills its process three times is set aside, the others go on, and a person decides (S24).

Here a process dies by being dropped while the deadly call is under way; tests/crash kills real ones.
"""

from __future__ import annotations

import asyncio

import pytest

from soar.errors import Conflict
from soar.model.action import ActionCall, Outcome
from soar.model.execution import Execution, Question
from soar.store import ContainmentFilter
from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage

from .conftest import playbook, statuses

DEADLY = "- {id: look, action: api.read, with: {text: deadly}}\n- {id: call, action: api.call, with: {n: 1}}\n"
HARMLESS = "- {id: look, action: api.read, with: {text: harmless}}\n- {id: call, action: api.call, with: {n: 2}}\n"
MINUTE = 60_000


class Deadly:
    """Calls with the text `deadly` never end, as long as it is on; the process is to be dropped then."""

    def __init__(self, connections: FakeConnections) -> None:
        self.on = True
        self.began = asyncio.Event()
        self.beside: list[int] = []
        """How many other calls were under way when it was called."""
        self._perform = connections.perform
        self._under_way = 0
        connections.perform = self.perform  # type: ignore[method-assign]

    async def perform(self, call: ActionCall) -> Outcome:
        if self.on and call.inputs.get("text") == "deadly":
            self.beside.append(self._under_way)
            self.began.set()
            await asyncio.Event().wait()
        self._under_way += 1
        try:
            await asyncio.sleep(0)
            return await self._perform(call)
        finally:
            self._under_way -= 1


@pytest.fixture
def deadly(connections: FakeConnections) -> Deadly:
    return Deadly(connections)


async def die(world: Stage, deadly: Deadly) -> None:
    """Work until the deadly call is under way, and drop the process."""
    deadly.began.clear()
    await world.engine.scan()
    await asyncio.wait_for(deadly.began.wait(), 5)
    await world.restart()


async def set_aside(world: Stage, deadly: Deadly, steps: str = DEADLY) -> Execution:
    execution = await world.open(playbook(steps), {})
    for _ in range(3):
        await die(world, deadly)
    await world.run(until=world.clock.now() + MINUTE)
    return await world.store.executions.get(execution.id)


async def question(world: Stage) -> Question:
    (one,) = (await world.store.questions.page()).items
    return one


async def test_s24_after_three_deaths_it_is_set_aside_and_a_person_is_asked(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    world.wanted = lambda name: name == "execution.poisoned"
    one = await set_aside(world, deadly)
    assert (one.state, one.awaiting, one.due_at) == ("parked", "person", None)
    assert len(deadly.beside) == 3
    asked = await question(world)
    assert (asked.execution_id, asked.path) == (one.id, "") and "three times" in asked.message
    (event,) = await world.store.events.since("execution.poisoned", 0, 0)
    assert event.data["execution"] == one.id
    trail = (await world.store.audit.page(f"execution:{one.id}")).items
    assert [entry.action for entry in trail] == ["execution.poisoned"]
    await world.restart()
    await world.run(until=world.clock.now() + MINUTE)
    assert len(deadly.beside) == 3, "it is not tried again by itself, nor after a restart"


async def test_s24_others_go_on_and_suspects_run_alone(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    poison = await world.open(playbook(DEADLY), {})
    for _ in range(2):
        await die(world, deadly)
    innocent = [await world.open(playbook(HARMLESS), {}) for _ in range(5)]
    deadly.began.clear()
    await world.engine.scan()
    await asyncio.wait_for(deadly.began.wait(), 5)
    assert world.engine.active == 1 and world.engine.backlog == 5, "the suspect is alone"
    assert deadly.beside[-1] == 0
    await world.restart()
    await world.run(until=world.clock.now() + MINUTE)
    assert [(await world.store.executions.get(one.id)).state for one in innocent] == ["succeeded"] * 5
    assert (await world.store.executions.get(poison.id)).awaiting == "person"


async def test_s24_who_was_only_beside_it_is_cleared(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    poison = await world.open(playbook(DEADLY), {})
    beside = [await world.open(playbook(DEADLY.replace("deadly", f"beside {n}")), {}) for n in range(3)]
    for _ in range(3):
        await die(world, deadly)
    await world.run(until=world.clock.now() + MINUTE)
    assert [(await world.store.executions.get(one.id)).state for one in beside] == ["succeeded"] * 3
    assert (await question(world)).execution_id == poison.id


async def test_s24_what_gets_on_between_deaths_is_no_poison(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    steps = "".join(
        f"- {{id: look{n}, action: api.read, with: {{text: deadly}}}}\n"
        f"- {{id: call{n}, action: api.call, with: {{n: {n}}}}}\n"
        for n in range(4)
    )
    execution = await world.open(playbook(steps), {})
    perform = connections.perform
    survived: set[str] = set()

    async def once_each(call: ActionCall) -> Outcome:
        if call.path in survived:
            deadly.on = False
        survived.add(call.path)
        try:
            return await perform(call)
        finally:
            deadly.on = True

    connections.perform = once_each  # type: ignore[method-assign]
    for _ in range(4):
        await die(world, deadly)
    done = await world.finish(execution)
    assert done.state == "succeeded" and len(deadly.beside) == 4


async def test_s24_a_restart_in_order_counts_for_nothing(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    execution = await world.open(playbook(DEADLY), {})
    for _ in range(5):
        deadly.began.clear()
        await world.engine.scan()
        await asyncio.wait_for(deadly.began.wait(), 5)
        await world.engine.stop(grace=0)
        world.engine = world._new_engine()
        await world.engine.take_over(unclean=False)
    deadly.on = False
    assert (await world.finish(execution)).state == "succeeded"


async def test_s24_released_it_goes_on_from_where_it_stands(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    one = await set_aside(world, deadly, "- {id: first, action: api.call, with: {n: 0}}\n" + DEADLY)
    deadly.on = False
    asked = await question(world)
    await world.store.questions.answer(asked.id, "again", "person:ana", "more memory", world.clock.now())
    done = await world.finish(one)
    assert done.state == "succeeded"
    assert await statuses(world, done) == {"first": "succeeded", "look": "succeeded", "call": "succeeded"}
    assert len({call.key for call in connections.called("api.call")}) == 2


async def test_s24_released_and_deadly_still_it_is_set_aside_again(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    one = await set_aside(world, deadly)
    asked = await question(world)
    await world.store.questions.answer(asked.id, "again", "person:ana", "try", world.clock.now())
    for _ in range(3):
        await die(world, deadly)
    await world.run(until=world.clock.now() + MINUTE)
    assert (await world.store.executions.get(one.id)).awaiting == "person"
    assert (await question(world)).attempt == 2 and len(deadly.beside) == 6


async def test_s24_given_up_it_is_cancelled(world: Stage, connections: FakeConnections, deadly: Deadly) -> None:
    one = await set_aside(world, deadly)
    asked = await question(world)
    with pytest.raises(Conflict, match="about no call"):
        await world.store.questions.answer(asked.id, "happened", "person:ana", "?", world.clock.now())
    await world.store.questions.answer(asked.id, "give_up", "person:ana", "leave it", world.clock.now())
    assert (await world.finish(one)).state == "cancelled"
    assert len(deadly.beside) == 3


async def test_s24_a_cancel_ends_it_too(world: Stage, connections: FakeConnections, deadly: Deadly) -> None:
    one = await set_aside(world, deadly)
    told = {"by": "person:ana", "reason": "leave it", "undo": False}
    await world.store.executions.tell(one.id, "cancel", told, world.clock.now())
    assert (await world.finish(one)).state == "cancelled"


async def test_s24_what_else_is_said_to_it_waits_for_its_release(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    one = await set_aside(world, deadly)
    for kind in ("pause", "resume"):
        told = {"by": "person:ana", "reason": "?"}
        await world.store.executions.tell(one.id, kind, told, world.clock.now())  # type: ignore[arg-type]
        await world.run(until=world.clock.now() + MINUTE)
    assert (await world.store.executions.get(one.id)).awaiting == "person" and len(deadly.beside) == 3


async def test_s24_what_it_may_have_contained_is_lifted_on_time_all_the_same(
    world: Stage, connections: FakeConnections, deadly: Deadly
) -> None:
    block = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 1h}}\n"
    await set_aside(world, deadly, block + DEADLY)
    (held,) = (await world.store.containments.page(ContainmentFilter())).items
    assert held.state == "suspected", "its outcome died with the process"
    await world.run(until=world.clock.now() + 120 * MINUTE)
    (held,) = (await world.store.containments.page(ContainmentFilter())).items
    assert held.state == "lifted" and connections.names()[-1] == "gateway.unblock_ip"


async def test_s24_what_the_engine_itself_fails_on_has_a_person_too(
    world: Stage, connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = await world.open(playbook(HARMLESS), {})
    monkeypatch.setattr(connections, "spec", lambda _name: 1 / 0)
    one = await world.open(playbook(DEADLY), {})
    await world.run(until=world.clock.now() + MINUTE)
    monkeypatch.undo()
    for execution in (one, other):
        assert (await world.store.executions.get(execution.id)).awaiting == "person"
    for asked in (await world.store.questions.page()).items:
        assert "the engine failed" in asked.message and "ZeroDivisionError" in asked.message
        await world.store.questions.answer(asked.id, "again", "person:ana", "mended", world.clock.now())
    for execution in (one, other):
        assert (await world.finish(execution)).state == "succeeded"
