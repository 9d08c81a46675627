"""Dry run and shadow, below the connectors: against a real server, nothing that changes arrives (S36)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import pytest
from aiohttp import web

from soar.connector.egress import Egress
from soar.connector.http import HttpClient, SharedHttp
from soar.connector.trail import Trail, current_trail
from soar.errors import Refused
from tests.connectors.contract import call, connected
from tests.connectors.faults import serving

REQUEST = call("subject.request", {"method": "POST", "path": "/keys/k-7/disable", "json": {"reason": "leak"}})


@pytest.fixture
async def server() -> AsyncIterator[tuple[str, list[str]]]:
    seen: list[str] = []

    async def handle(request: web.Request) -> web.Response:
        seen.append(f"{request.method} {request.path}")
        return web.json_response({"real": True})

    async with serving(handle) as url:
        yield url, seen


async def test_s36_a_simulated_change_answers_from_its_example_and_nothing_arrives(
    server: tuple[str, list[str]],
) -> None:
    url, seen = server
    async with connected("http", {"base_url": url}) as connections:
        outcome = await connections.perform(replace(REQUEST, simulated=True))
        assert (outcome.kind, outcome.simulated, outcome.sent) == ("done", True, False)
        assert outcome.output == connections.spec("subject.request").example
        told = await connections.verify(replace(REQUEST, simulated=True))
        assert (told.kind, told.simulated) == ("absent", True)
        assert seen == []
        assert (await connections.perform(REQUEST)).simulated is False
        assert seen == ["POST /keys/k-7/disable"], "the same call in earnest does arrive"


async def test_s36_a_simulated_read_is_real(server: tuple[str, list[str]]) -> None:
    url, seen = server
    async with connected("http", {"base_url": url}) as connections:
        outcome = await connections.perform(replace(call("subject.get", {"path": "/keys"}), simulated=True))
    assert seen == ["GET /keys"]
    assert outcome.output is not None
    assert (outcome.output["body"], outcome.simulated) == ({"real": True}, False)


async def test_s36_simulated_values_are_checked_as_real_ones_are(server: tuple[str, list[str]]) -> None:
    url, _ = server
    async with connected("http", {"base_url": url}) as connections:
        wrong = replace(REQUEST, inputs={"method": "POST"}, simulated=True)
        assert (await connections.perform(wrong)).kind == "refused"


async def test_s36_a_simulated_block_reaches_no_socket(tmp_path: Any) -> None:
    """Not even the socket of a connector that speaks without the shared client: there is none to reach."""
    async with connected("haproxy", {"socket": str(tmp_path / "nobody.sock")}) as connections:
        block = call("subject.block_ip", {"ip": "203.0.113.9"})
        assert (await connections.perform(block)).kind == "unavailable"
        assert (await connections.perform(replace(block, simulated=True))).kind == "done"


@pytest.mark.parametrize("way", ["client", "session"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE"])
async def test_s36_the_second_wall_lets_no_request_of_a_simulated_change_out(
    server: tuple[str, list[str]], way: str, method: str
) -> None:
    """Were a connector ever called in a simulated change: the client and the pool below it send nothing."""
    url, seen = server
    shared = SharedHttp()
    client = HttpClient(shared, base_url=url)

    async def send() -> None:
        if way == "client":
            await client.request(method, "/x", changes=False)
        else:
            async with client.session.request(method, f"{url}/x") as reply:
                await reply.read()

    try:
        for simulated, arrives in ((True, 0), (False, 1)):
            trail = Trail(Egress("subject", ["127.0.0.1"]), changes=True, key="k", simulated=simulated)
            token = current_trail.set(trail)
            try:
                if simulated:
                    with pytest.raises(Refused, match="simulated call sends nothing"):
                        await send()
                else:
                    await send()
            finally:
                current_trail.reset(token)
            assert len(seen) == arrives
    finally:
        await shared.close()
