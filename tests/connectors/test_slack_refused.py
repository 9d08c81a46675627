"""What Slack refuses, loses or delays, as the engine hears of it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from typing import Any

import pytest

from soar.errors import ConnectorError, OutcomeUnknown, Refused, Unavailable
from soar.model.notice import Interaction, Place
from soar.rehearsal.inbox import SlackInbox
from tests.connectors.contract import connected
from tests.connectors.slack_stage import (
    APP_TOKEN,
    NONCE,
    SOC,
    TOKEN,
    Desk,
    buttons,
    desk,
    item,
    notice,
    slack,
    standing_at,
)

GONE: Place = {"channel": SOC, "ts": "1.000001"}
SOMEBODY = Interaction(
    "approve", "T01/U01", NONCE, GONE, handle={"channel": SOC, "user": "U01", "trigger_id": "1.none"}
)
Deed = Callable[[Desk, Place], Awaitable[Any]]
DEEDS: dict[str, Deed] = {
    "post": lambda made, _: made.post(notice()),
    "show": lambda made, place: made.show(notice(), place),
    "tell": lambda made, _: made.tell("done: contain/block"),
    "whisper": lambda made, _: made.whisper(SOMEBODY, "no"),
    "ask_reason": lambda made, _: made.ask_reason(SOMEBODY),
    "standing": lambda made, _: made.standing("T01/U01"),
}
SEEN_TWICE = {"post", "tell"}
"""What would stand there twice if it were done again."""


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with slack(members={"U01": {}}) as part:
        yield part


@pytest.fixture
async def made(inbox: SlackInbox) -> AsyncIterator[Desk]:
    async with desk(inbox) as stage:
        yield stage


@pytest.fixture
async def place(made: Desk) -> Place:
    return await made.post(notice())


@pytest.mark.parametrize(
    ("to", "said"),
    [
        ("#nowhere", "channel_not_found: check the name, and invite the bot if the channel is private"),
        ("#secret", "channel_not_found"),
        ("C0000000004", "channel_not_found"),
        ("#elsewhere", "not_in_channel: invite the bot to the channel"),
        ("#old", "is_archived: name a channel that is in use"),
    ],
)
async def test_d13_a_channel_that_cannot_be_posted_to_is_refused_with_the_remedy(
    made: Desk, inbox: SlackInbox, to: str, said: str
) -> None:  # D13
    before = len(inbox.messages())
    for deed in (made.post(notice(), to), made.tell("a line", to)):
        with pytest.raises(Refused) as refused:
            await deed
        assert said in str(refused.value)
    assert len(inbox.messages()) == before


async def test_a_message_that_is_gone_or_anothers_or_frozen_is_not_edited(
    made: Desk, inbox: SlackInbox, place: Place
) -> None:
    inbox.configure(foreign=[place["ts"]])
    frozen = {"channel": "C0000000003", "ts": "1.000001"}
    for where, said in ((GONE, "message_not_found"), (place, "cant_update_message"), (frozen, "is_inactive")):
        with pytest.raises(Refused, match=said):
            await made.show(notice(), where)


async def test_a_reply_to_a_message_that_is_gone_is_refused(made: Desk) -> None:
    for deed in (made.post(notice(), thread=GONE), made.tell("a line", thread=GONE)):
        with pytest.raises(Refused, match="thread_not_found"):
            await deed


async def test_a_form_opens_once_and_within_three_seconds(made: Desk, inbox: SlackInbox) -> None:
    shown = await made.asked(notice())
    with pytest.raises(Refused, match="invalid_trigger_id"):
        await made.ask_reason(SOMEBODY)
    for late in (False, True):
        await _press(inbox, shown)
        inbox.configure(advance=3.1 if late else 0)
        if late:
            with pytest.raises(Refused, match="expired_trigger_id: Slack opens a form within 3 s"):
                await made.ask_reason(made.last)
            continue
        await made.ask_reason(made.last)
        with pytest.raises(Refused, match="exchanged_trigger_id"):
            await made.ask_reason(made.last)


async def _press(inbox: SlackInbox, shown: Place) -> None:
    await asyncio.to_thread(inbox.click, shown["ts"], "U01", "soar_deny")


async def test_a_missing_scope_is_named(made: Desk, inbox: SlackInbox, place: Place) -> None:
    inbox.configure(scopes=["im:history"])
    try:
        for name, deed in DEEDS.items():
            if name == "ask_reason":
                continue
            scope = "users:read" if name == "standing" else "chat:write"
            with pytest.raises(Refused, match=f"missing_scope: give the app the scope {scope}"):
                await deed(made, place)
    finally:
        inbox.configure(scopes=["chat:write", "users:read"])


@pytest.mark.parametrize(
    ("token", "said"), [("xoxb-wrong-token-1", "invalid_auth: check the secret"), (APP_TOKEN, "'app_token' is xapp-")]
)
async def test_a_wrong_token_is_refused_and_not_shown(inbox: SlackInbox, token: str, said: str) -> None:
    async with connected("slack", {"base_url": inbox.api_url}, {"token": token}) as connections:
        for deed in DEEDS.values():
            with pytest.raises(Refused) as refused:
                await deed(Desk(connections), GONE)
            assert said in str(refused.value)
            assert token not in str(refused.value)


@pytest.mark.parametrize("name", DEEDS)
async def test_d12_a_lost_answer_is_unknown_only_where_a_second_would_be_seen(
    made: Desk, inbox: SlackInbox, place: Place, name: str
) -> None:  # D12
    for fault in ({"drop": True}, {"status": 500, "body": {"ok": False, "error": "boom"}}, {"error": "fatal_error"}):
        inbox.fail_next(**fault)
        with pytest.raises(ConnectorError) as failed:
            await DEEDS[name](made, place)
        assert type(failed.value) is (OutcomeUnknown if name in SEEN_TWICE else Unavailable), fault


async def test_d12_after_a_lost_answer_one_message_has_buttons_and_the_other_is_named(
    made: Desk, inbox: SlackInbox
) -> None:  # D12
    before = len(inbox.messages())
    inbox.fail_next(method="chat.postMessage", drop=True)
    with pytest.raises(OutcomeUnknown):
        await made.post(notice())
    again = await made.post(notice(repeated=True))
    inbox.fail_next(method="chat.update", drop=True)
    with pytest.raises(Unavailable):
        await made.show(notice(repeated=True), again)
    await made.show(notice(repeated=True), again)
    standing = inbox.messages()[before:]
    assert [buttons(one) for one in standing] == [[], ["soar_approve", "soar_deny"]]
    assert "may stand here too" in str(standing[1]["blocks"])


@pytest.mark.parametrize("name", DEEDS)
@pytest.mark.parametrize(("status", "wait"), [(429, "7"), (503, None)])
async def test_d13_a_busy_slack_changes_nothing_and_says_when_to_come_back(
    made: Desk, inbox: SlackInbox, place: Place, name: str, status: int, wait: str | None
) -> None:  # D13
    inbox.fail_next(status=status, headers={"Retry-After": wait} if wait else {})
    before = len(inbox.messages())
    with pytest.raises(Unavailable) as failed:
        await DEEDS[name](made, place)
    assert failed.value.retry_after == (float(wait) if wait else None)
    assert len(inbox.messages()) == before


@pytest.mark.parametrize("word", ["invalid_blocks", "msg_blocks_too_long", "msg_too_long", "restricted_action"])
async def test_d13_what_slack_will_never_take_is_refused(
    made: Desk, inbox: SlackInbox, place: Place, word: str
) -> None:
    for name in ("post", "show"):
        inbox.fail_next(error=word)
        with pytest.raises(Refused, match=word):
            await DEEDS[name](made, place)


async def test_a_slow_slack_is_given_up_in_the_connections_own_time(inbox: SlackInbox, place: Place) -> None:
    """Slow before it did anything, or after: from here both look the same."""
    settings = {"base_url": inbox.api_url}
    async with connected("slack", settings, {"token": TOKEN}, timeout=0.3) as connections:
        for fault in ({"slow": 2}, {"hang": 2}):
            for name, error in (("post", OutcomeUnknown), ("show", Unavailable)):
                inbox.fail_next(**fault)
                began = time.monotonic()
                with pytest.raises(error):
                    await DEEDS[name](Desk(connections), place)
                assert time.monotonic() - began < 2


async def test_a_fault_is_for_the_next_calls_of_its_method_only(made: Desk, inbox: SlackInbox, place: Place) -> None:
    inbox.fail_next(method="chat.update", error="update_failed", times=2)
    await made.post(notice())
    for _ in range(2):
        with pytest.raises(Refused, match="update_failed"):
            await made.show(notice(), place)
    await made.show(notice(), place)


@pytest.mark.parametrize("text", ["@here <!channel> *bold*", "x" * 9_000, "👩‍💻" * 3_000, "<" * 9_000])
async def test_a_line_and_a_whisper_reach_people_as_they_are(made: Desk, inbox: SlackInbox, text: str) -> None:
    await made.tell(text)
    await made.whisper(SOMEBODY, text)
    told, whispered = inbox.messages()[-1], inbox.ephemerals()[-1]
    for one in (told, whispered):
        assert set("<>").isdisjoint(one["text"])
        assert (one["parse"], one["link_names"]) == ("none", False)
    assert told["mrkdwn"] is False
    [block] = whispered["blocks"]
    assert block["text"]["type"] == "plain_text"
    assert block["text"]["text"].rstrip("…") in text


async def test_d09_a_long_request_stands_in_slack_with_its_buttons(made: Desk, inbox: SlackInbox) -> None:  # D09
    fields = {f"field {number}": "语👩‍💻" * 200 for number in range(120)}
    long = notice(title="log line <&> 👩‍💻\n" * 1_000, items=(item(values=fields),))
    shown = await made.asked(long)
    assert buttons(standing_at(inbox, shown)) == ["soar_approve", "soar_deny"]
    assert "Shortened to fit into Slack" in str(standing_at(inbox, shown)["blocks"])
