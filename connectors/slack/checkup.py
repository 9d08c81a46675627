"""What can be found out of a set-up before anybody is asked anything: scopes, channels, the way in."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Final

from slack_sdk.web.async_client import AsyncWebClient

from connectors.slack.client import answered
from soar.sdk import Refused, Unavailable

SCOPES: Final = "x-oauth-scopes"
"""The header in which Slack tells what a token may do."""
POSTS: Final = "chat:write"
KNOWS_PEOPLE: Final = "users:read"
_PROBE: Final = "`soar connectors test` asks whether this can be posted; only the bot itself is told."


def missing_scopes(headers: Mapping[str, str], needed: Iterable[str]) -> list[str]:
    """What the token may not do and should; nothing is said where Slack does not tell."""
    told = next((value for name, value in headers.items() if name.lower() == SCOPES), None)
    if told is None:
        return []
    granted = {scope.strip() for scope in told.split(",")}
    absent = [scope for scope in needed if scope not in granted]
    return [f"the scope {scope} is missing: add it to the app and install it again" for scope in absent]


async def unreachable(client: AsyncWebClient, channel: str, bot: str) -> list[str]:
    """Why the bot cannot post in that channel.

    It is asked with a message that only the bot itself would see, and a bot looks at nothing: so nobody is disturbed,
    nothing is left behind, and no scope is needed beside the one for posting (conversations.info would need two more).
    """
    try:
        await answered(
            lambda: client.chat_postEphemeral(channel=channel, user=bot, text=_PROBE, parse="none"), changes=False
        )
    except Refused as error:
        return [f"channel {channel}: {error}"]
    except Unavailable as error:
        return [f"channel {channel} could not be looked at: {error}"]
    return []


async def deaf(client: AsyncWebClient, app_token: str) -> list[str]:
    """Why no socket can be opened; opening an address opens no socket yet."""
    try:
        await answered(lambda: client.apps_connections_open(app_token=app_token), changes=False)
    except (Refused, Unavailable) as error:
        return [f"Socket Mode with the secret 'app_token': {error}"]
    return []
