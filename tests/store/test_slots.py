"""Concurrency slots (S18): who may begin, who waits, and what wakes those that wait."""

from __future__ import annotations

from dataclasses import replace

from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import Opening, Signal
from tests.store.given import NOW, opening, raw_alert


async def opened(store: Store, key: str, when_full: str = "queue") -> tuple[Execution, list[str]]:
    """One execution for the only place of its slot; what the store says may begin."""
    raw = raw_alert(key)
    await store.alerts.keep([raw])
    one = opening(raw, "contain")
    execution = replace(one.executions[0], slot_key="contain:c-1", slot_limit=1)
    rules = {execution.id: when_full}
    ready = await store.alerts.open([Opening(one.alert, one.matches, [execution], "catalog", rules)])  # type: ignore[arg-type]
    return await store.executions.get(execution.id), ready


async def test_s18_only_who_has_a_slot_is_handed_to_the_engine(store: Store) -> None:
    first, begins = await opened(store, "1")
    assert begins == [first.id]
    for key, rule, state in (("2", "queue", "parked"), ("3", "skip", "skipped")):
        other, begins = await opened(store, key, rule)
        assert (begins, other.state) == ([], state)
    assert [one.id for one in await store.executions.ready(NOW)] == [first.id]


async def test_s18_nothing_but_a_cancel_ends_the_wait_for_a_slot(store: Store) -> None:
    await opened(store, "1")
    waiting, _ = await opened(store, "2")
    for kind in ("pause", "resume"):
        await store.executions.signal(Signal(kind, waiting.id, kind, {}, NOW))  # type: ignore[arg-type]
        assert (await store.executions.get(waiting.id)).awaiting == "slot"
        assert waiting.id not in [one.id for one in await store.executions.ready(NOW)]
    await store.executions.signal(Signal("cancel", waiting.id, "cancel", {}, NOW))
    assert waiting.id in [one.id for one in await store.executions.ready(NOW)]


async def test_s18_of_those_that_open_together_the_oldest_has_the_slot(store: Store) -> None:
    raws = [raw_alert(f"together-{number}") for number in range(3)]
    await store.alerts.keep(raws)
    openings, ids = [], []
    for raw in raws:
        one = opening(raw, "contain")
        execution = replace(one.executions[0], slot_key="contain:c-1", slot_limit=1)
        ids.append(execution.id)
        openings.append(Opening(one.alert, one.matches, [execution], "catalog", {execution.id: "queue"}))
    assert await store.alerts.open(openings) == ids[:1]
    states = [(await store.executions.get(identity)).awaiting for identity in ids]
    assert states == [None, "slot", "slot"]
