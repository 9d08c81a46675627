"""A proxy in front of a real part that does to calls what networks and tired servers do."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

Fault = Literal[
    "none",
    "status",  # answered with `status`, never forwarded
    "status_after",  # forwarded, then answered with `status`
    "lost",  # forwarded, then the connection is cut: the work is done, the answer lost
    "cut",  # the connection is cut before anything is forwarded
    "silent",  # never answered, never forwarded
    "silent_after",  # forwarded, then never answered
]


@dataclass
class FaultProxy:
    """Forwards to `upstream`; while a fault is set, misbehaves instead. Remembers what it saw."""

    upstream: str
    url: str = ""
    fault: Fault = "none"
    status: int = 500
    headers: dict[str, str] = field(default_factory=dict)
    body: str = "the proxy says no"
    echo_headers: bool = False
    """Put the request's headers into the error body, as some servers do."""
    only: frozenset[str] = frozenset()
    """Methods the fault is for; empty for all."""
    seen: list[web.Request] = field(default_factory=list)
    stop: asyncio.Event = field(default_factory=asyncio.Event)

    def set(self, fault: Fault, status: int = 500, *, only: str = "", **headers: str) -> None:
        self.fault, self.status = fault, status
        self.only = frozenset(only.split())
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}

    def clear(self) -> None:
        self.fault, self.only, self.headers = "none", frozenset(), {}

    def keys(self) -> list[str | None]:
        """The Idempotency-Key of each request seen, in order."""
        return [request.headers.get("Idempotency-Key") for request in self.seen]

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(request)
        fault = self.fault if not self.only or request.method in self.only else "none"
        if fault == "status":
            return self._refusal(request)
        if fault == "cut":
            return self._cut(request)
        if fault == "silent":
            await self.stop.wait()
            return self._cut(request)
        answer = await self._forward(request)
        if fault == "status_after":
            return self._refusal(request)
        if fault == "lost":
            return self._cut(request)
        if fault == "silent_after":
            await self.stop.wait()
            return self._cut(request)
        return answer

    def _refusal(self, request: web.Request) -> web.Response:
        body = f"{self.body} {dict(request.headers)} {request.url}" if self.echo_headers else self.body
        return web.Response(status=self.status, headers=self.headers, text=body)

    def _cut(self, request: web.Request) -> web.Response:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def _forward(self, request: web.Request) -> web.Response:
        skipped = {"host", "content-length", "transfer-encoding", "connection"}
        headers = {name: value for name, value in request.headers.items() if name.lower() not in skipped}
        timeout = aiohttp.ClientTimeout(total=20)
        async with (
            aiohttp.ClientSession(auto_decompress=False, timeout=timeout) as session,
            session.request(
                request.method,
                self.upstream + request.raw_path,
                data=await request.read() or None,
                headers=headers,
                allow_redirects=False,
            ) as answer,
        ):
            kept = {name: value for name, value in answer.headers.items() if name.lower() not in skipped}
            return web.Response(status=answer.status, headers=kept, body=await answer.read())


@asynccontextmanager
async def fault_proxy(upstream: str) -> AsyncIterator[FaultProxy]:
    """A running proxy on a free port."""
    proxy = FaultProxy(upstream.rstrip("/"))
    async with serving(proxy.handle) as url:
        proxy.url = url
        try:
            yield proxy
        finally:
            proxy.stop.set()


@asynccontextmanager
async def serving(handler: object) -> AsyncIterator[str]:
    """One handler for every path, on a free loopback port; gives its URL."""
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", handler)  # type: ignore[arg-type]
    runner = web.AppRunner(app, access_log=None, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        yield f"http://{host}:{port}"
    finally:
        await runner.cleanup()
