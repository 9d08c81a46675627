"""The connector that docs/connectors.md writes from nothing, loaded as a user's own and held to the contract."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

from soar.connector.registry import ConnectorRegistry
from tests.connectors.contract import Change, ConnectorContract, Subject, connected
from tests.connectors.faults import fault_proxy, serving

PAGE = Path(__file__).parents[2] / "docs" / "connectors.md"
TOKEN = "acme-t0ken-98765"


class AcmeGateway:
    """Rules by name: PUT, GET, DELETE."""

    def __init__(self) -> None:
        self.rules: dict[str, object] = {}

    async def handle(self, request: web.Request) -> web.Response:
        if request.headers.get("Authorization") != f"Bearer {TOKEN}":
            return web.Response(status=401)
        if request.path == "/status":
            return web.json_response({"ready": True, "version": "4.2"})
        name = request.path.removeprefix("/rules/")
        if request.method == "PUT":
            self.rules[name] = await request.json()
            return web.Response(status=204)
        if name not in self.rules:
            return web.Response(status=404)
        if request.method == "DELETE":
            del self.rules[name]
            return web.Response(status=204)
        return web.json_response(self.rules[name])

    async def count(self) -> int:
        return len(self.rules)


def example() -> str:
    blocks = re.findall(r"```python\n(.*?)```", PAGE.read_text("utf-8"), re.DOTALL)
    return next(str(block) for block in blocks if block.startswith('"""Acme'))


class TestGatewayOfTheDocumentation(ConnectorContract):
    @pytest.fixture
    async def subject(self, tmp_path: Path) -> AsyncIterator[Subject]:
        file = tmp_path / "gateway" / "connector.py"
        file.parent.mkdir()
        file.write_text(example(), "utf-8")
        connector = ConnectorRegistry.load([tmp_path]).definition("gateway").connector
        gateway = AcmeGateway()
        async with (
            serving(gateway.handle) as url,
            fault_proxy(url) as proxy,
            connected(connector, {"base_url": proxy.url}, {"token": TOKEN}) as connections,
        ):
            inputs = {"ip": "203.0.113.9", "reason": "token replay"}
            bad = [{**inputs, "ip": "unknown"}, {"ip": "203.0.113.9"}]
            yield Subject(
                connections,
                changes=[Change("subject.block_ip", inputs, gateway.count, bad)],
                faults=proxy,
                secrets=[TOKEN],
            )

    async def test_its_health_speaks_for_the_gateway(self, subject: Subject) -> None:
        assert (await subject.connections.health("subject")).detail == "gateway 4.2"
