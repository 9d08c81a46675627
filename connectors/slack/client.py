"""slack-sdk's client on the engine's HTTP session, and what its errors mean to a caller."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Final

import aiohttp
from slack_sdk.errors import SlackApiError, SlackClientError
from slack_sdk.web.async_client import AsyncWebClient
from slack_sdk.web.async_slack_response import AsyncSlackResponse

from soar.sdk import OutcomeUnknown, Refused, Unavailable

QUIET: Final = logging.getLogger("soar.connectors.slack")
QUIET.setLevel(logging.WARNING)  # at debug the SDK logs every text and every answer whole
_WAIT_LIMIT: Final = 900.0
_PASSING: Final = frozenset({"ratelimited", "rate_limited", "service_unavailable", "request_timeout"})
_MAYBE_DONE: Final = frozenset({"internal_error", "fatal_error", "server_error"})
_REMEDIES: Final = {
    "not_in_channel": "invite the bot to the channel",
    "channel_not_found": "check the name, and invite the bot if the channel is private",
    "invalid_auth": "check the secret 'token'",
    "not_allowed_token_type": "check which token stands where: 'token' is xoxb-..., 'app_token' is xapp-...",
    "token_revoked": "install the app again and store its new token",
    "account_inactive": "install the app again and store its new token",
    "is_archived": "name a channel that is in use",
    "message_not_found": "the message was deleted",
    "cant_update_message": "the message is another app's: was the app installed anew under another name?",
    "edit_window_closed": "let apps edit their messages at any time in the workspace's settings",
    "user_not_in_channel": "the person is no member of the channel",
    "expired_trigger_id": "Slack opens a form within 3 s of the press, and not later",
}

Method = Callable[[], Awaitable[AsyncSlackResponse]]


def web_client(token: str | None, base_url: str, session: aiohttp.ClientSession) -> AsyncWebClient:
    """A client that sends each call once, through that session and no proxy."""
    client = AsyncWebClient(
        token=token,
        base_url=base_url.rstrip("/") + "/",
        session=session,
        # Whether a post is made again is the engine's to decide: it writes that down first.
        retry_handlers=[],
        logger=QUIET,
    )
    client.proxy = None  # the SDK reads one from the environment; the engine goes only where its settings say
    return client


async def answered(method: Method, *, changes: bool) -> AsyncSlackResponse:
    """Call Slack; what went wrong comes out as one of the three errors a call can end in.

    `changes`: a second call would be seen, so that a lost answer is OutcomeUnknown and not Unavailable.
    """
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
    status, code, needed = _told(response)
    message = f"Slack answered {status} {code}".rstrip()
    if status in (429, 503) or code in _PASSING:
        return _asked_to_wait(message, response.headers.get("Retry-After"))
    if status >= 500 or code in _MAYBE_DONE:
        return lost(message)
    remedy = f"give the app the scope {needed or 'chat:write'}" if code == "missing_scope" else _REMEDIES.get(code)
    return Refused(f"{message}: {remedy}" if remedy else message)


def _asked_to_wait(message: str, header: str | None) -> Unavailable | Refused:
    wait = float(header) if header and header.isascii() and header.isdigit() else None
    if wait is not None and wait > _WAIT_LIMIT:
        return Refused(
            f"{message}; it asks to wait {wait:.0f} s, longer than the {_WAIT_LIMIT:.0f} s this engine waits"
        )
    return Unavailable(message, retry_after=wait)


def _told(response: Any) -> tuple[int, str, str]:
    """Status, code and the scope that is missing; the SDK hands out aiohttp's own response when there was no JSON."""
    if isinstance(response, aiohttp.ClientResponse):
        return response.status, "with something that is not JSON", ""
    data = response.data if isinstance(response.data, dict) else {}
    return int(response.status_code), str(data.get("error", "")), str(data.get("needed") or "")
