"""An inbox that stands for Slack: the Web API methods a bot posts with, refusing what Slack refuses."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path
from typing import Any

from aiohttp import web

from soar.rehearsal.servers.child import announce, end_with_parent, folder_and_setup

_TEXT_LIMIT = 40_000
_BLOCKS_LIMIT = 50


class SlackRefused(Exception):
    """An `ok: false` answer; Slack sends it with status 200."""


class Inbox:
    """One workspace: its channels by name and id, one bot, and every message as it stands now."""

    def __init__(self, token: str, channels: dict[str, str], faults: bool = False) -> None:
        self._token = token
        self._ids = {**{f"#{name}": id for name, id in channels.items()}, **channels}
        self._ids.update({id: id for id in channels.values()})
        self.messages: list[dict[str, Any]] = []
        self._fault: dict[str, Any] | None = None
        self._faults = faults
        self._serial = 0
        self._lock = threading.Lock()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1024**2)
        application.router.add_route("*", "/api/{method}", self.call)
        application.router.add_get("/inbox", self.read)
        if self._faults:
            application.router.add_post("/fault", self.set_fault)
        return application

    async def read(self, _: web.Request) -> web.Response:
        """What a person would see in the channels; not part of Slack's API."""
        return web.json_response({"messages": self.messages})

    async def set_fault(self, request: web.Request) -> web.Response:
        """Have the next call end badly, for tests: `{"status", "headers", "hang", "drop", "error"}`."""
        self._fault = await request.json()
        return web.json_response({})

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One Web API call, form or JSON as slack-sdk sends it."""
        fault, self._fault = self._fault, None
        if fault and "status" in fault:
            return web.json_response(
                fault.get("body", {"ok": False, "error": "ratelimited"}),
                status=fault["status"],
                headers=fault.get("headers", {}),
            )
        methods = {"auth.test": self._auth_test, "chat.postMessage": self._post, "chat.update": self._update}
        try:
            arguments = await _arguments(request)
            self._authorise(request, arguments)
            if fault and "error" in fault:
                raise SlackRefused(fault["error"])
            method = methods.get(request.match_info["method"])
            if method is None:
                raise SlackRefused("unknown_method")
            answer = {"ok": True, **method(arguments)}
        except SlackRefused as refused:
            answer = {"ok": False, "error": str(refused)}
        if fault and "hang" in fault:
            await asyncio.sleep(fault["hang"])  # the message is in, the answer is not
        if fault and fault.get("drop") and request.transport:
            request.transport.abort()
        return web.json_response(answer)

    def _authorise(self, request: web.Request, arguments: dict[str, Any]) -> None:
        given = request.headers.get("Authorization", "").removeprefix("Bearer ") or arguments.get("token", "")
        if not given:
            raise SlackRefused("not_authed")
        if given != self._token:
            raise SlackRefused("invalid_auth")

    def _auth_test(self, _: dict[str, Any]) -> dict[str, Any]:
        return {"url": "https://rehearsal.invalid/", "team": "Rehearsal", "team_id": "T0REHEARSE", "user_id": "U0SOAR"}

    def _post(self, arguments: dict[str, Any]) -> dict[str, Any]:
        channel = self._channel(arguments)
        _check_content(arguments)
        with self._lock:
            self._serial += 1
            message = {"channel": channel, "ts": f"{int(time.time())}.{self._serial:06d}", **_content(arguments)}
            if "thread_ts" in arguments:
                message["thread_ts"] = arguments["thread_ts"]
            self.messages.append(message)
        return {"channel": channel, "ts": message["ts"], "message": message}

    def _update(self, arguments: dict[str, Any]) -> dict[str, Any]:
        if arguments.get("channel") not in self._ids.values():
            raise SlackRefused("channel_not_found")  # chat.update takes an id, not a name
        _check_content(arguments)
        for message in self.messages:
            if (message["channel"], message["ts"]) == (arguments["channel"], arguments.get("ts")):
                message.update(_content(arguments), edited=True)
                return {"channel": message["channel"], "ts": message["ts"], "text": message["text"]}
        raise SlackRefused("message_not_found")

    def _channel(self, arguments: dict[str, Any]) -> str:
        try:
            return self._ids[arguments.get("channel", "")]
        except KeyError:
            raise SlackRefused("channel_not_found") from None


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {str(key): value for key, value in (await request.post()).items()}


def _check_content(arguments: dict[str, Any]) -> None:
    text, blocks = arguments.get("text") or "", arguments.get("blocks") or []
    if not text and not blocks:
        raise SlackRefused("no_text")
    if len(text) > _TEXT_LIMIT:
        raise SlackRefused("msg_too_long")
    if not isinstance(blocks, list) or len(blocks) > _BLOCKS_LIMIT:
        raise SlackRefused("invalid_blocks")


def _content(arguments: dict[str, Any]) -> dict[str, Any]:
    kept = ("text", "blocks", "parse", "link_names", "unfurl_links", "unfurl_media", "mrkdwn")
    return {"text": "", **{key: arguments[key] for key in kept if key in arguments}}


async def _serve(folder: Path, setup: dict[str, Any]) -> None:
    inbox = Inbox(setup["token"], setup["channels"], faults=setup.get("faults", False))
    runner = web.AppRunner(inbox.application(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    announce(folder, runner.addresses[0][1])
    await asyncio.Event().wait()


def main() -> None:
    """Serve until the parent goes."""
    folder, setup = folder_and_setup()
    end_with_parent()
    asyncio.run(_serve(folder, setup))


if __name__ == "__main__":
    main()
