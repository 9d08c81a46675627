"""Who may speak through Slack, where people are reached, and what one of them is told alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from connectors.slack import standing
from connectors.slack.standing import Remembered
from soar.errors import Refused, Unavailable
from soar.rehearsal.inbox import NobodyCould, SlackInbox
from tests.connectors.slack_stage import SOC, Desk, desk, notice, slack, standing_at

MEMBERS: dict[str, Any] = {
    "U01": {},
    "U02": {"is_restricted": True},
    "U03": {"is_restricted": True, "is_ultra_restricted": True},
    "U04": {"deleted": True},
    "U05": {"is_bot": True},
    "U06": {"team": "T99"},
    "U07": {"is_stranger": True},
    "U08": {"is_admin": True, "is_app_user": False},
}


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with slack(members=MEMBERS) as part:
        yield part


@pytest.fixture
async def made(inbox: SlackInbox) -> AsyncIterator[Desk]:
    async with desk(inbox) as stage:
        yield stage


@pytest.mark.parametrize(
    ("identity", "why"),
    [
        ("T01/U01", None),
        ("T01/U08", None),
        ("T01/U02", "is a guest's"),
        ("T01/U03", "is a guest's"),
        ("T01/U04", "is deactivated"),
        ("T01/U05", "is a program's"),
        ("T01/U06", "is of another workspace (T99), and this one is T01"),
        ("T99/U06", "is of another workspace (T99), and this one is T01"),
        ("T99/U01", "is of another workspace"),
        ("T01/U07", "is of another organisation"),
    ],
)
async def test_d06_a_guest_a_stranger_and_a_program_have_no_vote(made: Desk, identity: str, why: str | None) -> None:
    said = await made.standing(identity)  # D06
    assert said is None if why is None else why in str(said)


async def test_an_account_that_is_not_known_is_no_answer_but_an_error(made: Desk) -> None:
    with pytest.raises(Refused, match="user_not_found"):
        await made.standing("T01/U77")


async def test_what_is_known_is_asked_again_after_five_minutes(
    made: Desk, inbox: SlackInbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = 0.0
    monkeypatch.setattr(made.channel, "_standing", Remembered(lambda: now))
    inbox.configure(members={"U10": {}})
    assert await made.standing("T01/U10") is None
    inbox.configure(members={"U10": {"deleted": True}})
    now = standing.KEPT - 1
    assert await made.standing("T01/U10") is None
    now = standing.KEPT
    assert "deactivated" in str(await made.standing("T01/U10"))


async def test_a_failure_to_find_out_is_not_remembered(made: Desk, inbox: SlackInbox) -> None:
    inbox.configure(members={"U11": {}})
    inbox.fail_next(method="users.info", status=503)
    with pytest.raises(Unavailable):
        await made.standing("T01/U11")
    assert await made.standing("T01/U11") is None


def test_what_is_known_of_many_takes_no_more_room_than_of_a_thousand() -> None:
    remembered = Remembered(lambda: 0.0)
    for number in range(2_500):
        remembered[f"T01/U{number}"] = None
    assert len(remembered._found) <= 1_000


@pytest.mark.parametrize(
    ("identity", "address"), [("T01/U02", "U02"), (None, None), ("", None), ("T01", None), ("T01/", None)]
)
async def test_a_person_is_reached_by_their_member_id(made: Desk, identity: str | None, address: str | None) -> None:
    assert made.channel.address("ana@example.com", identity) == address


async def test_a_direct_message_is_a_place_like_any_other(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice(), "U01")
    assert place["channel"].startswith("D")
    await asyncio.to_thread(inbox.click, place["ts"], "U01")
    assert made.last.place == place
    await made.whisper(made.last, "counted")
    assert inbox.ephemerals()[-1]["channel"] == place["channel"]


async def test_d06_a_refusal_is_told_to_that_one_person_and_the_message_stays(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice())  # D06
    before = standing_at(inbox, place)
    await asyncio.to_thread(inbox.click, place["ts"], "U02")
    await made.whisper(made.last, "Your answer does not count: a guest has no vote.")
    told = inbox.ephemerals()[-1]
    assert (told["channel"], told["user"], "thread_ts" in told) == (SOC, "U02", False)
    assert "a guest has no vote" in told["text"]
    assert standing_at(inbox, place) == before


async def test_d06_a_press_from_a_shared_channel_is_known_as_foreign(made: Desk, inbox: SlackInbox) -> None:  # D06
    place = await made.asked(notice())
    await asyncio.to_thread(inbox.click, place["ts"], "U20", user_team="T88")
    assert made.last.identity == "T88/U20"
    assert (made.last.evidence["team"], made.last.evidence["user_team"]) == ("T01", "T88")
    assert "another workspace" in str(await made.standing(made.last.identity))


async def test_a_second_request_of_an_execution_stands_in_the_thread_and_in_the_channel(
    made: Desk, inbox: SlackInbox
) -> None:
    first = await made.asked(notice())
    second = await made.asked(notice(title="And 203.0.113.10?"), thread=first)
    line = await made.tell("done: contain/block", thread=first)
    message = standing_at(inbox, second)
    assert (message["thread_ts"], message["reply_broadcast"]) == (first["ts"], True)
    assert standing_at(inbox, line)["thread_ts"] == first["ts"]
    assert "reply_broadcast" not in standing_at(inbox, line)
    await asyncio.to_thread(inbox.click, second["ts"], "U01")
    await made.whisper(made.last, "counted")
    assert inbox.ephemerals()[-1]["thread_ts"] == first["ts"]


async def test_d07_a_press_is_the_same_press_however_often_it_is_delivered(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice())  # D07
    deliveries = await asyncio.to_thread(inbox.click, place["ts"], "U01", retry=2)
    again = await asyncio.to_thread(inbox.click, place["ts"], "U01", times=2)
    assert [one.status for one in (*deliveries, *again)] == [200] * 5
    pressed = [taken.evidence["action_ts"] for taken in made.taken if taken is not None]
    assert len(set(pressed[:3])) == 1
    assert len(set(pressed)) == 3


async def test_a_form_wants_a_reason_of_a_length_that_can_be_kept(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice())
    with pytest.raises(NobodyCould, match="sees no form"):
        inbox.submit("U01", "no")
    await asyncio.to_thread(inbox.click, place["ts"], "U01", "soar_deny")
    await made.ask_reason(made.last)
    for text in ("", "x" * 2_001):
        with pytest.raises(NobodyCould, match="takes 1 to 2000 characters"):
            inbox.submit("U01", text)
    [delivery] = await asyncio.to_thread(inbox.submit, "U01", "x" * 2_000)
    assert (delivery.status, len(made.last.reason)) == (200, 2_000)
