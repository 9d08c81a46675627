"""`soar connectors test` names what is missing: scopes, channels, the way in."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp import web

from soar.connector.base import Health
from soar.errors import ConfigError
from soar.rehearsal.inbox import SlackInbox
from tests.connectors.contract import connected
from tests.connectors.faults import serving
from tests.connectors.slack_stage import APP_TOKEN, SIGNING, TOKEN, slack

BOTH = {"token": TOKEN, "signing_secret": SIGNING, "app_token": APP_TOKEN}
SCOPES = ["chat:write", "users:read"]


@pytest.fixture(scope="module")
def part() -> Iterator[SlackInbox]:
    with slack() as part:
        yield part


@pytest.fixture
def inbox(part: SlackInbox) -> Iterator[SlackInbox]:
    yield part
    part.configure(scopes=SCOPES)


async def health(url: str, secrets: dict[str, str], **settings: Any) -> Health:
    async with connected("slack", {"base_url": url, **settings}, secrets) as connections:
        return await connections.health("subject")


async def test_a_sound_set_up_works_and_leaves_nothing_that_anybody_sees(inbox: SlackInbox) -> None:
    found = await health(inbox.api_url, BOTH, channels=["#soc"], socket_mode=True)
    assert (found.ok, found.detail) == (True, "bot soar in Rehearsal")
    assert inbox.messages() == []
    assert {one["user"] for one in inbox.ephemerals()} == {"U0SOAR"}
    assert inbox.sockets()["hellos"] == 0


@pytest.mark.parametrize(
    ("granted", "secrets", "missing"),
    [
        (["chat:write"], BOTH, ["users:read"]),
        (["users:read", "im:history"], BOTH, ["chat:write"]),
        ([], BOTH, ["chat:write", "users:read"]),
        (["chat:write"], {"token": TOKEN}, []),
    ],
)
async def test_missing_scopes_are_named(
    inbox: SlackInbox, granted: list[str], secrets: dict[str, str], missing: list[str]
) -> None:
    """Who only posts needs to know nothing of people."""
    inbox.configure(scopes=granted)
    found = await health(inbox.api_url, secrets)
    assert found.ok is (not missing)
    for scope in SCOPES:
        assert (f"the scope {scope} is missing: add it to the app and install it again" in found.detail) is (
            scope in missing
        )


async def test_channels_that_the_bot_is_not_in_are_named(inbox: SlackInbox) -> None:
    found = await health(inbox.api_url, BOTH, channels=["#soc", "#elsewhere", "#old", "#secret", "#nowhere"])
    assert not found.ok
    for said in (
        "channel #elsewhere: Slack answered 200 not_in_channel: invite the bot to the channel",
        "channel #old: Slack answered 200 is_archived",
        "channel #secret: Slack answered 200 channel_not_found",
        "channel #nowhere: Slack answered 200 channel_not_found",
    ):
        assert said in found.detail
    assert "#soc" not in found.detail


async def test_an_app_token_that_opens_nothing_is_named(inbox: SlackInbox) -> None:
    for wrong, word in (("xapp-wrong-token", "invalid_auth"), (TOKEN, "not_allowed_token_type")):
        found = await health(inbox.api_url, {**BOTH, "app_token": wrong}, socket_mode=True)
        assert not found.ok
        assert f"Socket Mode with the secret 'app_token': Slack answered 200 {word}" in found.detail
        assert wrong not in found.detail


async def test_where_slack_tells_no_scopes_none_is_called_missing() -> None:
    async def silent(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "user": "soar", "team": "T", "user_id": "U0SOAR"})

    async with serving(silent) as url:
        assert (await health(url, BOTH)).ok


async def test_socket_mode_without_its_token_does_not_start(inbox: SlackInbox) -> None:
    with pytest.raises(ConfigError, match="the settings need the secret 'app_token'"):
        await health(inbox.api_url, {"token": TOKEN}, socket_mode=True)


async def test_only_socket_mode_reaches_hosts_below_slacks_own() -> None:
    for socket_mode, hosts in ((False, ["slack.com"]), (True, ["slack.com", "*.slack.com"])):
        async with connected("slack", {"socket_mode": socket_mode}, BOTH) as connections:
            assert connections.hosts() == {"subject": hosts}
            assert connections.channel("subject").listens is socket_mode  # type: ignore[attr-defined]
