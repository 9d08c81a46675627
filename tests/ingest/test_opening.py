"""What opens: modes, dates, exclusivity, slots, inputs of runs by hand (S15, S18, S36)."""

from __future__ import annotations

from typing import Any

import pytest

from soar.ingest.opening import weighed
from soar.model.alert import Match
from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit
from soar.testing.clock import START, FakeClock
from tests.ingest.given import Books, Desk, books

INPUTS = """id: lock
inputs:
  user: {type: string, required: true}
  hours: {type: integer, minimum: 1, default: 4}
  note: {type: string}"""


def book(name: str, rest: str = "") -> str:
    return f"id: {name}\ntrigger: {{match: {{s: {{title: x}}, condition: s}}}}\n{rest}"


def told(given: Books, now: int = START, **stopped: str) -> dict[str, str]:
    """By playbook: what became of its match, and why."""
    matches = [Match(name, one.digest, "matched", {}) for name, one in given.playbooks.items()]
    found = weighed(matches, given.playbooks, now, stopped.get)
    return {one.playbook_id: str(one.trace.get("reason", one.outcome)) for one in found}


def fires(given: Books, now: int = START, **stopped: str) -> set[str]:
    return {name for name, outcome in told(given, now, **stopped).items() if outcome == "matched"}


def test_only_what_is_in_force_fires_and_the_trace_says_why() -> None:
    given = books(
        book("live"), book("shadow", "mode: shadow"), book("off", "mode: disabled"), book("stopped"),
        book("early", "valid_from: 2026-03-02"), book("late", "valid_until: 2026-03-01"),
    )  # fmt: skip
    found = told(given, stopped="a person stopped it")
    assert {name for name, outcome in found.items() if outcome == "matched"} == {"live", "shadow"}
    assert found["off"] == "its mode is disabled"
    assert found["stopped"] == "a person stopped it"
    assert found["early"].startswith("it is valid from 2026-03-02")
    assert found["late"].startswith("it was valid until ")


def test_dates_hold_from_their_first_instant_to_before_their_last() -> None:
    given = books(book("a", "valid_from: 2026-03-02\nvalid_until: 2026-03-03"))
    first, last = given.playbooks["a"].valid_from, given.playbooks["a"].valid_until
    assert first is not None
    assert last is not None
    assert [bool(fires(given, at)) for at in (first - 1, first, last - 1, last)] == [False, True, True, False]


def test_s18_of_all_matches_only_the_exclusive_one_of_the_highest_priority_fires() -> None:
    given = books(
        book("b", "exclusive: true\npriority: 5"), book("a", "exclusive: true\npriority: 5"),
        book("low", "exclusive: true"), book("plain"), book("seen", "mode: shadow"),
    )  # fmt: skip
    found = told(given)
    assert {name for name, outcome in found.items() if outcome == "matched"} == {"a", "seen"}
    assert found["plain"] == "the exclusive playbook 'a' takes the alert"


def test_s18_an_exclusive_playbook_out_of_force_or_in_shadow_takes_nothing() -> None:
    for rest in ("mode: disabled", "mode: shadow", "valid_until: 2026-03-01"):
        assert "plain" in fires(books(book("sole", f"exclusive: true\n{rest}"), book("plain")))
    assert fires(books(book("sole", "exclusive: true"), book("plain")), sole="stopped") == {"plain"}


async def test_s36_a_shadow_playbook_opens_in_shadow_and_takes_no_slot(store: Store) -> None:
    slot = "concurrency: {key: one, limit: 1}"
    desk = Desk(store, FakeClock(), books(f"id: a\nmode: shadow\n{slot}"))
    await desk.run("a")
    await desk.run("a")
    assert [(one.mode, one.state, one.slot_key) for one in await desk.opened()] == [("shadow", "queued", None)] * 2


async def end(store: Store, one: Execution) -> None:
    await store.executions.commit(ExecutionUnit(one.id, one.epoch, take=True))
    change = ExecutionChange("succeeded", finished_at=START)
    await store.executions.commit(ExecutionUnit(one.id, one.epoch + 1, change=change, related=True))


async def slots(store: Store, when_full: str, number: int = 3) -> tuple[Desk, list[Execution]]:
    """So many runs of a playbook with room for one, one second apart."""
    rule = f"concurrency: {{key: '{{{{ alert.title }}}}', limit: 1, when_full: {when_full}}}"
    desk = Desk(store, FakeClock(), books(f"id: a\n{rule}"))
    for _ in range(number):
        await desk.run("a")
        desk.clock.move_to(desk.clock.now() + 1000)
        await desk.opened()
    return desk, await desk.opened()


async def test_s18_queue_lets_the_oldest_go_next_when_the_slot_is_free(store: Store) -> None:
    desk, opened = await slots(store, "queue")
    assert [(one.state, one.awaiting) for one in opened] == [("queued", None), *[("parked", "slot")] * 2]
    await end(store, opened[0])
    assert [one.state for one in await desk.opened()] == ["succeeded", "queued", "parked"]
    await store.executions.free_slots()
    assert [one.state for one in await desk.opened()] == ["succeeded", "queued", "parked"]


async def test_s18_skip_is_counted_and_final(store: Store) -> None:
    desk, opened = await slots(store, "skip")
    assert [one.state for one in opened] == ["queued", "skipped", "skipped"]
    assert "were taken" in (opened[1].message or "")
    await end(store, opened[0])
    assert [one.state for one in await desk.opened()] == ["succeeded", "skipped", "skipped"]


async def test_s18_cancel_oldest_asks_the_holder_to_end_and_waits_for_the_slot(store: Store) -> None:
    desk, opened = await slots(store, "cancel_oldest", 2)
    assert [(one.state, one.awaiting) for one in opened] == [("queued", None), ("parked", "slot")]
    (signal,) = await store.executions.signals(opened[0].id)
    assert (signal.kind, signal.data["by"]) == ("cancel", "policy")
    assert opened[1].id in signal.data["reason"]
    await end(store, opened[0])
    assert [one.state for one in await desk.opened()] == ["succeeded", "queued"]


async def test_s18_slots_of_other_keys_do_not_wait_for_each_other(store: Store) -> None:
    rule = "inputs: {host: {type: string}}\nconcurrency: {key: '{{ inputs.host }}', limit: 1}"
    desk = Desk(store, FakeClock(), books(f"id: a\n{rule}"))
    for host in ("x", "y", "x"):
        await desk.run("a", inputs={"host": host})
    found = [(one.inputs["host"], one.state) for one in await desk.opened()]
    assert sorted(found) == [("x", "parked"), ("x", "queued"), ("y", "queued")]


async def test_s18_an_empty_key_is_an_error_of_the_match_and_no_shared_slot(store: Store) -> None:
    rule = "inputs: {host: {type: string, default: ' '}}\nconcurrency: {key: '{{ inputs.host }}', limit: 1}"
    desk = Desk(store, FakeClock(), books(f"id: a\n{rule}"))
    assert "concurrency key is empty" in await refusal(desk, "a")


async def refusal(desk: Desk, name: str, **asked: Any) -> str:
    """Why a run by hand opened nothing."""
    raw = await desk.run(name, **asked)
    assert await desk.opened() == []
    (match,) = await desk.store.alerts.matches(raw.id)
    assert match.outcome == "error"
    return str(match.trace["error"])


async def test_inputs_of_a_run_by_hand_are_typed_and_defaults_are_filled_in(store: Store) -> None:
    desk = Desk(store, FakeClock(), books(INPUTS))
    await desk.run("lock", inputs={"user": "ana"})
    (one,) = await desk.opened()
    assert (one.inputs["user"], one.inputs["hours"], one.actor) == ("ana", 4, "person:ana")


@pytest.mark.parametrize(
    ("inputs", "word"),
    [
        ({}, "user"),
        ({"user": None}, "user"),
        ({"user": 7}, "user"),
        ({"user": "ana", "hours": "4"}, "hours"),
        ({"user": "ana", "hours": 0}, "hours"),
        ({"user": "ana", "hours": True}, "hours"),
        ({"user": "ana", "huors": 4}, "huors"),
    ],
)
async def test_wrong_inputs_of_a_run_by_hand_open_nothing_and_are_named(
    store: Store, inputs: dict[str, Any], word: str
) -> None:
    assert word in await refusal(Desk(store, FakeClock(), books(INPUTS)), "lock", inputs=inputs)


async def test_a_person_may_run_a_playbook_outside_its_dates(store: Store) -> None:
    desk = Desk(store, FakeClock(), books("id: a\nvalid_until: 2026-01-01", "id: b\nvalid_from: 2099-01-01"))
    await desk.run("a")
    await desk.run("b")
    assert [one.playbook_id for one in await desk.opened()] == ["a", "b"]


@pytest.mark.parametrize(("mode", "stopped", "reason"), [
    ("disabled", {}, "its mode is disabled"), ("live", {"a": "stopped by ana: too many"}, "stopped by ana: too many"),
])  # fmt: skip
async def test_m04_a_playbook_switched_off_since_a_run_by_hand_was_kept_opens_nothing_and_says_why(
    store: Store, mode: str, stopped: dict[str, str], reason: str
) -> None:
    desk = Desk(store, FakeClock(), books("id: a"))
    raw = await desk.run("a")
    desk.books = books(f"id: a\nmode: {mode}")
    desk.stopped.update(stopped)
    assert await desk.opened() == []
    (match,) = await store.alerts.matches(raw.id)
    assert (match.outcome, match.trace["reason"]) == ("unmatched", reason)
