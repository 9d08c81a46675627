"""The audit trail and the stop switches that write to it (S46)."""

from __future__ import annotations

import pytest

from soar.errors import CursorInvalid, NotFound
from soar.store import Store
from soar.store.units import Audit, ExecutionUnit
from tests.store.given import NOW, fact, running


def entry(number: int, subject: str = "execution:a") -> Audit:
    return Audit("engine", "execution.opened", subject, NOW + number, {"number": number})


async def test_s46_entries_are_numbered_and_chained_in_the_order_they_came(store: Store) -> None:
    for number in range(5):
        await store.audit.add(entry(number))
    assert (await store.audit.verify()).unsealed == 5
    assert (await store.audit.seal(), await store.audit.seal()) == (5, 0)
    found = (await store.audit.page()).items
    assert [(one.seq, one.data["number"]) for one in reversed(found)] == [(n + 1, n) for n in range(5)]
    assert ((await store.audit.verify()).sealed, (await store.audit.verify()).broken_at) == (5, None)


@pytest.mark.parametrize(
    "change", ["UPDATE audit SET actor = 'person:eve' WHERE seq = 3", "DELETE FROM audit WHERE seq = 3"]
)
async def test_s46_a_changed_or_missing_entry_breaks_the_chain(store: Store, change: str) -> None:
    for number in range(5):
        await store.audit.add(entry(number))
    await store.audit.seal()
    await store._writer.run(lambda db: db.execute(change).rowcount)
    assert (await store.audit.verify()).broken_at == 3


async def test_s46_an_entry_is_written_with_its_unit_or_not_at_all(store: Store) -> None:
    owner = await running(store)
    stale = ExecutionUnit(owner.id, owner.epoch - 1, facts=[fact("a")], audit=[entry(0)])
    with pytest.raises(Exception, match=r"epoch|lease|taken"):
        await store.executions.commit(stale)
    assert (await store.audit.page()).items == []
    await store.executions.commit(ExecutionUnit(owner.id, owner.epoch, facts=[fact("a")], audit=[entry(0)]))
    assert len((await store.audit.page()).items) == 1


async def test_the_trail_is_paged_newest_first_and_by_subject(store: Store) -> None:
    for number in range(7):
        await store.audit.add(entry(number, "execution:a" if number % 2 else "execution:b"))
    first = await store.audit.page(limit=4)
    rest = await store.audit.page(cursor=first.next_cursor, limit=4)
    assert [one.data["number"] for one in [*first.items, *rest.items]] == [6, 5, 4, 3, 2, 1, 0]
    assert rest.next_cursor is None
    assert [one.data["number"] for one in (await store.audit.page("execution:a")).items] == [5, 3, 1]
    with pytest.raises(CursorInvalid):
        await store.audit.page(cursor="'; drop")


async def test_a_switch_stands_until_it_is_released_and_both_are_recorded(store: Store) -> None:
    await store.switches.set("all", "person:ana", "a storm", NOW)
    await store.switches.set("all", "person:ben", "still", NOW + 1)
    (found,) = await store.switches.list()
    assert (found.scope, found.by, found.reason, found.at) == ("all", "person:ben", "still", NOW + 1)
    await store.switches.clear("all", "person:ana", "over", NOW + 2)
    assert await store.switches.list() == []
    with pytest.raises(NotFound, match="not set"):
        await store.switches.clear("all", "person:ana", "again", NOW + 3)
    entries = (await store.audit.page("switch:all")).items
    assert [one.action for one in entries] == ["switch.released", "switch.stopped", "switch.stopped"]


async def test_a_switch_is_seen_by_every_process_on_the_file(url: str, store: Store) -> None:
    other = await Store.open(url)
    await other.switches.set("playbook:contain", "person:ana", "mails", NOW)
    assert [one.scope for one in await store.switches.list()] == ["playbook:contain"]
    await other.close()
