"""Requests to people: one word settles each, whoever commits first (S4, S26-S29)."""

from __future__ import annotations

import asyncio
from collections import Counter
from dataclasses import replace
from typing import Any

import pytest

from soar.errors import Conflict, NotFound
from soar.ids import derived_id
from soar.model.approval import Approval, Approvers, Decision, Stage, Vote
from soar.model.message import Message
from soar.store import Store
from soar.store.units import ExecutionUnit, Withdraw
from tests.store.given import NOW, child, outputs, running

ROUNDS = 50

VOTE = """
import asyncio, sys
from soar.errors import Conflict
from soar.model.approval import Vote
from soar.store import Store
from tests.store.given import NOW
from tests.store.test_approvals import ROUNDS, name

async def main(url, person, decision):
    store = await Store.open(url)
    print("ready", flush=True)
    for number in range(ROUNDS):
        await asyncio.to_thread(sys.stdin.readline)
        try:
            found = await store.approvals.vote(name(number), Vote(person, decision, NOW, "cli"), NOW)
            print("won", found.state, flush=True)
        except Conflict:
            print("lost", flush=True)
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""


def name(number: int) -> str:
    return derived_id("approval", number)


def approval(execution_id: str, number: int = 0, **fields: Any) -> Approval:
    one = Approval(
        id=name(number),
        execution_id=execution_id,
        path=f"block{number}",
        round=1,
        state="asking",
        message="Block it?",
        shown=({"action": "gateway.block_ip"},),
        digest="d",
        approvers=Approvers(users=("ana", "ben")),
        requester="source:siem",
        asked_at=NOW,
        stages=(Stage(("ana",), 60.0),),
        due_at=NOW + 60_000,
    )
    return replace(one, **fields)


def said(person: str, decision: Decision = "approve") -> Vote:
    return Vote(person, decision, NOW + 1, "cli", "because", {"team": "T1"})


async def asked(store: Store, *numbers: int, **fields: Any) -> str:
    """An execution that has asked; its id."""
    owner = await running(store)
    requests = [approval(owner.id, number, **fields) for number in numbers or (0,)]
    await store.executions.commit(ExecutionUnit(owner.id, owner.epoch, approvals=requests))
    return owner.id


async def signals(store: Store, execution_id: str) -> list[tuple[str, str, str]]:
    found = await store.executions.signals(execution_id)
    return [(one.data["path"], one.data["state"], one.data["by"]) for one in found if one.kind == "approval"]


async def test_s28_a_yes_settles_it_and_wakes_the_execution(store: Store) -> None:
    owner = await asked(store)
    found = await store.approvals.vote(name(0), said("ana"), NOW + 1)
    assert (found.state, found.settled_by, found.due_at) == ("approved", "person:ana", None)
    assert found.votes == (said("ana"),)
    assert await signals(store, owner) == [("block0", "approved", "person:ana")]


async def test_s28_one_denial_settles_though_two_must_say_yes(store: Store) -> None:
    owner = await asked(store, approvers=Approvers(users=("ana", "ben"), required=2))
    assert (await store.approvals.vote(name(0), said("ana"), NOW)).state == "asking"
    assert await signals(store, owner) == []
    assert (await store.approvals.vote(name(0), said("ben", "deny"), NOW)).state == "denied"
    assert await signals(store, owner) == [("block0", "denied", "person:ben")]


async def test_two_yeses_are_two_people(store: Store) -> None:
    await asked(store, approvers=Approvers(users=("ana", "ben"), required=2))
    await store.approvals.vote(name(0), said("ana"), NOW)
    with pytest.raises(Conflict, match="ana has said 'approve' already"):
        await store.approvals.vote(name(0), said("ana"), NOW)
    assert (await store.approvals.get(name(0))).state == "asking"
    assert (await store.approvals.vote(name(0), said("ben"), NOW)).state == "approved"


async def test_d05_who_comes_second_is_told_what_stands(store: Store) -> None:
    owner = await asked(store)
    await store.approvals.vote(name(0), said("ana"), NOW)
    with pytest.raises(Conflict, match="it is approved already, by person:ana"):
        await store.approvals.vote(name(0), said("ben", "deny"), NOW)
    assert len((await store.approvals.get(name(0))).votes) == 1
    assert len(await signals(store, owner)) == 1


async def test_s04_two_processes_vote_and_each_round_has_one_winner(url: str, store: Store) -> None:
    owner = await asked(store, *range(ROUNDS))
    pipe = asyncio.subprocess.PIPE
    racers = [await child(VOTE, url, *who, stdin=pipe) for who in (("ana", "approve"), ("ben", "deny"))]
    for one in racers:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for _ in range(ROUNDS):
        for one in racers:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
        await asyncio.gather(*[one.stdin.drain() for one in racers if one.stdin])
    told = [out.splitlines() for out in await outputs(racers)]

    assert [len(lines) for lines in told] == [ROUNDS, ROUNDS]
    for number, lines in enumerate(zip(*told, strict=True)):
        assert Counter(line.split()[0] for line in lines) == {"won": 1, "lost": 1}
        state = next(line.split()[1] for line in lines if line != "lost")
        found = await store.approvals.get(name(number))
        assert (found.state, len(found.votes)) == (state, 1)
    assert sorted(path for path, _, _ in await signals(store, owner)) == sorted(f"block{n}" for n in range(ROUNDS))


async def test_s28_a_stage_that_is_over_hands_on_and_the_votes_stay(store: Store) -> None:
    stages = (Stage(("ana",), 60.0), Stage(("ben",), 30.0))
    owner = await asked(store, stages=stages, approvers=Approvers(users=("ana", "ben"), required=2))
    await store.approvals.vote(name(0), said("ana"), NOW)
    assert await store.approvals.advance(NOW + 59_999) == []
    (moved,) = await store.approvals.advance(NOW + 75_000)
    assert (moved.stage, moved.state, len(moved.votes)) == (1, "asking", 1)
    assert moved.due_at == NOW + 90_000 == await store.approvals.next_due()
    assert await signals(store, owner) == []
    assert (await store.approvals.vote(name(0), said("ben"), NOW)).state == "approved"


@pytest.mark.parametrize(("on_timeout", "state"), [("reject", "expired"), ("approve", "approved")])
async def test_s28_at_the_last_due_time_policy_is_the_actor(store: Store, on_timeout: Any, state: str) -> None:
    owner = await asked(store, on_timeout=on_timeout)
    (moved,) = await store.approvals.advance(NOW + 60_000)
    assert (moved.state, moved.settled_by, moved.due_at) == (state, "policy", None)
    assert await store.approvals.advance(NOW + 120_000) == []
    assert await signals(store, owner) == [("block0", state, "policy")]
    with pytest.raises(Conflict):
        await store.approvals.vote(name(0), said("ana"), NOW)


async def test_s04_a_vote_and_the_expiry_at_once_are_one_outcome(store: Store) -> None:
    owner = await asked(store)
    votes = store.approvals.vote(name(0), said("ana"), NOW)
    await asyncio.gather(votes, store.approvals.advance(NOW + 60_000), return_exceptions=True)
    ((_, state, _),) = await signals(store, owner)
    assert (await store.approvals.get(name(0))).state == state


@pytest.mark.parametrize("state", ["withdrawn", "voided"])
async def test_s22_what_is_withdrawn_takes_no_vote_and_wakes_nobody(store: Store, state: Any) -> None:
    owner = await running(store)
    taken = [Withdraw(name(0), state, "its step was cut", NOW)]
    await store.executions.commit(ExecutionUnit(owner.id, 1, approvals=[approval(owner.id)]))
    await store.executions.commit(ExecutionUnit(owner.id, 1, withdrawals=taken))
    with pytest.raises(Conflict, match=f"it is {state} already"):
        await store.approvals.vote(name(0), said("ana"), NOW)
    assert await signals(store, owner.id) == []


async def test_a_withdrawal_after_the_vote_changes_nothing(store: Store) -> None:
    owner = await asked(store)
    await store.approvals.vote(name(0), said("ana"), NOW)
    taken = [Withdraw(name(0), "withdrawn", "its step was cut", NOW)]
    await store.executions.commit(ExecutionUnit(owner, 1, withdrawals=taken))
    assert (await store.approvals.get(name(0))).state == "approved"


async def test_asking_again_under_the_same_id_changes_nothing(store: Store) -> None:
    owner = await asked(store)
    await store.approvals.vote(name(0), said("ana"), NOW)
    await store.executions.commit(ExecutionUnit(owner, 1, approvals=[approval(owner)]))
    assert (await store.approvals.get(name(0))).state == "approved"
    assert len(await store.approvals.of(owner)) == 1


async def test_a_delivered_request_is_asked_and_a_settled_one_stays(store: Store) -> None:
    await asked(store, 0, 1)
    for number in (0, 1):
        one = await store.approvals.get(name(number))
        message = Message(name(number), "request", one.execution_id, "slack:#soc", NOW, approval_id=one.id, due_at=NOW)
        await store.messages.plan(one, [message], NOW)
        assert await store.messages.begin(message)
        await store.messages.posted(message, {"ts": str(number)}, "posted", NOW)
    assert [(await store.approvals.get(name(n))).state for n in (0, 1)] == ["asking", "asking"]
    await store.approvals.vote(name(1), said("ana"), NOW)
    for message in await store.messages.due(NOW):
        await store.messages.shown(message)
    assert [(await store.approvals.get(name(n))).state for n in (0, 1)] == ["asked", "approved"]
    assert [one.id for one in (await store.approvals.page("open")).items] == [name(0)]


async def test_d06_the_word_of_one_who_may_not_counts_for_nothing_and_is_recorded(store: Store) -> None:
    await asked(store)
    await store.approvals.refused(await store.approvals.get(name(0)), "person:eve", "cli", "no approver", NOW)
    assert (await store.approvals.get(name(0))).votes == ()
    found = (await store.audit.page(f"approval:{name(0)}")).items
    assert [(one.actor, one.action) for one in found] == [
        ("person:eve", "approval.vote.refused"),
        ("engine", "approval.asked"),
    ]


async def test_a_vote_for_nothing(store: Store) -> None:
    with pytest.raises(NotFound, match="there is none"):
        await store.approvals.vote("nothing", said("ana"), NOW)
