"""Requests in Slack from alert to call, by both ways in: a real server and a double of Slack's own protocol."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import aiohttp
import pytest

from soar.rehearsal.inbox import SlackInbox
from tests.acceptance.harness import Recorder, Server, alert, calling, eventually

TOKEN: Final = "xoxb-acceptance"
APP_TOKEN: Final = "xapp-acceptance"
SIGNING: Final = "signing-secret-of-the-acceptance"
CHANNEL: Final = "C0000000001"
ANA, BEN, GUEST, STRANGER = "U0000000001", "U0000000002", "U0000000003", "U0000000009"

CONNECTION: Final = """\
  slack:
    connector: slack
    settings: {{base_url: "{slack}", socket_mode: {socket_mode}}}
    secrets: {{token: "env:SLACK_TOKEN", signing_secret: "env:SLACK_SIGNING", app_token: "env:SLACK_APP"}}
people:
  ana: {{slack: T01/U0000000001, roles: [analyst]}}
  ben: {{slack: T01/U0000000002, roles: [analyst]}}
  gus: {{slack: T01/U0000000003, roles: [analyst]}}
"""
ASKS: Final = """\
    approval:
      message: "Call it for {{ alert.title }}?"
      notify: ["slack:#soc"]
      approvers: {role: analyst}
      timeout: 1h
"""
HOSTILE: Final = "@here <!channel> <https://evil.example|your bank> *bold* `x` & {{ 7 * 7 }}"


class Workplace:
    """A server, its Slack, and what both show."""

    def __init__(self, server: Server, slack: SlackInbox) -> None:
        self.server = server
        self.slack = slack

    async def start(self, *, socket_mode: bool) -> None:
        settings = {"slack": self.slack.api_url, "socket_mode": str(socket_mode).lower()}
        self.server.configure(self.server.config + CONNECTION.format(**settings))
        self.server.playbook("three-calls", calling("/only", more=ASKS))
        if not socket_mode:
            self.slack.configure(request_url=f"{self.server.base}/slack/interactions")
        await self.server.start()

    async def request(self, having: Callable[[dict[str, Any]], bool], what: str) -> dict[str, Any]:
        """The message of the request, once it is so."""

        async def look() -> dict[str, Any] | None:
            found = await asyncio.to_thread(self.slack.messages)
            return next((one for one in found if "thread_ts" not in one and having(one)), None)

        seen: dict[str, Any] = await eventually(look, what)
        return seen

    async def asked(self) -> dict[str, Any]:
        return await self.request(has_buttons, "a request with buttons")

    async def press(self, message: dict[str, Any], user: str, action: str = "soar_approve", **more: Any) -> int:
        """The status of the answer to a press; 200 is an acknowledgement."""
        given = {"channel": message["channel"], **more}
        (first, *_) = await asyncio.to_thread(lambda: self.slack.click(message["ts"], user, action, **given))
        return first.status

    async def whispers(self, count: int) -> list[dict[str, Any]]:
        async def look() -> list[dict[str, Any]] | None:
            found = await asyncio.to_thread(self.slack.ephemerals)
            return found if len(found) >= count else None

        found: list[dict[str, Any]] = await eventually(look, f"{count} private answers")
        return found


def has_buttons(message: dict[str, Any]) -> bool:
    return any(block["type"] == "actions" for block in message.get("blocks", ()))


class SlackServer(Server):
    @property
    def environment(self) -> dict[str, str]:
        given = {"SLACK_TOKEN": TOKEN, "SLACK_SIGNING": SIGNING, "SLACK_APP": APP_TOKEN}
        return {**super().environment, **given}


@pytest.fixture
def slack() -> Iterator[SlackInbox]:
    members = {GUEST: {"is_restricted": True}}
    made = SlackInbox(
        token=TOKEN,
        channels={"soc": CHANNEL},
        signing_secret=SIGNING,
        app_token=APP_TOKEN,
        members=members,
        faults=True,
    )
    made.start()
    try:
        yield made
    finally:
        made.stop()


@pytest.fixture
def place(server: Server, slack: SlackInbox) -> Workplace:
    server.__class__ = SlackServer
    return Workplace(server, slack)


@pytest.mark.parametrize("socket_mode", [False, True])
async def test_d06_asked_refused_approved_and_told_in_its_thread(
    place: Workplace, target: Recorder, http: aiohttp.ClientSession, socket_mode: bool
) -> None:
    await place.start(socket_mode=socket_mode)
    given = {**alert("one", 1), "name": HOSTILE}
    assert await place.server.post(http, given) == 202
    message = await place.asked()
    for user in (STRANGER, GUEST):
        assert await place.press(message, user) == 200
    refusals = await place.whispers(2)
    assert {one["user"] for one in refusals} == {STRANGER, GUEST}
    assert not target.calls
    assert await place.press(await place.asked(), ANA) == 200
    final = await place.request(lambda one: not has_buttons(one), "a request without buttons")
    assert "approved" in str(final["blocks"]).lower()
    await target.until(lambda: len(target.calls) == 1, "the call that was approved")

    async def told() -> list[str] | None:
        lines = [one["text"] for one in await asyncio.to_thread(place.slack.messages) if "thread_ts" in one]
        return lines if "Execution succeeded" in lines else None

    assert len(await eventually(told, "the outcome in the thread")) == 2
    async with place.server.api() as api:
        [approval] = await api.all("/approvals", status="all")
        entries = await api.all("/audit", subject=f"approval:{approval['id']}")
    assert [(vote["person"], vote["channel"]) for vote in approval["votes"]] == [("ana", "slack")]
    refused = [one for one in entries if one["action"] == "approval.vote.refused"]
    assert {one["actor"] for one in refused} == {f"slack:T01/{STRANGER}", f"slack:T01/{GUEST}"}
    assert all(one["data"]["evidence"]["user"] in (STRANGER, GUEST) for one in refused)


async def test_alert_text_reaches_slack_as_plain_text(place: Workplace, http: aiohttp.ClientSession) -> None:
    """Nobody is pinged, no link hides behind other words, nothing is bold, and no template runs."""
    await place.start(socket_mode=False)
    assert await place.server.post(http, {**alert("one", 1), "title": HOSTILE}) == 202
    message = await place.asked()
    plain, marked = texts_of(message)
    assert any(HOSTILE in text for text in plain), "shown as it is, where Slack reads no marks"
    for text in marked:
        without_dates = re.sub(r"<!date\^\d+\^[^>|]*\|[^>]*>", "", text)
        assert "<" not in without_dates
        assert HOSTILE not in text
    assert (message["parse"], str(message["link_names"]).lower(), str(message["mrkdwn"]).lower()) == (
        "none",
        "false",
        "false",
    )


async def test_a_denial_comes_with_its_reason_through_the_form(
    place: Workplace, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await place.start(socket_mode=False)
    assert await place.server.post(http, alert("one", 1)) == 202
    message = await place.asked()
    assert await place.press(message, BEN, "soar_deny") == 200

    async def form() -> bool | None:
        return bool(await asyncio.to_thread(place.slack.forms)) or None

    await eventually(form, "a form for the reason")
    (delivery,) = await asyncio.to_thread(lambda: place.slack.submit(BEN, "a partner's address"))
    assert delivery.status == 200
    final = await place.request(lambda one: not has_buttons(one), "a request without buttons")
    assert "a partner's address" in str(final["blocks"])
    async with place.server.api() as api:
        [execution] = await api.ended(1)
        [approval] = await api.all("/approvals", status="all")
    assert (approval["status"], approval["reason"], approval["settled_by"]) == (
        "denied",
        "a partner's address",
        "person:ben",
    )
    assert execution["status"] == "succeeded"
    assert not target.calls


async def test_d05_clicks_of_two_people_and_double_clicks_at_once_have_one_effect(
    place: Workplace, target: Recorder, http: aiohttp.ClientSession
) -> None:
    await place.start(socket_mode=False)
    assert await place.server.post(http, alert("one", 1)) == 202
    message = await place.asked()
    statuses = await asyncio.gather(
        place.press(message, ANA, times=3, retry=2), place.press(message, BEN, times=2), return_exceptions=True
    )
    assert 200 in statuses
    await target.until(lambda: len(target.calls) == 1, "the call that was approved")
    async with place.server.api() as api:
        await api.ended(1)
        [approval] = await api.all("/approvals", status="all")
    assert (approval["status"], len(approval["votes"])) == ("approved", 1)
    assert len(target.calls) == 1


async def test_malformed_deliveries_are_401_and_never_500(place: Workplace, http: aiohttp.ClientSession) -> None:
    await place.start(socket_mode=False)
    url = f"{place.server.base}/slack/interactions"
    for headers in (
        {},
        {"X-Slack-Request-Timestamp": "soon", "X-Slack-Signature": "v0=ab"},
        {"X-Slack-Request-Timestamp": "1", "X-Slack-Signature": "v0=ab"},
        {"X-Slack-Request-Timestamp": "9" * 400, "X-Slack-Signature": "v0=" + "0" * 64},
    ):
        for body in (b"", b"\xff\xfe", b"payload=%7B%7D"):
            async with http.post(url, data=body, headers=headers) as reply:
                assert reply.status == 401, (headers, body, await reply.text())
    async with http.get(url, params={"ssl_check": "1"}) as reply:
        assert reply.status == 200


def texts_of(message: dict[str, Any]) -> tuple[list[str], list[str]]:
    """The texts that Slack shows as they are, and those in which it would read marks: the fallback is one."""
    plain: list[str] = []
    marked: list[str] = [message["text"]]

    def walk(part: Any) -> None:
        if isinstance(part, dict):
            if part.get("type") in ("mrkdwn", "plain_text"):
                (marked if part["type"] == "mrkdwn" else plain).append(part["text"])
            for value in part.values():
                walk(value)
        elif isinstance(part, list):
            for value in part:
                walk(value)

    walk(message["blocks"])
    return plain, marked
