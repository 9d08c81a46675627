"""How Slack brings what people did to an app: signed to its address, or as an envelope through its open socket."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import hmac
import json
import secrets
import time
from collections import deque
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlencode

import aiohttp
from aiohttp import web

from soar.rehearsal.servers.slack_people import CannotBeDone
from soar.rehearsal.servers.slack_workspace import Workspace

PATIENCE: Final = 10.0
"""Seconds for which an answer is waited; Slack itself gives up after 3, and who asks is told how long it took."""
_DRAIN: Final = 10.0

Delivered = dict[str, Any]


class Sockets:
    """The connections that an app keeps open to us, newest last."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._tickets: set[str] = set()
        self._open: dict[web.WebSocketResponse, web.Request] = {}
        self._arrived = asyncio.Event()
        self._acks: dict[str, asyncio.Future[float]] = {}
        self.hellos: list[int] = []
        """How many connections stood at each hello."""
        self.acked: deque[str] = deque(maxlen=1_000)
        self.address = ""

    def url(self) -> str:
        """Where to connect to, once."""
        ticket = secrets.token_hex(16)
        self._tickets.add(ticket)
        return f"{self.address}/link/?ticket={ticket}&app_id={self._workspace.app_id}"

    @property
    def count(self) -> int:
        return len(self._open)

    async def link(self, request: web.Request) -> web.StreamResponse:
        """One connection, from its hello to its end."""
        if request.query.get("ticket") not in self._tickets:
            return web.Response(status=401)
        self._tickets.remove(request.query["ticket"])
        socket = web.WebSocketResponse(timeout=1)
        await socket.prepare(request)
        self._open[socket] = request
        await socket.send_json(self._hello())
        self.hellos.append(self.count)
        self._arrived.set()
        try:
            async for message in socket:
                if message.type == aiohttp.WSMsgType.TEXT:
                    self._acknowledged(message.data)
        finally:
            del self._open[socket]
        return socket

    async def send(self, envelope: Mapping[str, Any], copies: int = 1) -> Delivered:
        """An envelope to one connection; how long its acknowledgement took, by our own clock."""
        socket = list(self._open)[-1]
        began = time.monotonic()
        future = self._acks[envelope["envelope_id"]] = asyncio.get_running_loop().create_future()
        for _ in range(copies):
            await socket.send_json(envelope)
        try:
            at = await asyncio.wait_for(future, PATIENCE)
        except TimeoutError:
            return {"status": 0, "seconds": PATIENCE, "body": "never acknowledged"}
        finally:
            del self._acks[envelope["envelope_id"]]
        return {"status": 200, "seconds": at - began, "body": ""}

    async def disconnect(self, reason: str) -> None:
        """Say that the connection ends, and end it once another stands, or after a while."""
        leaving = list(self._open)
        self._arrived.clear()
        for socket in leaving:
            await socket.send_json({"type": "disconnect", "reason": reason, "debug_info": {"host": "rehearsal"}})
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._arrived.wait(), _DRAIN)
        for socket in leaving:
            await socket.close()

    def cut(self) -> None:
        """Drop every connection without a word."""
        for request in self._open.values():
            if request.transport is not None:
                request.transport.abort()

    def _hello(self) -> dict[str, Any]:
        told = {"host": "rehearsal", "build_number": 1, "approximate_connection_time": 18_060}
        info = {"app_id": self._workspace.app_id}
        return {"type": "hello", "num_connections": self.count, "debug_info": told, "connection_info": info}

    def _acknowledged(self, text: str) -> None:
        envelope_id = str(json.loads(text).get("envelope_id", ""))
        self.acked.append(envelope_id)
        future = self._acks.get(envelope_id)
        if future is not None and not future.done():
            future.set_result(time.monotonic())


class Post:
    """Carries a payload to the app, by the way that is open."""

    def __init__(self, workspace: Workspace, sockets: Sockets) -> None:
        self._workspace = workspace
        self._sockets = sockets

    async def deliver(self, payload: Mapping[str, Any], retry: int = 0, copies: int = 1) -> list[Delivered]:
        """The payload, then as often again as `retry` says, as Slack repeats what was not answered in time.

        Raises:
            CannotBeDone: no socket is open and no address is known.
        """
        if self._sockets.count:
            return [await self._sockets.send(_envelope(payload, number), copies) for number in range(retry + 1)]
        if self._workspace.request_url is None:
            raise CannotBeDone("the app has no open socket and no address for interactions")
        return [await self._post(payload, number) for number in range(retry + 1)]

    async def _post(self, payload: Mapping[str, Any], number: int) -> Delivered:
        assert self._workspace.request_url is not None
        body = urlencode({"payload": json.dumps(payload)}).encode()
        headers = self._signed(body) | (_retried(number) if number else {})
        began = time.monotonic()
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=PATIENCE)) as session,
                session.post(self._workspace.request_url, data=body, headers=headers, allow_redirects=False) as answer,
            ):
                text = await answer.text()
                return {"status": answer.status, "seconds": time.monotonic() - began, "body": text}
        except (aiohttp.ClientError, OSError) as error:
            return {"status": 0, "seconds": time.monotonic() - began, "body": f"{type(error).__name__}: {error}"}

    def _signed(self, body: bytes) -> dict[str, str]:
        timestamp = str(int(self._workspace.now()))
        key = (self._workspace.signing_secret or "").encode()
        signature = hmac.new(key, f"v0:{timestamp}:".encode() + body, hashlib.sha256).hexdigest()
        return {
            "Content-Type": "application/x-www-form-urlencoded",
            "User-Agent": "Slackbot 1.0 (+https://api.slack.com/robots)",
            "X-Slack-Request-Timestamp": timestamp,
            "X-Slack-Signature": f"v0={signature}",
        }


def _retried(number: int) -> dict[str, str]:
    return {"X-Slack-Retry-Num": str(number), "X-Slack-Retry-Reason": "http_timeout"}


def _envelope(payload: Mapping[str, Any], number: int) -> dict[str, Any]:
    again = {"retry_attempt": number, "retry_reason": "timeout"} if number else {}
    opens = payload["type"] == "view_submission"
    envelope_id = secrets.token_hex(16)
    return {
        "type": "interactive",
        "envelope_id": envelope_id,
        "accepts_response_payload": opens,
        "payload": payload,
    } | again
