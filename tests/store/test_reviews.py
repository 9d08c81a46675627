"""A broken glass: settled, told and put up for review in one unit; closed once, by whoever commits first."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from soar.errors import Conflict, NotFound
from soar.ids import derived_id
from soar.model.approval import Approval, Approvers, Vote
from soar.model.message import Message
from soar.store import Store
from soar.store.units import ExecutionUnit, Subscription
from tests.store.given import NOW, child, outputs
from tests.store.test_approvals import asked, name, said, signals

TWO = Approvers(users=("ana", "ben"), required=2)

BREAK = """
import asyncio, sys
from soar.errors import Conflict
from soar.store import Store
from tests.store.test_reviews import ROUNDS, broken
from tests.store.test_approvals import name

async def main(url, person):
    store = await Store.open(url)
    print("ready", flush=True)
    for number in range(ROUNDS):
        await asyncio.to_thread(sys.stdin.readline)
        try:
            await broken(store, person, number)
            print("won", flush=True)
        except Conflict:
            print("lost", flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""
ROUNDS = 20


def vote(person: str = "cleo") -> Vote:
    return Vote(person, "approve", NOW + 1, "cli", "nobody else answers", {"break_glass": True})


def told(number: int = 0, destination: str = "slack:#security") -> Message:
    return Message(
        derived_id(name(number), "told", destination),
        "announcement",
        "execution",
        destination,
        NOW + 1,
        approval_id=name(number),
        text="cleo has broken the glass",
        due_at=NOW + 1,
    )


async def broken(store: Store, person: str = "cleo", number: int = 0) -> Approval:
    return await store.reviews.break_glass(name(number), vote(person), [told(number)], NOW + 1)


async def events(store: Store) -> list[dict[str, Any]]:
    return [dict(one.data) for one in await store.events.since("approval.break_glass", 0, 0)]


async def trail(store: Store, subject: str) -> list[tuple[str, str]]:
    return [(one.actor, one.action) for one in (await store.audit.page(subject)).items]


async def test_one_person_settles_what_two_were_to_and_all_that_follows_is_written_with_it(store: Store) -> None:
    owner = await asked(store, approvers=TWO)
    found = await broken(store)
    assert (found.state, found.settled_by, found.reason) == ("approved", "person:cleo", "nobody else answers")
    assert found.votes == (vote(),)
    assert await signals(store, owner) == [("block0", "approved", "person:cleo")]
    (review,) = (await store.reviews.page()).items
    assert (review.approval_id, review.execution_id, review.playbook_id) == (name(0), owner, found.playbook_id)
    assert (review.by, review.reason, review.opened_at, review.state) == (
        "person:cleo",
        "nobody else answers",
        NOW + 1,
        "open",
    )
    assert await trail(store, f"approval:{name(0)}") == [
        ("person:cleo", "approval.break_glass"),
        ("person:cleo", "approval.approved"),
        ("person:cleo", "approval.vote.approve"),
        ("engine", "approval.asked"),
    ]
    (event,) = await events(store)
    assert (event["approval"], event["review"], event["by"]) == (name(0), review.id, "person:cleo")
    (message,) = await store.messages.due(NOW + 1)
    assert (message.kind, message.state, message.destination) == ("announcement", "waiting", "slack:#security")


async def test_it_is_written_whole_or_not_at_all(store: Store) -> None:
    owner = await asked(store, approvers=TWO)
    messages = [replace(told(0, destination), nonce="one nonce") for destination in ("slack:#a", "slack:#b")]
    with pytest.raises(Exception, match=r"UNIQUE constraint failed: messages|messages_nonce_key"):
        await store.reviews.break_glass(name(0), vote(), messages, NOW + 1)
    assert (await store.approvals.get(name(0))).votes == ()
    assert (await store.approvals.get(name(0))).state == "asking"
    assert (await store.reviews.page(None)).items == []
    assert (await signals(store, owner), await events(store), await store.messages.due(NOW + 1)) == ([], [], [])
    assert await trail(store, f"approval:{name(0)}") == [("engine", "approval.asked")]


async def test_who_waits_for_the_event_is_woken(store: Store) -> None:
    owner = await asked(store)
    wanted = [Subscription("wait", "approval.*", 0)]
    await store.executions.commit(ExecutionUnit(owner, 1, subscriptions=wanted))
    await broken(store)
    assert "event" in [one.kind for one in await store.executions.signals(owner)]


@pytest.mark.parametrize("decision", ["approve", "deny"])
async def test_what_is_settled_is_not_broken_open(store: Store, decision: Any) -> None:
    await asked(store)
    state = (await store.approvals.vote(name(0), said("ana", decision), NOW)).state
    with pytest.raises(Conflict, match=f"it is {state} already, by person:ana"):
        await broken(store)
    assert (await store.reviews.page(None)).items == []
    assert await store.messages.due(NOW + 1) == []
    with pytest.raises(NotFound, match="there is none"):
        await broken(store, number=7)


async def test_who_had_said_yes_breaks_the_glass_and_their_first_word_stands(store: Store) -> None:
    await asked(store, approvers=TWO)
    await store.approvals.vote(name(0), said("ana"), NOW)
    found = await broken(store, "ana")
    assert (found.state, found.settled_by, found.votes) == ("approved", "person:ana", (said("ana"),))
    assert [one.by for one in (await store.reviews.page()).items] == ["person:ana"]


async def test_s04_the_glass_and_the_expiry_at_once_are_one_outcome(store: Store) -> None:
    owner = await asked(store)
    await asyncio.gather(broken(store), store.approvals.advance(NOW + 60_000), return_exceptions=True)
    ((_, state, _),) = await signals(store, owner)
    reviews = (await store.reviews.page(None)).items
    assert (await store.approvals.get(name(0))).state == state
    assert len(reviews) == (state == "approved")


async def test_d05_two_processes_break_one_glass_and_one_of_them_has(url: str, store: Store) -> None:
    await asked(store, *range(ROUNDS))
    racers = [await child(BREAK, url, who, stdin=asyncio.subprocess.PIPE) for who in ("cleo", "dan")]
    for one in racers:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for _ in range(ROUNDS):
        for one in racers:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
        await asyncio.gather(*[one.stdin.drain() for one in racers if one.stdin])
    rounds = list(zip(*[out.splitlines() for out in await outputs(racers)], strict=True))
    assert len(rounds) == ROUNDS
    assert all(sorted(lines) == ["lost", "won"] for lines in rounds)
    assert len((await store.reviews.page()).items) == len(await events(store)) == ROUNDS


async def test_a_review_is_closed_once_and_the_next_is_told_by_whom(store: Store) -> None:
    await asked(store)
    await broken(store)
    (review,) = (await store.reviews.page()).items
    closed = await store.reviews.close(review.id, "person:ben", "it was right", NOW + 5)
    assert (closed.state, closed.closed_by, closed.closed_at, closed.finding) == (
        "closed",
        "person:ben",
        NOW + 5,
        "it was right",
    )
    with pytest.raises(Conflict, match="closed already, by person:ben"):
        await store.reviews.close(review.id, "person:ana", "I saw nothing", NOW + 6)
    assert await store.reviews.get(review.id) == closed
    assert await trail(store, f"review:{review.id}") == [("person:ben", "review.closed")]
    assert ((await store.reviews.page()).items, (await store.reviews.page("closed")).items) == ([], [closed])


async def test_two_close_it_at_once_and_one_finding_stands(store: Store) -> None:
    await asked(store)
    await broken(store)
    (review,) = (await store.reviews.page()).items
    closing = [store.reviews.close(review.id, f"person:{who}", who, NOW + 5) for who in ("ana", "ben", "dan")]
    ended = await asyncio.gather(*closing, return_exceptions=True)
    (winner,) = [one for one in ended if not isinstance(one, BaseException)]
    assert await store.reviews.get(review.id) == winner
    assert len(await trail(store, f"review:{review.id}")) == 1


async def test_a_review_of_nothing(store: Store) -> None:
    with pytest.raises(NotFound, match="soar reviews list"):
        await store.reviews.get("nothing")
    with pytest.raises(NotFound):
        await store.reviews.close("nothing", "person:ben", "x", NOW)


async def test_open_ones_are_there_after_a_restart_and_however_old(url: str, store: Store) -> None:
    await asked(store)
    await broken(store)
    await store.events.prune(NOW * 2)
    again = await Store.open(url)
    try:
        (review,) = (await again.reviews.page()).items
        assert review.state == "open"
    finally:
        await again.close()


async def test_they_are_listed_newest_first_by_cursor(store: Store) -> None:
    await asked(store, *range(5))
    for number in range(5):
        await store.reviews.break_glass(name(number), vote(), [], NOW + number)
    first = await store.reviews.page(None, None, 2)
    rest = await store.reviews.page(None, first.next_cursor, 10)
    assert [one.approval_id for one in first.items + rest.items] == [name(number) for number in (4, 3, 2, 1, 0)]
    assert rest.next_cursor is None
