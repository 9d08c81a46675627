"""The `http` connector against a real server on the loopback address."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import web

from tests.connectors.contract import Change, ConnectorContract, Read, Subject, connected
from tests.connectors.faults import fault_proxy, serving

TOKEN = "t0ken-in-the-vault/9+"


class Ledger:
    """An API that keeps what is posted, once per Idempotency-Key."""

    def __init__(self) -> None:
        self.entries: list[Any] = []
        self.by_key: dict[str, int] = {}

    async def handle(self, request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"entries": len(self.entries)})
        key = request.headers.get("Idempotency-Key")
        if key is None or key not in self.by_key:
            self.entries.append(await request.json())
            if key is not None:
                self.by_key[key] = len(self.entries)
        return web.json_response({"id": self.by_key.get(key or "", len(self.entries))}, status=201)

    async def count(self) -> int:
        return len(self.entries)


@pytest.fixture
async def ledger() -> Ledger:
    return Ledger()


class TestHttp(ConnectorContract):
    @pytest.fixture
    async def subject(self, ledger: Ledger) -> AsyncIterator[Subject]:
        async with (
            serving(ledger.handle) as url,
            fault_proxy(url) as proxy,
            connected("http", {"base_url": proxy.url}, {"token": TOKEN}) as connections,
        ):
            inputs = {"method": "POST", "path": "/entries", "json": {"ip": "203.0.113.9"}}
            bad = [{"path": "/entries"}, {**inputs, "method": "BREW"}, {**inputs, "form": {"a": "b"}}]
            yield Subject(
                connections,
                changes=[Change("subject.request", inputs, ledger.count, bad)],
                reads=[Read("subject.get", {"path": "/entries"})],
                faults=proxy,
                secrets=[TOKEN],
            )
