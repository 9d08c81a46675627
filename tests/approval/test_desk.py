"""Answers from a channel: whose they are, whether they count, and what is said to whom (D05, D06, D07; S28)."""

from __future__ import annotations

import pytest

from soar.errors import StoreUnavailable, Unavailable
from soar.model.approval import Vote
from tests.approval.conftest import GUARDED, World

TWO = GUARDED.replace("users: [ana, ben]", "users: [ana, ben], required: 2")


async def test_a_press_of_approve_lets_the_step_run_and_the_message_says_who(world: World) -> None:
    execution = await world.ask()
    await world.press("approve")
    settled = await world.approval(execution)
    assert (settled.state, settled.settled_by) == ("approved", "person:ana")
    assert world.stage.connections.names() == ["gateway.block_ip", "api.call"]
    [message] = [one for one in world.board.messages if "notice" in one]
    assert (message["buttons"], message["notice"].settled_by) == (False, "person:ana")
    assert world.board.whispers == []


async def test_a_vote_keeps_the_raw_ids_and_what_was_shown(world: World) -> None:
    execution = await world.ask()
    await world.press("approve", evidence={"user": "U01", "action_ts": "7", "signature_sha256": "ab"})
    settled = await world.approval(execution)
    [vote] = settled.votes
    [message] = [one for one in await world.messages(execution) if one.kind == "request"]
    assert (vote.person, vote.channel) == ("ana", "slack")
    assert vote.evidence == {
        "user": "U01",
        "action_ts": "7",
        "signature_sha256": "ab",
        "message": message.id,
        "digest": settled.digest,
    }
    entries = (await world.store.audit.page(f"approval:{settled.id}")).items
    [told] = [one.data for one in entries if one.action == "approval.vote.approve"]
    assert told["evidence"] == vote.evidence, "auditors read the trail, not the rows"


async def test_a_denial_asks_for_its_reason_first(world: World) -> None:
    execution = await world.ask()
    await world.press("wants_to_deny")
    assert world.board.asked_reasons == ["T01/U01"]
    assert (await world.approval(execution)).open
    await world.press("deny", reason="a partner's address")
    settled = await world.approval(execution)
    assert (settled.state, settled.reason) == ("denied", "a partner's address")
    assert world.stage.connections.names() == ["api.call"]


async def test_a_denial_without_a_reason_is_told_so(world: World) -> None:
    execution = await world.ask()
    await world.press("deny", reason="  ")
    assert (await world.approval(execution)).open
    assert "needs a reason" in world.board.whispers[0][1]


@pytest.mark.parametrize(
    ("identity", "reason"),
    [
        ("T01/U77", "T01/U77 is nobody in soar.yaml"),
        ("T99/U01", "T99/U01 is nobody in soar.yaml"),
        ("T01/U09", "'eve' is not among those who may answer"),
        ("T01/U02", "a guest of the workspace"),
    ],
)
@pytest.mark.parametrize("kind", ["approve", "wants_to_deny"])
async def test_d06_who_may_not_hears_why_in_private_and_the_buttons_stay(
    world: World, identity: str, reason: str, kind: str
) -> None:
    world.board.guests["T01/U02"] = "it is a guest of the workspace"
    execution = await world.ask()
    await world.press(kind, identity)
    standing = await world.approval(execution)
    assert (standing.open, standing.votes) == (True, ())
    assert len(world.board.live) == 1
    [(who, text)] = world.board.whispers
    assert who == identity
    assert reason in text
    assert world.board.asked_reasons == []
    [entry] = [
        one
        for one in (await world.store.audit.page(f"approval:{standing.id}")).items
        if one.action == "approval.vote.refused"
    ]
    assert reason in entry.data["reason"]
    assert entry.data["evidence"]["user"] == identity.partition("/")[2]
    assert entry.actor == ("person:eve" if identity == "T01/U09" else f"slack:{identity}")
    await world.press("approve", "T01/U01")
    assert (await world.approval(execution)).state == "approved"


async def test_d06_an_account_that_cannot_be_looked_up_has_no_vote(world: World) -> None:
    execution = await world.ask()
    world.post.faults["slack"] = [Unavailable("users.info: ratelimited")]
    await world.press("approve")
    assert (await world.approval(execution)).open
    assert "could not be found out" in world.board.whispers[0][1]


async def test_d05_a_double_click_is_one_vote_and_says_nothing_more(world: World) -> None:
    execution = await world.ask(TWO)
    for _ in range(3):
        await world.press("approve", action_ts="1700000000.000100")
    assert [vote.person for vote in (await world.approval(execution)).votes] == ["ana"]
    assert world.board.whispers == []


async def test_d05_a_second_word_of_the_same_person_hears_that_the_first_stands(world: World) -> None:
    execution = await world.ask(TWO)
    await world.press("approve", action_ts="1")
    await world.press("deny", action_ts="2", reason="on second thoughts")
    assert [vote.decision for vote in (await world.approval(execution)).votes] == ["approve"]
    assert "ana has said 'approve' already" in world.board.whispers[0][1]


async def test_d05_the_loser_is_told_who_decided_and_when(world: World) -> None:
    await world.ask()
    await world.press("approve", "T01/U01")
    await world.press("deny", "T01/U02", reason="no")
    [(who, text)] = world.board.whispers
    assert who == "T01/U02"
    assert "This request is approved already, by ana at 20" in text


async def test_d07_the_same_click_delivered_again_has_one_effect(world: World) -> None:
    execution = await world.ask()
    for _ in range(3):
        await world.press("approve", action_ts="5")
    assert len((await world.approval(execution)).votes) == 1
    assert world.stage.connections.names().count("gateway.block_ip") == 1
    assert world.board.whispers == []


async def test_one_of_two_is_shown_and_the_buttons_stay(world: World) -> None:
    execution = await world.ask(TWO)
    await world.press("approve", "T01/U01")
    [message] = world.board.live
    assert [vote.person for vote in message["notice"].votes] == ["ana"]
    await world.press("approve", "T01/U02")
    assert (await world.approval(execution)).state == "approved"
    assert world.board.live == []


@pytest.mark.parametrize("change", [{"nonce": "made-up"}, {"place": {"channel": "#elsewhere", "ts": "1"}}])
async def test_a_button_that_is_not_where_it_was_put_decides_nothing(world: World, change: dict[str, object]) -> None:
    execution = await world.ask()
    await world.press("approve", **change)
    assert (await world.approval(execution)).open
    assert world.board.whispers == [("T01/U01", "This message carries no request of this server (any more).")]


async def test_an_answer_that_cannot_be_stored_is_not_said_to_count(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    execution = await world.ask()

    async def broken(approval_id: str, vote: Vote, now: int) -> None:
        raise StoreUnavailable("soar.db: disk full")

    with monkeypatch.context() as patched:
        patched.setattr(world.store.approvals, "vote", broken)
        with pytest.raises(StoreUnavailable):
            await world.press("approve")
    await world.service.desk.stop(1)
    assert "NOT stored" in world.board.whispers[0][1]
    await world.press("approve")
    assert (await world.approval(execution)).state == "approved"


async def test_d03_an_answer_before_a_restart_resumes_once_and_nothing_is_asked_again(world: World) -> None:
    execution = await world.ask()
    one = await world.approval(execution)
    await world.stage.engine.stop(grace=0)
    await world.store.approvals.vote(one.id, Vote("ana", "approve", world.clock.now(), "slack"), world.clock.now())
    await world.restart()
    await world.settle()
    assert world.stage.connections.names() == ["gateway.block_ip", "api.call"]
    assert len(await world.store.approvals.of(execution.id)) == 1
    assert sum("notice" in message for message in world.board.messages) == 1
