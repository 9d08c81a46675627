"""What a unit means for others: events, sub-playbooks, releases, ladders, reruns, artefacts (S14, S15, S32, S34)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from soar.errors import NotFound
from soar.ids import derived_id
from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import Event, ExecutionChange, ExecutionUnit, LiftEnded, Release, Settle, Subscription
from tests.store.given import NOW, apply, execution, park, running, write


def event(number: int, name: str = "ticket.closed", at: int = NOW) -> Event:
    return Event(f"event-{number}", name, {"n": number}, at)


async def told(store: Store, one: Execution, kind: str) -> list[dict[str, Any]]:
    return [dict(found.data) for found in await store.executions.signals(one.id) if found.kind == kind]


async def end(store: Store, one: Execution, state: Any = "succeeded") -> None:
    change = ExecutionChange(state, finished_at=NOW + 9, outputs={"a": 1} if state == "succeeded" else None)
    await store.executions.commit(ExecutionUnit(one.id, one.epoch, change=change, related=True))


@pytest.mark.parametrize(("wanted", "wakes"), [("ticket.closed", True), ("ticket.*", True), ("mail.*", False)])
async def test_s14_an_event_wakes_who_waits_for_its_name(store: Store, wanted: str, wakes: bool) -> None:
    one = await running(store)
    assert not await park(store, one, subscriptions=[Subscription("wait", wanted, 0)])
    await store.events.add([event(1)])
    await store.events.add([event(1)])
    assert await told(store, one, "event") == ([{"event": "event-1"}] if wakes else [])
    assert (await store.executions.get(one.id)).state == ("queued" if wakes else "parked")


@pytest.mark.parametrize(
    ("at", "seen", "awake"), [(NOW, 0, True), (NOW, 1, False), (NOW - 1, 0, False)], ids=["stored", "seen", "before"]
)
async def test_s14_parking_sees_an_event_that_came_first(store: Store, at: int, seen: int, awake: bool) -> None:
    await store.events.add([event(1, at=at)])
    one = await running(store)
    assert await park(store, one, subscriptions=[Subscription("wait", "ticket.closed", seen)]) is awake


async def test_s14_events_come_in_the_order_of_their_commit_from_a_place_on(store: Store) -> None:
    await store.events.add([event(1), event(2, "mail.sent"), event(3), event(4, at=NOW - 1)])
    assert [one.id for one in await store.events.since("ticket.*", NOW, 0)] == ["event-1", "event-3"]
    assert [one.id for one in await store.events.since("*", 0, 2)] == ["event-3", "event-4"]
    await store.events.reading_is_at(4)
    await store.events.reading_is_at(2)
    assert await store.events.read_up_to() == 4
    assert await store.events.prune(NOW) == 1


async def test_s15_a_child_is_opened_once_and_its_end_is_told_once(store: Store) -> None:
    parent = await running(store)
    child = execution(derived_id(parent.id, "call"), parent_id=parent.id, parent_path="call")
    for _ in range(2):
        await store.executions.commit(ExecutionUnit(parent.id, parent.epoch, children=[child]))
    assert [one.id for one in await store.executions.children(parent.id)] == [child.id]
    await store.executions.commit(ExecutionUnit(child.id, 0, take=True))
    await end(store, await store.executions.get(child.id))
    (found,) = await told(store, parent, "child")
    assert (found["path"], found["state"], found["outputs"]) == ("call", "succeeded", {"a": 1})


async def test_k05_a_cut_parent_cancels_its_child_once(store: Store) -> None:
    parent = await running(store)
    child = execution(derived_id(parent.id, "call"), parent_id=parent.id, parent_path="call")
    await store.executions.commit(ExecutionUnit(parent.id, parent.epoch, children=[child]))
    for _ in range(2):
        await store.executions.commit(ExecutionUnit(parent.id, parent.epoch, cancel=[child.id]))
    (found,) = await told(store, child, "cancel")
    assert (found["by"], found["undo"]) == (f"execution:{parent.id}", False)


async def hold(store: Store, one: Execution, path: str, target: str, at: int = NOW, **fields: Any) -> str:
    """Something held by that step; its containment."""
    change = replace(apply(one.id, path, target=target, at=at), **fields)
    await write(store, one, change)
    await write(store, one, Settle(change.hold_id, "applied", at))
    return change.containment_id


async def test_s34_an_undo_lets_go_of_the_steps_named_in_all_their_turns(store: Store) -> None:
    one = await running(store)
    for path, target in [("each[0]/block", "a"), ("each[1]/block", "b"), ("other", "c")]:
        await hold(store, one, path, target)
    await write(store, one, Release("back", ("each[*]/block",), NOW + 1))
    (found,) = await told(store, one, "released")
    assert (found["path"], len(found["lifts"]), found["still_held"]) == ("back", 2, 0)
    states = {held.target: held.state for held in (await store.containments.page()).items}
    assert states == {"a": "lifting", "b": "lifting", "c": "held"}


async def test_s34_what_somebody_else_holds_too_stays_held(store: Store) -> None:
    first, second = await running(store), await running(store)
    containment = await hold(store, first, "block", "a")
    await hold(store, second, "block", "a", joins=containment)
    await write(store, first, Release("back", ("block",), NOW + 1))
    (found,) = await told(store, first, "released")
    assert (found["lifts"], found["still_held"]) == ([], 1)
    await write(store, second, Release("back", ("block",), NOW + 2))
    assert len((await told(store, second, "released"))[0]["lifts"]) == 1


async def test_s32_each_period_of_a_target_is_a_rung_higher_until_reset(store: Store) -> None:
    rungs = []
    day = 86_400_000
    for number, start in enumerate((0, day, 2 * day, 50 * day)):
        one = await running(store)
        containment = await hold(store, one, f"block{number}", "a", NOW + start, undo_after=(60.0, 600.0, 6000.0))
        rungs.append((await store.containments.get(containment)).rung)
        await write(store, one, Release("back", ("*",), NOW + start + 1))
        (lift,) = (await told(store, one, "released"))[0]["lifts"]
        await store.executions.commit(ExecutionUnit(lift, 0, take=True))
        await write(store, await store.executions.get(lift), LiftEnded(containment, "lifted", NOW + start + 2))
    assert rungs == [1, 2, 3, 1]


async def test_s37_reruns_are_listed_with_what_they_are_of(store: Store) -> None:
    one = execution()
    again = [execution(rerun_of=one.id, opened_at=NOW + number) for number in (1, 2)]
    await store.executions.open_many([one, *again])
    assert [found.id for found in await store.executions.reruns(one.id)] == [found.id for found in again]


async def test_s08_an_artefact_is_kept_once_by_its_hash(store: Store) -> None:
    digest = await store.artefacts.put(b"\x00\xff" * 1000, NOW)
    assert await store.artefacts.put(b"\x00\xff" * 1000, NOW + 1) == digest
    assert await store.artefacts.get(digest) == b"\x00\xff" * 1000
    with pytest.raises(NotFound, match="there is none"):
        await store.artefacts.get("0" * 64)
