"""The API every playbook here calls: three POST endpoints that record who called, and cost next to nothing.

It speaks HTTP on the bare asyncio protocol, in the process of the load, so that the two cores
are left to the server under test.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self, cast

import httptools
import orjson

STEPS = ("/first", "/second", "/third")


@dataclass(frozen=True, slots=True)
class ApiCall:
    """One request as it arrived."""

    at: float
    """Seconds on the performance counter: the loop's own clock steps by 1 ms."""
    path: str
    """Without its query."""
    key: str | None
    """The Idempotency-Key."""
    ref: str
    """The sender's id of the alert this call is about: in the body, or as `?ref=` of a read."""
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """How the target answers a call; `drop` cuts the connection instead, after the work was done."""

    status: int = 200
    delay: float = 0.0
    drop: bool = False
    silent: bool = False
    """No answer at all; the connection stays open."""


ANSWER = Answer()


def receipt(path: str, ref: str) -> str:
    """What the target hands back, and what the next call must carry: proof that values went the right way."""
    return f"{path.removeprefix('/')}-{ref}"


class Target:
    """A listening API; `on_call` hears of every request, `answer` may slow one down or refuse it."""

    def __init__(
        self, on_call: Callable[[ApiCall], None], answer: Callable[[ApiCall], Answer] = lambda _call: ANSWER
    ) -> None:
        self.on_call = on_call
        self.answer = answer
        self._server: asyncio.Server | None = None
        self.port = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Connection(self, loop), "127.0.0.1", self.port, backlog=2048)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_exc: object) -> None:
        if self._server is not None:
            self._server.close()


class _Connection(asyncio.Protocol):
    """One keep-alive connection; the on_... methods are called by httptools."""

    def __init__(self, target: Target, loop: asyncio.AbstractEventLoop) -> None:
        self._target = target
        self._loop = loop
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._path = b""
        self._key: str | None = None
        self._body = bytearray()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._parser.feed_data(data)

    def on_url(self, url: bytes) -> None:
        self._path = url
        self._key = None
        self._body.clear()

    def on_header(self, name: bytes, value: bytes) -> None:
        if name.lower() == b"idempotency-key":
            self._key = value.decode()

    def on_body(self, body: bytes) -> None:
        self._body += body

    def on_message_complete(self) -> None:
        path, _, query = self._path.decode().partition("?ref=")
        body = orjson.loads(bytes(self._body) or b"{}")
        call = ApiCall(time.perf_counter(), path, self._key, str(body.get("ref", query)), body)
        self._target.on_call(call)
        answer = self._target.answer(call)
        if answer.silent:
            return
        if answer.delay:
            self._loop.call_later(answer.delay, self._reply, call, answer)
        else:
            self._reply(call, answer)

    def _reply(self, call: ApiCall, answer: Answer) -> None:
        if self._transport is None or self._transport.is_closing():
            return
        if answer.drop:
            self._transport.abort()
            return
        body = orjson.dumps({"receipt": receipt(call.path, call.ref)})
        head = f"HTTP/1.1 {answer.status} X\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        self._transport.write(head.encode() + body)
