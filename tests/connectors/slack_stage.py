"""A connection to the Slack double, and what its tests say over and over."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from aiohttp import web

from connectors.slack.connector import Slack
from soar.connector.connections import ConnectionSet
from soar.model.notice import Interaction, Notice, NoticeItem, Place
from soar.rehearsal.inbox import SlackInbox
from tests.connectors.contract import connected
from tests.connectors.faults import serving

TOKEN = "xoxb-0123456789-s3cret-of-the-bot"
APP_TOKEN = "xapp-1-0123456789-s3cret-of-the-app"
SIGNING = "8f742231b10e8888abcd99yyyzzz85a5"
SOC = "C0000000001"
NONCE = "n0nce-of-the-message"
CHANNELS: Mapping[str, str | Mapping[str, Any]] = {
    "soc": SOC,
    "elsewhere": {"id": "C0000000002", "member": False},
    "old": {"id": "C0000000003", "archived": True},
    "secret": {"id": "C0000000004", "member": False, "private": True},
}


def slack(**more: Any) -> SlackInbox:
    """The double, not yet started."""
    given: dict[str, Any] = {"token": TOKEN, "channels": CHANNELS, "signing_secret": SIGNING, "app_token": APP_TOKEN}
    return SlackInbox(**{**given, "faults": True, **more})


def item(**more: Any) -> NoticeItem:
    given: dict[str, Any] = {
        "path": "contain/block",
        "action": "gateway.block_ip",
        "where": "gateway (caddy, zone dmz)",
        "effect": "Deny every request from one client address: 203.0.113.9",
        "undo": "lifts itself after 24h",
        "risk": "medium",
        "values": {"ip": "203.0.113.9"},
    }
    return NoticeItem(**{**given, **more})


def notice(**more: Any) -> Notice:
    given: dict[str, Any] = {
        "approval_id": "01JAPPROVAL",
        "nonce": NONCE,
        "state": "asked",
        "title": "Block 203.0.113.9?",
        "playbook_id": "stolen-token",
        "execution_id": "01JEXECUTION",
        "requester": "alert:01JALERT",
        "approvers": "group soc-analysts",
        "required": 2,
        "asked_at": 1_767_225_600_000,
        "due_at": 1_767_226_500_000,
        "on_timeout": "reject",
        "digest": "ab" * 32,
        "items": (item(),),
        "link": "https://soar.example.com/approvals/01JAPPROVAL",
    }
    return Notice(**{**given, **more})


@dataclass
class Desk:
    """The channel of a connection, used as the engine uses it; `taken` is what came in over HTTP."""

    connections: ConnectionSet
    taken: list[Interaction | None] = field(default_factory=list)

    @property
    def channel(self) -> Slack:
        found = self.connections.channel("subject")
        assert isinstance(found, Slack)
        return found

    async def post(self, given: Notice, to: str = "#soc", thread: Place | None = None) -> Place:
        return await self.connections.carry("subject", lambda: self.channel.post(given, to, thread), changes=True)

    async def show(self, given: Notice, place: Place) -> None:
        await self.connections.carry("subject", lambda: self.channel.show(given, place), changes=False)

    async def asked(self, given: Notice, to: str = "#soc", thread: Place | None = None) -> Place:
        place = await self.post(given, to, thread)
        await self.show(given, place)
        return place

    async def tell(self, text: str, to: str = "#soc", thread: Place | None = None) -> Place:
        return await self.connections.carry("subject", lambda: self.channel.tell(text, to, thread), changes=True)

    async def whisper(self, to: Interaction, text: str) -> None:
        await self.connections.carry("subject", lambda: self.channel.whisper(to, text), changes=False)

    async def ask_reason(self, of: Interaction) -> None:
        await self.connections.carry("subject", lambda: self.channel.ask_reason(of), changes=False)

    async def standing(self, identity: str) -> str | None:
        return await self.connections.carry("subject", lambda: self.channel.standing(identity), changes=False)

    async def take(self, request: web.Request) -> web.Response:
        """As the server does: an empty body once it is taken in."""
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.taken.append(self.channel.opened(await request.read(), headers, time.time()))
        return web.Response()

    @property
    def last(self) -> Interaction:
        found = self.taken[-1]
        assert found is not None
        return found


@asynccontextmanager
async def desk(inbox: SlackInbox, **settings: Any) -> AsyncIterator[Desk]:
    """A connection to that double; what people press comes to `taken`."""
    secrets = {"token": TOKEN, "signing_secret": SIGNING, "app_token": APP_TOKEN}
    async with connected("slack", {"base_url": inbox.api_url, **settings}, secrets) as connections:
        made = Desk(connections)
        async with serving(made.take) as url:
            inbox.configure(request_url=f"{url}/slack/interactions")
            yield made


def standing_at(inbox: SlackInbox, place: Place) -> dict[str, Any]:
    """The message as it stands there now."""
    [found] = [one for one in inbox.messages() if (one["channel"], one["ts"]) == (place["channel"], place["ts"])]
    return found


def buttons(message: Mapping[str, Any]) -> list[str]:
    """What can be pressed in a message, but for links."""
    rows = [block["elements"] for block in message.get("blocks", ()) if block["type"] == "actions"]
    return [element["action_id"] for row in rows for element in row if "url" not in element]


def texts(message: Mapping[str, Any]) -> str:
    """Everything that is to be read in a message's blocks."""
    found: list[str] = []

    def read(value: Any) -> None:
        if isinstance(value, dict):
            if value.get("type") in ("plain_text", "mrkdwn"):
                found.append(value["text"])
            for inner in value.values():
                read(inner)
        elif isinstance(value, list):
            for inner in value:
                read(inner)

    read(message["blocks"])
    return "\n".join(found)


def form(payload: Any) -> bytes:
    """A payload as Slack sends it."""
    return urlencode({"payload": payload if isinstance(payload, str) else json.dumps(payload)}).encode()
