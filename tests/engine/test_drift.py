"""What is held is looked for in its system; what is gone is told, and made again while it is due (S35)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from soar.errors import TargetBusy
from soar.ids import derived_id
from soar.model.action import ActionCall, Outcome
from soar.model.containment import Containment
from soar.store import ContainmentFilter, ExecutionFilter
from soar.store.units import ExecutionUnit, LiftEnded, Settle
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage
from tests.store.given import apply, running, write

from .conftest import run

BLOCK = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}\n"
MINUTE = 60_000
HOUR = 3_600_000
BLOCKED, LET_IN = "gateway.block_ip", "gateway.unblock_ip"


async def only(world: Stage) -> Containment:
    (one,) = (await world.store.containments.page(ContainmentFilter())).items
    return one


async def look(world: Stage, after: int = 6 * MINUTE) -> Containment:
    """Let time pass, look after what is held, and see to what follows; the one containment."""
    await world.run(until=world.clock.now() + after)
    await world.engine.look_after()
    await world.run(until=world.clock.now() + MINUTE)
    return await only(world)


async def told(world: Stage, containment: Containment) -> list[str]:
    """The audit trail of it, oldest first."""
    page = await world.store.audit.page(f"containment:{containment.id}")
    return [entry.action for entry in reversed(page.items)]


async def test_s35_what_stands_is_left_alone_and_was_looked_at(world: Stage, connections: FakeConnections) -> None:
    await run(world, BLOCK)
    one = await look(world)
    assert (one.state, one.missing_since, one.checked_at) == ("held", None, world.clock.now() - MINUTE)
    assert connections.names() == [BLOCKED]
    looks = len(connections.called(BLOCKED, "verify"))
    await world.engine.look_after()
    assert len(connections.called(BLOCKED, "verify")) == looks, "it was looked at a minute ago"


async def test_s35_what_is_gone_is_told_and_made_again_for_the_time_it_has_left(
    world: Stage, connections: FakeConnections
) -> None:
    world.wanted = lambda name: name == "containment.drift"
    await run(world, BLOCK)
    held = await only(world)
    connections.world.clear()  # somebody removed it by hand, or the gateway began anew
    one = await look(world, 12 * HOUR)
    assert (one.id, one.state, one.missing_since, one.expires_at) == (held.id, "held", None, held.expires_at)
    assert connections.names() == [BLOCKED, BLOCKED]
    first, second = connections.called(BLOCKED)
    assert first.key != second.key, "a system that remembers the first key would do nothing"
    (event,) = await world.store.events.since("containment.drift", 0, 0)
    assert event.data["target"] == "203.0.113.9" and event.data["reapplies"] is True
    assert (await told(world, one))[-2:] == ["containment.missing", "containment.reapplied"]
    (again,) = (await world.store.executions.page(ExecutionFilter(kind="reapply"))).items
    assert (again.state, again.containment_id, again.actor) == ("succeeded", one.id, "engine:drift")
    await world.run(until=(held.expires_at or 0) + MINUTE)
    assert (await only(world)).state == "lifted"
    assert connections.names() == [BLOCKED, BLOCKED, LET_IN, LET_IN], "every change is taken back, the newest first"
    assert [call.key for call in connections.called(LET_IN)] and not connections.world


async def test_s35_what_a_person_keeps_removing_is_not_fought_for_ever(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    for _ in range(6):
        connections.world.clear()
        one = await look(world)
    assert connections.names() == [BLOCKED] * 4, "three times made again, then left to a person"
    assert one.state == "held" and one.missing_since is not None
    assert (await told(world, one)).count("containment.missing") == 4
    trail = (await world.store.audit.page(f"containment:{one.id}")).items
    assert next(entry for entry in trail if entry.action == "containment.missing").data["reapplies"] is False


async def test_s35_a_day_after_the_last_time_it_may_be_made_again(world: Stage, connections: FakeConnections) -> None:
    await run(world, BLOCK.replace("24h", "30d"))
    for _ in range(3):
        connections.world.clear()
        await look(world)
    await look(world, 25 * HOUR)
    connections.world.clear()
    one = await look(world)
    assert connections.names() == [BLOCKED] * 5 and one.missing_since is None


async def test_s35_put_back_by_somebody_else_it_is_no_longer_missing(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    stood = dict(connections.world)
    connections.script(BLOCKED, Answer.error("refused", "locked"))
    connections.world.clear()
    one = await look(world)
    assert one.missing_since is not None and (await told(world, one))[-1] == "containment.not_reapplied"
    connections.world.update(stood)
    one = await look(world)
    assert one.missing_since is None and (await told(world, one))[-1] == "containment.back"


async def test_s35_a_system_that_cannot_tell_changes_nothing(
    world: Stage, connections: FakeConnections, monkeypatch: pytest.MonkeyPatch
) -> None:
    await run(world, BLOCK)
    key = next(iter(connections.world))
    connections.world[key] = None  # it cannot tell
    one = await look(world)
    assert (one.missing_since, one.checked_at is not None, connections.names()) == (None, True, [BLOCKED])


async def test_s35_what_has_no_way_to_ask_is_never_called_missing(world: Stage, connections: FakeConnections) -> None:
    await run(world, "- {id: loose, action: gateway.loose, with: {ip: 203.0.113.9}, undo: {after: 24h}}\n")
    connections.world.clear()
    one = await look(world)
    assert one.missing_since is None and connections.names() == ["gateway.loose"]


async def test_s35_what_is_lifted_while_it_is_looked_for_is_not_made_again(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    held = await only(world)
    verify = connections.verify

    async def lifted_meanwhile(call: ActionCall) -> Outcome:
        await world.store.containments.lift(held.id, "person:ana", "false alarm", world.clock.now())
        connections.verify = verify  # type: ignore[method-assign]
        return Outcome("absent")

    connections.verify = lifted_meanwhile  # type: ignore[method-assign]
    one = await look(world)
    assert (one.state, one.missing_since) == ("lifted", None)
    assert connections.names() == [BLOCKED, LET_IN]


async def test_s35_a_person_lifts_it_between_two_tries_to_make_it_again(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    connections.world.clear()
    connections.script(BLOCKED, Answer.error("unavailable", retry_after=600.0), Answer.done({"ok": True}))
    one = await look(world)
    await world.store.containments.lift(one.id, "person:ana", "false alarm", world.clock.now())
    await world.run(until=world.clock.now() + HOUR)
    assert (await only(world)).state == "lifted"
    assert connections.names() == [BLOCKED, BLOCKED, LET_IN], "nothing is made again after the lift"
    (again,) = (await world.store.executions.page(ExecutionFilter(kind="reapply"))).items
    assert again.state == "succeeded", "it does not wait for what is over"


@pytest.mark.parametrize("state", ["lifting", "lifted"])
async def test_s35_the_ledger_itself_refuses_to_make_again_what_is_let_go(world: Stage, state: str) -> None:
    now = world.clock.now()
    owner = await running(world.store)
    await write(world.store, owner, apply(owner.id, at=now))
    await write(world.store, owner, Settle(derived_id(owner.id, "block"), "applied", now))
    (held,) = (await world.store.containments.page()).items
    await world.store.containments.lift(held.id, "person:ana", "false alarm", now)
    if state == "lifted":
        lift = await world.store.executions.get(derived_id(held.id, "lift", 1))
        await world.store.executions.commit(
            ExecutionUnit(lift.id, 0, take=True, ledger=[LiftEnded(held.id, "lifted", now)])
        )
    again = await running(world.store, kind="reapply", containment_id=held.id)
    with pytest.raises(TargetBusy, match="no longer held"):
        await write(world.store, again, apply(again.id, at=now, within=held.id))
    (only,) = (await world.store.containments.page()).items
    assert only.state == state


async def test_s35_a_crash_before_the_answer_makes_it_again_once(world: Stage, connections: FakeConnections) -> None:
    await run(world, BLOCK)
    connections.world.clear()
    await world.run(until=world.clock.now() + 6 * MINUTE)
    await world.engine.look_after()
    await world.restart()
    await world.run(until=world.clock.now() + MINUTE)
    assert (await only(world)).missing_since is None
    assert len({call.key for call in connections.called(BLOCKED)}) == 2


async def test_s30_after_it_was_made_again_another_execution_joins_what_stands_now(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    connections.world.clear()
    await look(world)
    await run(world, BLOCK)
    assert connections.names() == [BLOCKED, BLOCKED], "the first call is gone, the second stands: no third"


@pytest.mark.parametrize(
    ("lasts", "ahead"), [("24h", 15 * MINUTE), ("10m", 5 * MINUTE)], ids=["long before", "halfway"]
)
async def test_an_expiry_is_announced_once(world: Stage, connections: FakeConnections, lasts: str, ahead: int) -> None:
    world.wanted = lambda name: name == "containment.expiring"
    await run(world, BLOCK.replace("24h", lasts))
    held = await only(world)
    ends = held.expires_at or 0

    async def events() -> list[Mapping[str, Any]]:
        await world.engine.look_after()
        return [event.data for event in await world.store.events.since("containment.expiring", 0, 0)]

    world.clock.move_to(ends - ahead - 1000)
    assert await events() == []
    world.clock.move_to(ends - ahead + 1000)
    assert [event["containment"] for event in await events()] == [held.id]
    world.clock.move_to(ends - 1000)
    assert len(await events()) == 1
