"""Bodies as they arrive: read no further than they are wanted, and never without a limit."""

from __future__ import annotations

import asyncio
from typing import Final, Self

from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

LINGER: Final = 2.0
"""Seconds a sender that was refused in mid-body may take to notice: one that is cut off hears no reason."""

LINGER_BYTES: Final = 1 << 20


class SenderGone(Exception):
    """The connection ended before the body did; nobody waits for an answer."""


class Body:
    """The body of one request, chunk by chunk; it knows whether its end was seen."""

    def __init__(self, scope: Scope, receive: Receive) -> None:
        self._receive = receive
        self._asked = False
        self._waits = any(name == b"expect" and value.lower() == b"100-continue" for name, value in scope["headers"])
        self.ended = False

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        """The next chunk that holds something.

        Raises:
            SenderGone: the connection ended first.
        """
        while not self.ended:
            self._asked = True
            message = await self._receive()
            if message["type"] != "http.request":
                raise SenderGone
            self.ended = not message.get("more_body", False)
            chunk: bytes = message.get("body", b"")
            if chunk:
                return chunk
        raise StopAsyncIteration

    async def refuse(self, response: Response, scope: Scope, send: Send) -> None:
        """Answer a request whose body is not wanted; the connection ends unless the body is here already."""
        if self._waits and not self._asked:  # it has not sent any, and will not when it hears this
            response.headers["connection"] = "close"
            await response(scope, self._receive, send)
            return
        await self._discard(0)
        if self.ended:
            await response(scope, self._receive, send)
            return
        response.headers["connection"] = "close"
        await send({"type": "http.response.start", "status": response.status_code, "headers": response.raw_headers})
        await send({"type": "http.response.body", "body": response.body, "more_body": True})
        await self._discard(LINGER)
        await send({"type": "http.response.body", "body": b"", "more_body": False})

    async def _discard(self, seconds: float) -> None:
        """Drop what comes within that time; with 0, what has come already."""
        left = LINGER_BYTES
        try:
            async with asyncio.timeout(seconds):
                while left > 0:
                    left -= len(await anext(self))
        except (TimeoutError, SenderGone, StopAsyncIteration):
            return


class LimitBodies:
    """Stands before the routes that read their body whole."""

    def __init__(self, app: ASGIApp, limit: int) -> None:
        self._app = app
        self._limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"].startswith("/webhooks/"):  # those count for themselves
            await self._app(scope, receive, send)
            return
        size = 0

        async def within_limit() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self._limit:
                raise HTTPException(413, f"the body is over {self._limit} bytes", {"Connection": "close"})
            return message

        await self._app(scope, within_limit, send)
