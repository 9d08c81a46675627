"""A fault proxy for systems whose readings are POSTs too: the faults of writes hit the one request that changes."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web

from tests.connectors.contract import WRITES
from tests.connectors.faults import FaultProxy, serving


@dataclass
class GateProxy(FaultProxy):
    """While a fault is set for writes, only requests to the gate get it."""

    gate: str = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        if self.only == frozenset(WRITES.split()) and not re.search(self.gate, request.path):
            self.seen.append(request)
            return await self._forward(request)
        return await super().handle(request)


@asynccontextmanager
async def gate_proxy(upstream: str, gate: str) -> AsyncIterator[GateProxy]:
    """A running proxy; `gate` is a pattern of the paths whose requests change something."""
    proxy = GateProxy(upstream.rstrip("/"), gate=gate)
    async with serving(proxy.handle) as url:
        proxy.url = url
        try:
            yield proxy
        finally:
            proxy.stop.set()
