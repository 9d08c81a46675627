"""A loop through a system that carries no hops ends at the cap, with one notice (M02)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from soar.ids import new_id
from soar.ingest.repeats import RepeatCap
from soar.model.alert import RawAlert
from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit
from soar.testing.clock import FakeClock
from tests.ingest.given import Desk, books
from tests.store.given import fact

BOOK = "id: tell\ntrigger: {match: {s: {rule_name: ticket}, condition: s}}"
MOST, WINDOW = 3, 600.0


class Tickets:
    """A system whose webhook opens the playbook that changes its tickets."""

    def __init__(self, store: Store, rest: str = "", most: int = MOST) -> None:
        self.store = store
        self.clock = FakeClock()
        cap = RepeatCap(store.repeats, store.events, store.audit, self.clock, most, WINDOW)
        self.desk = Desk(store, self.clock, books(f"{BOOK}\n{rest}"), cap=cap)
        self.number = 0

    def changed(self, **fields: Any) -> RawAlert:
        self.number += 1
        body = {"rule_name": "ticket", "title": "SOC-12 changed", "id": self.number, "user": "ana"} | fields
        return RawAlert(new_id(), "tickets", f"{self.number}", self.clock.now(), json.dumps(body).encode())

    async def turn(self, *, changes: bool = True, **fields: Any) -> bool:
        """The webhook of a change, and the whole execution that it opens; False when it opens none."""
        raw = self.changed(**fields)
        await self.store.alerts.keep([raw])
        opened = [one for one in await self.desk.opened() if one.alert_id == raw.id]
        for one in opened:
            await self.end(one, changes=changes)
        self.clock.move_to(self.clock.now() + 2_000)
        return bool(opened)

    async def end(self, one: Execution, *, changes: bool) -> None:
        await self.store.executions.commit(ExecutionUnit(one.id, one.epoch, take=True))
        change = ExecutionChange("succeeded", finished_at=self.clock.now() + 1_000)
        facts = [fact("update", "attempt" if changes else "outcome")]
        await self.store.executions.commit(ExecutionUnit(one.id, one.epoch + 1, facts=facts, change=change))

    async def turns(self, number: int, **fields: Any) -> list[bool]:
        return [await self.turn(**fields) for _ in range(number)]


async def test_m02_a_loop_over_a_ticket_ends_at_the_cap_with_one_notice_and_every_alert_says_why(store: Store) -> None:
    tickets = Tickets(store)
    assert await tickets.turns(6) == [True] * MOST + [False] * 3
    alerts = (await store.alerts.page()).items
    for alert in alerts[:3]:
        (match,) = await store.alerts.matches(alert.id)
        assert (alert.state, match.outcome) == ("unmatched", "unmatched")
        assert "held back: 3 executions of it about the same thing ended within 600 s" in match.trace["reason"]
    (event,) = await store.events.since("alert.held_back", 0, 0)
    (entry,) = (await store.audit.page()).items
    assert event.data == entry.data
    assert (event.data["playbook"], entry.action) == ("tell", "alert.held_back")
    tickets.clock.move_to(tickets.clock.now() + round(WINDOW * 1000))
    assert await tickets.turn()


async def test_m02_another_thing_is_not_held_back(store: Store) -> None:
    tickets = Tickets(store)
    assert await tickets.turns(4) == [True] * MOST + [False]
    assert await tickets.turns(1, user="ben") == [True]


async def test_m02_the_same_concurrency_key_is_the_same_thing_whatever_else_the_alert_says(store: Store) -> None:
    tickets = Tickets(store, "concurrency: {key: '{{ alert.user }}', limit: 1}")
    opened = [await tickets.turn(title=f"SOC-{number}") for number in range(4)]
    assert opened == [True] * MOST + [False]


async def test_m05_alerts_that_come_at_once_all_open(store: Store) -> None:
    """Nothing that had ended when they came can have caused them, however late they are processed."""
    tickets = Tickets(store)
    raws = [tickets.changed() for _ in range(100)]
    await store.alerts.keep(raws[:40])
    opened = await tickets.desk.opened()
    for one in opened:
        await tickets.end(one, changes=True)
    tickets.clock.move_to(tickets.clock.now() + 5_000)
    await store.alerts.keep(raws[40:])
    assert len(await tickets.desk.opened()) == 100
    assert await store.events.since("*", 0, 0) == []


async def test_m02_what_changed_nothing_causes_nothing_and_no_cap_is_no_cap(store: Store) -> None:
    assert all(await Tickets(store).turns(5, changes=False))
    free = Tickets(store, most=0)
    free.number = 100
    assert all(await free.turns(5, user="cleo"))


@pytest.mark.parametrize("waits", [59_000, 62_000])
async def test_m02_an_execution_that_waits_after_its_change_counts_after_a_minute(store: Store, waits: int) -> None:
    tickets = Tickets(store, most=1)
    await store.alerts.keep([tickets.changed()])
    (one,) = await tickets.desk.opened()
    await store.executions.commit(ExecutionUnit(one.id, one.epoch, take=True))
    change = ExecutionChange("parked", awaiting="event", started_at=tickets.clock.now())
    await store.executions.commit(ExecutionUnit(one.id, one.epoch + 1, facts=[fact("x", "attempt")], change=change))
    tickets.clock.move_to(tickets.clock.now() + waits)
    await store.alerts.keep([tickets.changed()])
    assert len(await tickets.desk.opened()) == (2 if waits < 60_000 else 1)


async def test_m02_a_run_by_hand_is_never_held_back(store: Store) -> None:
    tickets = Tickets(store, most=1)
    assert await tickets.turns(2) == [True, False]
    before = len(await tickets.desk.opened())
    await tickets.desk.run("tell")
    assert len(await tickets.desk.opened()) == before + 1
