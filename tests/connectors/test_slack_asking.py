"""How a request stands in Slack: posted without power, shown with buttons, and answered by a press or a form."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator

import pytest

from soar.rehearsal.inbox import NobodyCould, SlackInbox
from tests.connectors.contract import connected
from tests.connectors.slack_stage import NONCE, SOC, TOKEN, Desk, buttons, desk, notice, slack, standing_at, texts


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with slack(members={"U01": {}, "U02": {}}) as part:
        yield part


@pytest.fixture
async def made(inbox: SlackInbox) -> AsyncIterator[Desk]:
    async with desk(inbox) as stage:
        yield stage


async def press(inbox: SlackInbox, place: object, user: str = "U01", action: str = "soar_approve", **more: object):  # type: ignore[no-untyped-def]
    """The double waits for our answer, so it is asked beside the loop that gives it."""
    return await asyncio.to_thread(inbox.click, place["ts"], user, action, **more)  # type: ignore[index]


async def test_a_request_is_posted_without_buttons_and_gets_them_where_it_stands(made: Desk, inbox: SlackInbox) -> None:
    place = await made.post(notice())
    assert place["channel"] == SOC
    assert buttons(standing_at(inbox, place)) == []
    with pytest.raises(NobodyCould, match="has no button 'soar_approve'"):
        inbox.click(place["ts"], "U01")
    await made.show(notice(), place)
    await made.show(notice(), place)
    assert buttons(standing_at(inbox, place)) == ["soar_approve", "soar_deny"]


async def test_where_no_answer_can_come_back_there_is_no_button_to_press(inbox: SlackInbox) -> None:
    """A token alone can post; a button that leads nowhere would be worse than none."""
    async with connected("slack", {"base_url": inbox.api_url}, {"token": TOKEN}) as connections:
        made = Desk(connections)
        place = await made.asked(notice())
    standing = standing_at(inbox, place)
    assert buttons(standing) == []
    assert "soar approve 01JAPPROVAL" in str(standing["blocks"])


async def test_d06_a_press_says_who_where_and_what_and_no_names(made: Desk, inbox: SlackInbox) -> None:  # D06
    place = await made.asked(notice())
    [delivery] = await press(inbox, place)
    assert (delivery.status, delivery.body) == (200, "")
    taken = made.last
    assert (taken.kind, taken.identity, taken.nonce, taken.place) == ("approve", "T01/U01", NONCE, place)
    evidence = dict(taken.evidence)
    assert len(evidence.pop("signature_sha256")) == 64
    assert float(evidence.pop("action_ts")) > 0
    assert evidence == {
        "type": "block_actions",
        "team": "T01",
        "user": "U01",
        "user_team": "T01",
        "channel": SOC,
        "message_ts": place["ts"],
        "api_app_id": "A0SOAR",
    }


async def test_a_denial_asks_for_its_reason_in_a_form_and_comes_back_as_one(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice())
    await press(inbox, place, action="soar_deny")
    wanted = made.last
    assert wanted.kind == "wants_to_deny"
    await made.ask_reason(wanted)
    [delivery] = await asyncio.to_thread(inbox.submit, "U01", "the address is our own proxy's")
    assert (delivery.status, inbox.forms()) == (200, [])
    taken = made.last
    assert (taken.kind, taken.identity, taken.nonce) == ("deny", "T01/U01", NONCE)
    assert (taken.place, taken.reason) == (place, "the address is our own proxy's")
    assert taken.evidence["action_ts"] == wanted.evidence["action_ts"]


async def test_a_settled_request_has_no_buttons_and_says_who_and_why(made: Desk, inbox: SlackInbox) -> None:
    place = await made.asked(notice())
    settled = notice(state="denied", settled_at=1_767_226_000_000, settled_by="person:ana", reason="our own proxy")
    await made.show(settled, place)
    message = standing_at(inbox, place)
    assert buttons(message) == []
    shown = texts(message)
    for part in ("Denied", "ana", "our own proxy", "203.0.113.9", "2026-01-01 00:06:40 UTC"):
        assert part in shown
    assert message["text"].startswith("Denied: Block")
