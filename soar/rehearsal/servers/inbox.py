"""An inbox that stands for Slack: its Web API, its sockets and its people, refusing what Slack refuses.

Below `/api` and `/link` it is Slack's own protocol. The rest is for whoever plays the people, or breaks things.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from aiohttp import web

from soar.rehearsal.servers.child import announce, end_with_parent, folder_and_setup
from soar.rehearsal.servers.slack_delivery import Post, Sockets
from soar.rehearsal.servers.slack_faults import Faults
from soar.rehearsal.servers.slack_limits import SlackRefused
from soar.rehearsal.servers.slack_methods import Methods
from soar.rehearsal.servers.slack_people import CannotBeDone, People
from soar.rehearsal.servers.slack_workspace import Workspace


class Inbox:
    """One workspace behind one port."""

    def __init__(self, setup: dict[str, Any]) -> None:
        given = dict(setup)
        self._faulty = given.pop("faults", False)
        channels, members = given.pop("channels"), given.pop("members", {})
        self.workspace = Workspace(**given)
        for name, channel in channels.items():
            self.workspace.add_channel(name, channel)
        for name, flags in members.items():
            self.workspace.add_member(name, flags)
        self.sockets = Sockets(self.workspace)
        self._methods = Methods(self.workspace, self.sockets.url)
        self._people = People(self.workspace)
        self._post = Post(self.workspace, self.sockets)
        self._faults = Faults()

    def application(self) -> web.Application:
        application = web.Application(client_max_size=1024**2)
        application.router.add_route("*", "/api/{method}", self.call)
        application.router.add_get("/link/", self.link)
        application.router.add_get("/inbox", self.read)
        application.router.add_post("/click", self.click)
        application.router.add_post("/submit", self.submit)
        application.router.add_post("/configure", self.configure)
        if self._faulty:
            application.router.add_post("/fault", self.set_fault)
            application.router.add_post("/socket", self.break_socket)
        return application

    async def call(self, request: web.Request) -> web.StreamResponse:
        """One Web API call, form or JSON as slack-sdk sends it."""
        name = request.match_info["method"]
        fault = self._faults.next(name)
        refusal = await fault.before()
        if refusal is not None:
            return refusal
        headers = {"X-OAuth-Scopes": ",".join(self.workspace.scopes), "X-Accepted-OAuth-Scopes": ""}
        try:
            arguments = await _arguments(request)
            given = request.headers.get("Authorization", "").removeprefix("Bearer ")
            answer = {
                "ok": True,
                **self._methods.call(name, given or arguments.get("token", ""), fault.checked(arguments)),
            }
        except SlackRefused as refused:
            answer = {"ok": False, "error": str(refused), **refused.more}
        await fault.after(request)
        return web.json_response(answer, headers=headers)

    async def link(self, request: web.Request) -> web.StreamResponse:
        """A socket of the app's."""
        return await self._faults.next("link").before() or await self.sockets.link(request)

    async def read(self, _: web.Request) -> web.Response:
        """What people would see, and what is known of the sockets."""
        views = [{"user": one.user["id"], "view": one.view} for one in self.workspace.views.values()]
        seen = {"messages": self.workspace.messages, "ephemerals": self.workspace.ephemerals, "views": views}
        sockets = {
            "open": self.sockets.count,
            "hellos": len(self.sockets.hellos),
            "stood": self.sockets.hellos,
            "acked": list(self.sockets.acked),
        }
        return web.json_response({**seen, "sockets": sockets})

    async def click(self, request: web.Request) -> web.Response:
        """A press, `times` over and each delivered once more per `retry`; `copies`: the same envelope again."""
        wanted = await request.json()
        try:
            payloads = [self._people.press(wanted) for _ in range(wanted.get("times", 1))]
            again = {"retry": wanted.get("retry", 0), "copies": wanted.get("copies", 1)}
            rounds = await asyncio.gather(*(self._post.deliver(payload, **again) for payload in payloads))
        except CannotBeDone as error:
            return web.json_response({"error": str(error)}, status=409)
        return web.json_response({"deliveries": [one for delivered in rounds for one in delivered]})

    async def submit(self, request: web.Request) -> web.Response:
        """A form, filled in and sent off."""
        wanted = await request.json()
        try:
            payload = self._people.submit(wanted)
            deliveries = await self._post.deliver(payload, wanted.get("retry", 0), wanted.get("copies", 1))
        except CannotBeDone as error:
            return web.json_response({"error": str(error)}, status=409)
        if any(one["status"] == 200 and not one["body"] for one in deliveries):
            self._people.close(payload)
        return web.json_response({"deliveries": deliveries})

    async def configure(self, request: web.Request) -> web.Response:
        """`{"request_url", "scopes", "channels", "members", "advance", "foreign"}`, each if it is to change."""
        wanted = await request.json()
        for name in ("request_url", "scopes", "token", "signing_secret"):
            if name in wanted:
                setattr(self.workspace, name, wanted[name])
        for name, channel in wanted.get("channels", {}).items():
            self.workspace.add_channel(name, channel)
        for name, flags in wanted.get("members", {}).items():
            self.workspace.add_member(name, flags)
        for message in self.workspace.messages:
            if message["ts"] in wanted.get("foreign", ()):
                message["foreign"] = True
        self.workspace.ahead += wanted.get("advance", 0)
        return web.json_response({})

    async def set_fault(self, request: web.Request) -> web.Response:
        """Have the next calls end badly, see `slack_faults`."""
        self._faults.add(await request.json())
        return web.json_response({})

    async def break_socket(self, request: web.Request) -> web.Response:
        """`{"disconnect": reason}` as Slack announces it, or `{"cut": true}` without a word."""
        wanted = await request.json()
        if "disconnect" in wanted:
            await self.sockets.disconnect(wanted["disconnect"])
        else:
            self.sockets.cut()
        return web.json_response({})


async def _arguments(request: web.Request) -> dict[str, Any]:
    if request.content_type == "application/json":
        return dict(await request.json())
    return {**request.query, **{str(key): value for key, value in (await request.post()).items()}}


async def _serve(folder: Path, setup: dict[str, Any]) -> None:
    inbox = Inbox(setup)
    runner = web.AppRunner(inbox.application(), access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    inbox.sockets.address = f"ws://127.0.0.1:{port}"
    announce(folder, port)
    await asyncio.Event().wait()


def main() -> None:
    """Serve until the parent goes."""
    folder, setup = folder_and_setup()
    end_with_parent()
    asyncio.run(_serve(folder, setup))


if __name__ == "__main__":
    main()
