"""Firings and events become alerts, once, whoever rings (C09, J05-J07, S45, M01)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import pytest

from soar.ingest.opening import HOPS
from soar.model.alert import RawAlert
from soar.store import Store
from soar.store.units import Event
from soar.testing.clock import START, FakeClock
from tests.ingest.given import Desk, books, scheduled
from tests.store.given import child, outputs

MINUTE = 60_000

RING = """
import asyncio, sys
from soar.store import Store
from soar.testing.clock import START, FakeClock
from tests.ingest.given import Desk, books, scheduled

async def main(url):
    store = await Store.open(url)
    clock = FakeClock(START)
    desk = Desk(store, clock, books(scheduled()))
    await desk.ringer.step()
    print("ready", flush=True)
    new = 0
    for minute in range(1, 11):
        await asyncio.to_thread(sys.stdin.readline)
        clock.move_to(START + minute * 60_000)
        new += await desk.ringer.step()
        await desk.opened()
    print(new)
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


def missed(raws: Sequence[RawAlert]) -> list[int]:
    return [json.loads(one.body)["missed_firings"] for one in raws]


async def test_j07_two_processes_ring_ten_minutes_and_ten_executions_open(url: str, store: Store) -> None:
    pipe = asyncio.subprocess.PIPE
    ringers = [await child(RING, url, stdin=pipe) for _ in range(2)]
    for one in ringers:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for _ in range(10):
        for one in ringers:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
    new = [int(out) for out in await outputs(ringers)]
    assert sum(new) == 10
    assert len((await store.executions.page()).items) == 10
    assert (await store.alerts.counts()).duplicates == 10


async def test_j05_after_half_an_hour_one_firing_makes_up_for_all(store: Store) -> None:
    clock = FakeClock()
    desk = Desk(store, clock, books(scheduled()))
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    assert await desk.ringer.step() == 1
    await desk.opened()
    clock.move_to(START + 31 * MINUTE)
    again = Desk(store, clock, books(scheduled()))
    assert await again.ringer.step() == 1
    assert missed(await again.kept()) == [29]
    assert await again.ringer.step() == 0


@pytest.mark.parametrize(("rule", "number"), [("run_once", 1), ("skip", 0), ("run_all", 30)])
async def test_j05_what_is_missed_is_made_up_for_as_the_schedule_says(store: Store, rule: str, number: int) -> None:
    clock = FakeClock()
    given = books(scheduled(rest=f", missed: {rule}"))
    desk = Desk(store, clock, given)
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    await desk.ringer.step()
    await desk.opened()
    clock.move_to(START + 31 * MINUTE + 30_000)  # the last was due half a minute ago: late, too
    assert await Desk(store, clock, given).ringer.step() == number
    clock.move_to(START + 32 * MINUTE)
    if rule != "skip":
        assert await Desk(store, clock, given).ringer.step() == 1


async def test_j06_a_weekly_firing_due_while_down_rings_on_start(store: Store) -> None:
    clock = FakeClock()  # a Sunday, at noon
    given = books(scheduled("0 13 * * 0"))
    await Desk(store, clock, given).ringer.step()
    clock.move_to(START + 60 * MINUTE)
    running = Desk(store, clock, given)
    running.ringer._rung["sweep"] = (f"{given.playbooks['sweep'].trigger.schedule}", START)
    assert await running.ringer.step() == 1
    clock.move_to(clock.now() + 7 * 24 * 60 * MINUTE + 5 * MINUTE)
    assert await Desk(store, clock, given).ringer.step() == 1


async def test_c09_a_firing_kept_before_the_end_of_a_process_opens_after_it(store: Store) -> None:
    clock = FakeClock()
    desk = Desk(store, clock, books(scheduled()))
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    assert await desk.ringer.step() == 1  # kept, and the process ends before it is processed
    again = Desk(store, clock, books(scheduled()))
    assert await again.ringer.step() == 0
    assert len(await again.opened()) == 1
    clock.move_to(START + 2 * MINUTE)
    assert await again.ringer.step() == 1
    assert len(await again.opened()) == 2


async def test_s43_a_clock_set_back_rings_nothing_twice(store: Store) -> None:
    given, clock = books(scheduled()), FakeClock()
    desk = Desk(store, clock, given)
    await desk.ringer.step()
    clock.move_to(START + 5 * MINUTE)
    await desk.ringer.step()
    for earlier in (Desk(store, FakeClock(START + 2 * MINUTE), given), Desk(store, FakeClock(START), given)):
        assert await earlier.ringer.step() == 0
    clock.move_to(START + 6 * MINUTE)
    assert await desk.ringer.step() == 1


async def test_another_time_in_the_file_starts_afresh_and_disabled_rings_nothing(store: Store) -> None:
    clock = FakeClock()
    desk = Desk(store, clock, books(scheduled("0 * * * *")))
    await desk.ringer.step()
    desk.books = books(scheduled("*/5 * * * *") + "\nmode: disabled")
    clock.move_to(START + 5 * MINUTE)
    assert await desk.ringer.step() == 0
    desk.books = books(scheduled("*/5 * * * *"))
    await desk.ringer.step()
    clock.move_to(START + 10 * MINUTE)
    assert await desk.ringer.step() == 1


@pytest.mark.parametrize("restarted", [False, True])
async def test_s43_one_firing_of_a_clock_that_was_ahead_does_not_silence_the_schedule(
    store: Store, restarted: bool
) -> None:
    given, clock = books(scheduled()), FakeClock()
    desk = Desk(store, clock, given)
    await desk.ringer.step()
    clock.move_to(START + 30 * 24 * 60 * MINUTE)
    assert await desk.ringer.step() == 1
    clock._now = START + 10_000  # set back by a person
    if restarted:
        desk = Desk(store, clock, given)
    assert await desk.ringer.step() == 0
    for minute in (1, 2):
        clock.move_to(START + minute * MINUTE)
        assert await desk.ringer.step() == 1
    (told,) = [one for one in (await store.audit.page()).items if one.action == "schedule.clock_set_back"]
    assert (told.subject, told.data["firing"]) == ("playbook:sweep", "2026-03-31T12:00:00.000Z")


@pytest.mark.parametrize("restarted", ["never", "while disabled", "before it is enabled", "after it is enabled"])
async def test_j05_what_was_due_while_a_playbook_was_disabled_is_not_made_up_for(store: Store, restarted: str) -> None:
    on, clock = books(scheduled()), FakeClock()
    off = books(scheduled() + "\nmode: disabled")
    desk = Desk(store, clock, on)
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    assert await desk.ringer.step() == 1
    desk.books = off
    assert await desk.ringer.step() == 0
    clock.move_to(START + 10 * MINUTE)
    if restarted == "while disabled":
        desk = Desk(store, clock, off)
    assert await desk.ringer.step() == 0
    clock.move_to(START + 20 * MINUTE + 30_000)
    desk = Desk(store, clock, on) if restarted == "before it is enabled" else desk
    desk.books = on
    assert await desk.ringer.step() == 0
    desk = Desk(store, clock, on) if restarted == "after it is enabled" else desk
    assert await desk.ringer.step() == 0
    clock.move_to(START + 21 * MINUTE)
    assert await desk.ringer.step() == 1
    assert missed(await desk.kept()) == [0, 0]


async def test_m04_a_stopped_playbook_is_not_opened_by_its_schedule(store: Store) -> None:
    clock = FakeClock()
    desk = Desk(store, clock, books(scheduled()), stopped={"sweep": "a person stopped it"})
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    assert await desk.ringer.step() == 1
    assert await desk.opened() == []


async def test_a_schedule_out_of_its_dates_opens_nothing(store: Store) -> None:
    clock = FakeClock()
    desk = Desk(store, clock, books(scheduled() + "\nvalid_until: 2026-01-01"))
    await desk.ringer.step()
    clock.move_to(START + MINUTE)
    await desk.ringer.step()
    assert await desk.opened() == []


def event(number: int, name: str = "containment.lifted", hops: int = 0) -> Event:
    return Event(f"event-{number}", name, {"target": "192.0.2.1"}, START + number, hops)


async def test_s45_an_event_opens_each_that_listens_once(store: Store) -> None:
    given = books(
        "id: exact\ntrigger: {event: containment.lifted}",
        "id: wild\ntrigger: {event: 'containment.*'}",
        "id: other\ntrigger: {event: execution.failed}",
    )
    first, second = (Desk(store, FakeClock(), given) for _ in range(2))
    await store.events.add([event(1)])
    await store.events.add([event(1)])
    assert await first.ringer.step() + await second.ringer.step() == 1
    assert sorted(one.playbook_id or "" for one in await first.opened()) == ["exact", "wild"]
    await store.events.add([event(2)])
    assert await second.ringer.step() == 1


async def test_s45_events_read_twice_after_a_crash_are_one_alert(store: Store) -> None:
    desk = Desk(store, FakeClock(), books("id: a\ntrigger: {event: '*'}"))
    await store.events.add([event(1)])
    assert await desk.ringer.step() == 1
    await store._writer.run(lambda db: db.execute("DELETE FROM counters WHERE name = 'events read'").rowcount)
    assert await desk.ringer.step() == 0
    assert len(await desk.opened()) == 1


async def test_m01_s15_a_circle_of_events_ends_at_the_cap_and_says_so(store: Store) -> None:
    """Each execution tells the event that opens the next."""
    desk = Desk(store, FakeClock(), books("id: echo\ntrigger: {event: echo.said}"))
    await store.events.add([event(0, "echo.said")])
    told = 0
    for turn in range(1, 20):
        await desk.ringer.step()
        opened = await desk.opened()
        if len(opened) == told:
            break
        told = len(opened)
        await store.events.add([event(turn, "echo.said", max(one.hops for one in opened))])
    assert told == HOPS
    (newest, *_) = (await store.alerts.page()).items
    (match,) = await store.alerts.matches(newest.id)
    assert match.outcome == "error"
    assert "goes round in a circle" in match.trace["error"]
