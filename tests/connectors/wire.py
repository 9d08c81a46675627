"""A server at the level of bytes that treats each connection as a test says, and calls of the `http` connector."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from soar.model.action import Outcome
from tests.connectors.contract import call, connected

Peer = Callable[["Wire"], Awaitable[None]]
POST = {"method": "POST", "path": "/tickets", "json": {"title": "x"}}


class Wire:
    """One accepted connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> bytes:
        head = await self.reader.readuntil(b"\r\n\r\n")
        lines = head.lower().split(b"\r\n")
        length = next((int(line.split(b":")[1]) for line in lines if line.startswith(b"content-length")), 0)
        return head + await self.reader.readexactly(length)

    async def answer(
        self, status: str = "200 OK", body: bytes = b"{}", *headers: str, length: int | None = None
    ) -> None:
        head = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers, "", ""]
        self.writer.write("\r\n".join(head).encode() + body)
        await self.writer.drain()

    def reset(self) -> None:
        self.writer.transport.abort()


@asynccontextmanager
async def wire(peer: Peer) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that treats each connection as `peer` says; gives its URL and the requests it read."""
    seen: list[bytes] = []

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = Wire(reader, writer)
        read = connection.request

        async def request() -> bytes:
            seen.append(await read())
            return seen[-1]

        connection.request = request  # type: ignore[method-assign]
        try:
            await peer(connection)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", seen


@asynccontextmanager
async def api(peer: Peer, **settings: Any) -> AsyncIterator[tuple[Any, list[bytes]]]:
    async with wire(peer) as (url, seen), connected("http", {"base_url": url, **settings}) as connections:
        yield connections, seen


async def post(connections: Any, timeout: float = 5.0, **inputs: Any) -> Outcome:
    outcome: Outcome = await connections.perform(call("subject.request", {**POST, **inputs}, timeout=timeout))
    return outcome


async def get(connections: Any, path: str = "/tickets", timeout: float = 5.0) -> Outcome:
    outcome: Outcome = await connections.perform(call("subject.get", {"path": path}, timeout=timeout))
    return outcome


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"hello": request.path})


async def hangs_up(peer: Wire) -> None:
    await peer.request()
