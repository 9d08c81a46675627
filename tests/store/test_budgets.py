"""Blast-radius budgets: counted in the attempt's unit, with a window and hysteresis (S19)."""

from __future__ import annotations

from dataclasses import replace

import pytest

from soar.errors import OverBudget
from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import ExecutionUnit, GiveBack, Reserve
from tests.store.given import NOW, child, fact, outputs, running, write

TAKE = """
import asyncio, sys
from soar.errors import OverBudget
from soar.store import Store
from tests.store.given import running, write
from tests.store.test_budgets import use

async def main(url):
    store = await Store.open(url)
    owner = await running(store)
    for number in range(20):
        try:
            await write(store, owner, use(number, limit=10))
            print("taken")
        except OverBudget:
            print("refused")
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def use(number: int, seconds: float = 0, limit: int = 3, *, forced: bool = False) -> Reserve:
    at = NOW + round(seconds * 1000)
    return Reserve("block", f"block[{number}]", 1, limit, 60.0, 1, at, forced)


async def refused(store: Store, owner: Execution, change: Reserve) -> bool:
    try:
        await write(store, owner, change)
    except OverBudget:
        return True
    return False


async def used(store: Store, seconds: float = 0) -> int:
    (one,) = await store.budgets.list(NOW + round(seconds * 1000))
    return one.used


async def test_s19_the_one_too_many_is_refused_with_its_whole_unit(store: Store) -> None:
    owner = await running(store)
    for number in range(3):
        await write(store, owner, use(number))
    unit = ExecutionUnit(owner.id, owner.epoch, ledger=[use(3)], facts=[fact("block[3]", "attempt")])
    with pytest.raises(OverBudget, match="'block' is full: 3 of 3 within 60 s"):
        await store.executions.commit(unit)
    assert await store.executions.facts(owner.id) == []
    assert await used(store) == 3


async def test_s19_full_stays_full_until_it_has_fallen_to_where_it_opens(store: Store) -> None:
    owner = await running(store)
    for number, seconds in enumerate((0, 10, 20)):
        await write(store, owner, use(number, seconds))
    assert await refused(store, owner, use(3, 65))  # two in the window: below the limit, above resume_at
    assert not await refused(store, owner, use(3, 75))  # one in the window
    assert not await refused(store, owner, use(4, 76))


async def test_s19_what_is_not_full_only_counts_its_window(store: Store) -> None:
    owner = await running(store)
    for number in range(10):
        await write(store, owner, use(number, number * 31))
    assert await used(store, 9 * 31) == 2


async def test_s19_a_forced_use_is_counted_and_never_refused(store: Store) -> None:
    owner = await running(store)
    for number in range(3):
        await write(store, owner, use(number))
    assert not await refused(store, owner, use(3, forced=True))
    assert await used(store) == 4
    assert await refused(store, owner, use(4))


async def test_s19_what_is_given_back_makes_room_and_opens_what_it_filled(store: Store) -> None:
    owner = await running(store)
    for number in range(3):
        await write(store, owner, use(number))
    await write(store, owner, GiveBack("block[2]", 1))
    assert not await refused(store, owner, use(3))
    assert await refused(store, owner, use(4))


async def test_s41_the_same_use_again_is_counted_once(store: Store) -> None:
    owner = await running(store)
    for _ in range(5):
        await write(store, owner, use(0))
    assert await used(store) == 1
    await write(store, owner, replace(use(0), attempt=2))
    assert await used(store) == 2


async def test_s19_two_processes_do_not_go_over_it_together(url: str, store: Store) -> None:
    told = "".join(await outputs([await child(TAKE, url) for _ in range(2)])).split()
    assert (told.count("taken"), told.count("refused")) == (10, 30)
    assert await used(store) == 10
