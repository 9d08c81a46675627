"""Slack: post a message and change it, through slack-sdk's own client on the engine's HTTP session.

Texts come from playbooks and alerts together, so all of them are escaped and shown as they are: no alert can ping a
channel, name a person, hide a link behind other words or dress itself up.
"""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar, Final

import aiohttp
from pydantic import Field
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from soar.sdk import (
    Call,
    Health,
    HttpConnector,
    HttpSettings,
    OutcomeUnknown,
    Params,
    Refused,
    Result,
    Unavailable,
    action,
)

TEXT_LIMIT: Final = 4_000
_QUIET: Final = logging.getLogger("soar.connectors.slack")
_QUIET.setLevel(logging.WARNING)  # at debug the SDK logs every text and every answer whole
_WAIT_LIMIT: Final = 900.0
_PASSING: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "request_timeout"})
_MAYBE_DONE: Final = frozenset({"internal_error", "fatal_error", "server_error"})
_REMEDIES: Final = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "check the name, and invite the bot if the channel is private",
    "invalid_auth": "check the secret 'token'",
    "token_revoked": "install the app again and store its new token",
    "missing_scope": "give the app the scope chat:write",
    "is_archived": "name a channel that is in use",
}


class SlackSettings(HttpSettings):
    """Which workspace the token belongs to is in the token."""

    base_url: str = "https://slack.com/api/"
    """Slack's Web API; another address only for rehearsals."""
    repeat_lost_posts: bool = False
    """After a lost answer post once more, marked as such, instead of asking a person whether the message is there."""
    formatting: bool = False
    """Let *bold*, _italic_ and `code` in texts take effect, in those parts too that an alert brought."""


class PostMessage(Params):
    to: str = Field(min_length=1, max_length=255, examples=["#soc"])
    """Channel by name (`#soc`) or id, or a user's id for a direct message."""
    text: str = Field(min_length=1)
    """The message, shown as it is: mentions, hidden links and formatting do not work. Cut after 4,000 characters."""
    thread: str | None = None
    """`ts` of the message to answer below."""


class UpdateMessage(Params):
    channel: str = Field(min_length=1, max_length=255, examples=["C0123456789"])
    """`channel` of the message as post_message gave it."""
    ts: str = Field(min_length=1, max_length=64, examples=["1767225600.000100"])
    """`ts` of the message as post_message gave it."""
    text: str = Field(min_length=1)
    """The new text."""


class Posted(Result):
    channel: str = Field(examples=["C0123456789"])
    """Id of the channel."""
    ts: str = Field(examples=["1767225600.000100"])
    """The message's own id in the channel."""


class Slack(HttpConnector):
    """Tell people in Slack."""

    name = "slack"
    settings: SlackSettings
    required_secrets: ClassVar[Mapping[str, str]] = {"token": "The app's bot token (xoxb-...), scope chat:write."}
    optional_secrets: ClassVar[Mapping[str, str]] = {}

    @action(risk="low", idempotent=lambda settings: settings.repeat_lost_posts)
    async def post_message(self, params: PostMessage, call: Call) -> Posted:
        """Post a message to a channel, a thread or a person."""
        repeated = self.settings.repeat_lost_posts and call.attempt > 1
        text = _escaped(params.text) + (f"\n(try {call.attempt}: this may stand here twice)" if repeated else "")
        client = self._client()
        return await self._send(
            lambda: client.chat_postMessage(
                channel=params.to,
                text=text,
                thread_ts=params.thread,
                mrkdwn=self.settings.formatting,
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )
        )

    @action(risk="low", idempotent=True)
    async def update_message(self, params: UpdateMessage, call: Call) -> Posted:
        """Give a message of ours another text."""
        client = self._client()
        return await self._send(
            lambda: client.chat_update(
                channel=params.channel,
                ts=params.ts,
                text=_escaped(params.text),
                mrkdwn=self.settings.formatting,
                parse="none",
                link_names=False,
            )
        )

    async def health(self) -> Health:
        """The token is good."""
        answer = await _sorted(self._client().auth_test, changes=False)
        return Health(ok=True, detail=f"bot {answer.get('user') or answer.get('user_id')} in {answer.get('team')}")

    async def _send(self, method: Callable[[], Awaitable[AsyncSlackResponse]]) -> Posted:
        answer = await _sorted(method, changes=True)
        return Posted(channel=str(answer["channel"]), ts=str(answer["ts"]))

    def _client(self) -> AsyncWebClient:
        client = AsyncWebClient(
            token=self.secret("token"),
            base_url=self.settings.base_url.rstrip("/") + "/",
            session=self.http.session,
            # Whether a post is made again is the engine's to decide: it writes that down first.
            retry_handlers=[],
            logger=_QUIET,
        )
        client.proxy = None  # the SDK reads one from the environment; the engine goes only where its settings say
        return client


async def _sorted(method: Callable[[], Awaitable[AsyncSlackResponse]], *, changes: bool) -> AsyncSlackResponse:
    """Call Slack; what went wrong comes out as one of the three errors a call can end in."""
    lost = OutcomeUnknown if changes else Unavailable
    try:
        return await method()
    except SlackApiError as error:
        raise _refusal(error.response, lost) from error
    except (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError) as error:
        raise Unavailable(f"no connection to Slack ({error}); nothing was sent") from error
    except (aiohttp.ClientError, SlackClientError, OSError) as error:
        raise lost(f"Slack's answer was lost ({str(error) or type(error).__name__})") from error


def _refusal(response: Any, lost: type[OutcomeUnknown | Unavailable]) -> Refused | Unavailable | OutcomeUnknown:
    status, code = _status_and_code(response)
    message = f"Slack answered {status} {code}".rstrip()
    if status in (429, 503) or code in _PASSING:
        return _asked_to_wait(message, response.headers.get("Retry-After"))
    if status >= 500 or code in _MAYBE_DONE:
        return lost(message)
    remedy = _REMEDIES.get(code)
    return Refused(f"{message}: {remedy}" if remedy else message)


def _asked_to_wait(message: str, header: str | None) -> Unavailable | Refused:
    wait = float(header) if header and header.isascii() and header.isdigit() else None
    if wait is not None and wait > _WAIT_LIMIT:
        return Refused(
            f"{message}; it asks to wait {wait:.0f} s, longer than the {_WAIT_LIMIT:.0f} s this engine waits"
        )
    return Unavailable(message, retry_after=wait)


def _status_and_code(response: Any) -> tuple[int, str]:
    """The SDK hands out its own response, or aiohttp's when the body was not JSON."""
    if isinstance(response, aiohttp.ClientResponse):
        return response.status, "with something that is not JSON"
    data = response.data if isinstance(response.data, dict) else {}
    return int(response.status_code), str(data.get("error", ""))


def _escaped(text: str) -> str:
    """The three characters with which Slack marks mentions, channels and links, made literal."""
    cut = text if len(text) <= TEXT_LIMIT else f"{text[: TEXT_LIMIT - 1]}…"
    return cut.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
