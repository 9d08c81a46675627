"""Units of executions: all of one or nothing, only by the owner, in groups that share no fate."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Sequence
from typing import Any

import pytest

from soar.errors import Conflict, LeaseLost, NotFound
from soar.model.execution import FINAL
from soar.store import Store
from soar.store.commit import write_units
from soar.store.units import ExecutionChange, ExecutionUnit, Signal
from tests.store.given import NOW, execution, fact, park, question, running


async def together(store: Store, units: Sequence[ExecutionUnit]) -> list[Any]:
    """Have all of them written in one group, whatever the machine does meanwhile."""
    gate = threading.Event()
    held = store._writer.outside(lambda _: gate.wait(30))
    pending = [asyncio.ensure_future(store.executions.commit(unit)) for unit in units]
    await asyncio.sleep(0)
    gate.set()
    await held
    return await asyncio.gather(*pending, return_exceptions=True)


async def test_a_unit_writes_all_it_holds(store: Store) -> None:
    one = await running(store)
    signal = Signal("s1", one.id, "wake", {}, NOW)
    await store.executions.signal(signal)
    change = ExecutionChange("failed", None, None, NOW, NOW + 5, {"step": "a", "kind": "refused"}, "no")
    facts = [fact("a", "attempt", key="k"), fact("a", "outcome", status=403)]
    unit = ExecutionUnit(one.id, 1, facts=facts, change=change, questions=[question(one.id)], read_signals=["s1"])
    await store.executions.commit(unit)

    ended = await store.executions.get(one.id)
    assert (ended.state, ended.started_at, ended.finished_at, ended.error, ended.message) == (
        "failed",
        NOW,
        NOW + 5,
        {"step": "a", "kind": "refused"},
        "no",
    )
    assert await store.executions.facts(one.id) == facts
    assert await store.questions.of(one.id) == [question(one.id)]
    assert await store.executions.signals(one.id) == []


async def test_s39_taking_raises_the_epoch_and_keeps_what_was_said_before(store: Store) -> None:
    one = execution(state="parked", awaiting="timer", due_at=NOW, started_at=NOW - 9)
    await store.executions.open(one)
    await store.executions.commit(ExecutionUnit(one.id, 0, take=True, facts=[fact("a", "due")]))
    taken = await store.executions.get(one.id)
    assert (taken.state, taken.epoch, taken.awaiting, taken.due_at, taken.started_at) == (
        "running",
        1,
        None,
        None,
        NOW - 9,
    )
    change = ExecutionChange("succeeded", finished_at=NOW)
    await store.executions.commit(ExecutionUnit(one.id, 1, take=True, change=change))
    assert ((ended := await store.executions.get(one.id)).state, ended.epoch) == ("succeeded", 2)


async def test_only_one_of_two_takes_it(store: Store) -> None:
    one = execution()
    await store.executions.open(one)
    takes = [ExecutionUnit(one.id, 0, take=True) for _ in range(5)]
    results = await together(store, takes)
    assert [type(result) for result in results] == [bool, *[LeaseLost] * 4]
    assert (await store.executions.get(one.id)).epoch == 1


async def test_s38_a_stale_owner_writes_nothing(store: Store) -> None:
    one = await running(store)
    stale = ExecutionUnit(one.id, 0, facts=[fact("a")], change=ExecutionChange("succeeded"))
    with pytest.raises(LeaseLost, match="written for epoch 0, but it is owned under epoch 1"):
        await store.executions.commit(stale)
    assert await store.executions.facts(one.id) == []
    assert (await store.executions.get(one.id)).state == "running"


@pytest.mark.parametrize("state", sorted(FINAL))
async def test_what_has_ended_stays_as_it_is(store: Store, state: Any) -> None:
    one = execution(state=state)
    await store.executions.open(one)
    with pytest.raises(LeaseLost, match=f"it is {state} already"):
        await store.executions.commit(ExecutionUnit(one.id, 0, take=True))


async def test_a_unit_for_nobody(store: Store) -> None:
    with pytest.raises(LeaseLost, match="there is no such execution"):
        await store.executions.commit(ExecutionUnit("nobody", 0, take=True))


async def test_s41_in_a_group_a_lost_lease_hurts_nobody_else(store: Store) -> None:
    owners = [await running(store) for _ in range(6)]
    units = [ExecutionUnit(one.id, 1, facts=[fact("a")]) for one in owners]
    units[2].epoch = 0
    results = await together(store, units)
    assert [type(result) for result in results] == [bool, bool, LeaseLost, bool, bool, bool]
    histories = [await store.executions.facts(one.id) for one in owners]
    assert [len(history) for history in histories] == [1, 1, 0, 1, 1, 1]


async def test_s41_in_a_group_a_fact_said_otherwise_hurts_nobody_else(store: Store) -> None:
    owners = [await running(store) for _ in range(4)]
    await store.executions.commit(ExecutionUnit(owners[1].id, 1, facts=[fact("a", status=200)]))
    change = ExecutionChange("parked", awaiting="timer", due_at=NOW)
    units = [ExecutionUnit(one.id, 1, facts=[fact("b"), fact("a", status=500)], change=change) for one in owners]
    results = await together(store, units)
    assert [type(result) for result in results] == [bool, Conflict, bool, bool]
    assert "'a' has another outcome for attempt 1 on record" in str(results[1])
    assert await store.executions.facts(owners[1].id) == [fact("a", status=200)]
    assert [(await store.executions.get(one.id)).state for one in owners] == ["parked", "running", "parked", "parked"]


async def test_s41_in_a_group_what_cannot_be_written_hurts_nobody_else(store: Store) -> None:
    owners = [await running(store) for _ in range(3)]
    units = [ExecutionUnit(one.id, 1, facts=[fact("a", value=1)]) for one in owners]
    units[1].facts.append(fact("b", value=object()))
    results = await together(store, units)
    assert [type(result) for result in results] == [bool, TypeError, bool]
    assert [len(await store.executions.facts(one.id)) for one in owners] == [1, 0, 1]


async def test_l04_the_same_fact_again_is_harmless_and_there_once(store: Store) -> None:
    one = await running(store)
    unit = ExecutionUnit(one.id, 1, facts=[fact("a", score=1), fact("b", score=2)])
    await store.executions.commit(unit)
    more = ExecutionUnit(one.id, 1, facts=[fact("a", score=1), fact("c", score=3)])
    assert [type(result) for result in await together(store, [unit, more, unit])] == [bool] * 3
    assert [one.path for one in await store.executions.facts(one.id)] == ["a", "b", "c"]


async def test_l04_one_row_is_what_the_schema_allows(store: Store) -> None:
    one = await running(store)
    await store.executions.commit(ExecutionUnit(one.id, 1, facts=[fact("a")]))
    columns = "execution_seq, path, kind, attempt, at, data"
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: facts|uq_facts"):
        await store._writer.run(lambda db: db.execute(f"INSERT INTO facts ({columns}) SELECT {columns} FROM facts"))


async def test_units_of_one_execution_in_one_group_see_each_other(store: Store) -> None:
    one = execution()
    await store.executions.open(one)
    units = [
        ExecutionUnit(one.id, 0, take=True, facts=[fact("a")]),
        ExecutionUnit(one.id, 1, facts=[fact("b")]),
        ExecutionUnit(one.id, 1, change=ExecutionChange("succeeded")),
        ExecutionUnit(one.id, 1, facts=[fact("c")]),
    ]
    results = await together(store, units)
    assert [type(result) for result in results] == [bool, bool, bool, LeaseLost]
    assert [one.path for one in await store.executions.facts(one.id)] == ["a", "b"]


async def test_a_group_larger_than_any_statement(store: Store) -> None:
    owners = [execution(opened_at=NOW + number) for number in range(333)]
    assert len(await store.executions.open_many(owners)) == 333
    units = [ExecutionUnit(one.id, 0, take=True, facts=[fact(str(n)) for n in range(7)]) for one in owners]
    assert set(await together(store, units)) == {False}
    assert [one.path for one in await store.executions.facts(owners[200].id)] == list("0123456")
    assert len(await store.executions.interrupted()) == 333


async def test_s38_a_signal_wakes_what_is_parked(store: Store) -> None:
    one = await running(store)
    assert await park(store, one, due_at=NOW + 99) is False
    assert await store.executions.ready(NOW, 10) == []
    await store.executions.signal(Signal("s1", one.id, "wake", {"n": 10**20}, NOW))
    woken = await store.executions.get(one.id)
    assert (woken.state, woken.awaiting, woken.due_at) == ("queued", None, None)
    assert await store.executions.signals(one.id) == [Signal("s1", one.id, "wake", {"n": 10**20}, NOW)]


async def test_a_signal_is_left_once_however_often_it_is_sent(store: Store) -> None:
    one = await running(store)
    for _ in range(3):
        await store.executions.signal(Signal("s1", one.id, "wake", {}, NOW))
    assert len(await store.executions.signals(one.id)) == 1
    with pytest.raises(NotFound):
        await store.executions.signal(Signal("s2", "nobody", "wake", {}, NOW))


@pytest.mark.parametrize("state", ["running", "queued", *sorted(FINAL)])
async def test_a_signal_changes_no_other_state(store: Store, state: Any) -> None:
    one = execution(state=state)
    await store.executions.open(one)
    await store.executions.signal(Signal("s1", one.id, "wake", {}, NOW))
    assert (await store.executions.get(one.id)).state == state


async def test_s38_parking_sees_a_signal_that_came_first(store: Store) -> None:
    one = await running(store)
    await store.executions.signal(Signal("s1", one.id, "wake", {}, NOW))
    assert await park(store, one) is True
    assert (await store.executions.get(one.id)).state == "queued"
    await store.executions.commit(ExecutionUnit(one.id, 1, take=True))
    again = await store.executions.get(one.id)
    assert await park(store, again, read_signals=["s1"]) is False
    assert (await store.executions.get(one.id)).state == "parked"


async def test_s38_no_signal_is_lost_against_parking(store: Store) -> None:
    """In whatever order the two are written, the execution is to be taken afterwards."""
    for round_ in range(60):
        one = await running(store)
        order = [park(store, one), store.executions.signal(Signal(f"s{round_}", one.id, "wake", {}, NOW))]
        await asyncio.gather(*(order if round_ % 2 else reversed(order)))
        assert [ready.id for ready in await store.executions.ready(NOW, 100)] == [one.id]
        await store.executions.commit(ExecutionUnit(one.id, 1, take=True, change=ExecutionChange("succeeded")))


async def test_what_is_ready_comes_in_order_of_urgency(store: Store) -> None:
    await store.executions.open_many(
        [
            execution("old", opened_at=NOW, severity_id=2),
            execution("new", opened_at=NOW + 9, severity_id=2),
            execution("fatal", opened_at=NOW + 9, severity_id=6),
            execution("lift", opened_at=NOW + 9, kind="lift"),
            execution("due", opened_at=NOW + 1, severity_id=2, state="parked", due_at=NOW + 5),
            execution("not yet", severity_id=6, state="parked", due_at=NOW + 50),
            execution("for ever", severity_id=6, state="parked"),
            execution("running", severity_id=6, state="running"),
            execution("over", severity_id=6, state="failed"),
        ]
    )
    names = {execution(name).id: name for name in ("old", "new", "fatal", "lift", "due", "not yet")}
    ready = [names[one.id] for one in await store.executions.ready(NOW + 5, 10)]
    assert ready == ["lift", "fatal", "old", "due", "new"]
    assert len(await store.executions.ready(NOW + 5, 2)) == 2
    assert await store.executions.next_due() == NOW + 5


async def test_after_a_start_what_runs_is_found_and_can_be_handed_back(store: Store) -> None:
    one, other = await running(store), await running(store)
    assert {found.id for found in await store.executions.interrupted()} == {one.id, other.id}
    await store.executions.release([one.id])
    assert [found.id for found in await store.executions.interrupted()] == [other.id]
    assert [found.id for found in await store.executions.ready(NOW, 10)] == [one.id]
    await park(store, other)
    await store.executions.release([other.id])
    assert (await store.executions.get(other.id)).state == "parked"


async def test_opening_twice_is_opening_once(store: Store) -> None:
    one = execution()
    assert await store.executions.open(one) is True
    await store.executions.commit(ExecutionUnit(one.id, 0, take=True))
    assert await store.executions.open(one) is False
    assert (await store.executions.get(one.id)).epoch == 1


async def test_many_are_opened_at_once_with_their_histories(store: Store) -> None:
    many = [execution(state="succeeded", opened_at=NOW + number) for number in range(100)]
    histories = {one.id: [fact("a"), fact("b", n=number)] for number, one in enumerate(many)}
    assert await store.executions.open_many(many, histories) == [one.id for one in many]
    assert await store.executions.open_many(many, histories) == []
    assert await store.executions.facts(many[7].id) == histories[many[7].id]


async def test_a_caller_that_gives_up_waiting_hurts_nobody(store: Store) -> None:
    one = await running(store)
    gate = threading.Event()
    held = store._writer.outside(lambda _: gate.wait(30))
    waiting = asyncio.ensure_future(store.executions.commit(ExecutionUnit(one.id, 1, facts=[fact("a")])))
    await asyncio.sleep(0)
    waiting.cancel()
    gate.set()
    await held
    await store.executions.commit(ExecutionUnit(one.id, 1, facts=[fact("b")]))
    assert [found.path for found in await store.executions.facts(one.id)] == ["a", "b"]


def test_a_refused_unit_has_written_nothing_before_it_is_known() -> None:
    """`write_units` gives a result for each unit in the units' own order."""
    db = sqlite3.connect(":memory:")
    db.execute("CREATE TABLE executions (id, seq, epoch, state)")
    results = write_units(db, [ExecutionUnit("x", 0), ExecutionUnit("y", 0), ExecutionUnit("x", 0)])
    assert [str(result) for result in results] == [
        "execution x: there is no such execution",
        "execution y: there is no such execution",
        "execution x: there is no such execution",
    ]
