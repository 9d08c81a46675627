"""The `caddy` connector against a real Caddy."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import httpx
import pytest
from aiohttp import web

from soar.model.action import UndoCall
from soar.rehearsal.gateway import Gateway
from tests.connectors.contract import Change, ConnectorContract, Subject, call, connected
from tests.connectors.faults import FaultProxy, fault_proxy, serving
from tests.connectors.ledger import ledger_on

BLOCK = {"ip": "203.0.113.9", "reason": "token replay"}
QUARANTINE = {"client_id": "c-42", "reason": "token replay"}


@pytest.fixture(scope="module")
def gateway() -> Iterator[Gateway]:
    with Gateway() as part:
        yield part


@pytest.fixture(autouse=True)
def empty_routes(gateway: Gateway) -> None:
    """Each test starts with the routes as the gateway starts with them."""
    configuration = json.loads((gateway.folder / "caddy.json").read_text())
    httpx.post(f"{gateway.admin_url}/load", json=configuration).raise_for_status()


def entries(gateway: Gateway, route: str) -> int:
    """How many matchers stand in a route beside its placeholder."""
    return len(httpx.get(f"{gateway.admin_url}/id/{route}/match").raise_for_status().json()) - 1


def status(gateway: Gateway, client_ip: str, **headers: str) -> int:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return gateway.request("/", client_ip=client_ip, headers=named).status_code


class TestCaddy(ConnectorContract):
    @pytest.fixture
    async def subject(self, gateway: Gateway) -> AsyncIterator[Subject]:
        async def blocked() -> int:
            return entries(gateway, "soar-block")

        async def quarantined() -> int:
            return entries(gateway, "soar-quarantine")

        async with (
            fault_proxy(gateway.admin_url) as proxy,
            connected("caddy", {"base_url": proxy.url}) as connections,
        ):
            bad_ips = [{"ip": value} for value in ("", "-", "evil.example", "fe80::1%eth0", "0.0.0.0/0", ["192.0.2.1"])]
            bad_clients = [{"client_id": value} for value in ("", "*", "c-4*", "{http.request.host}", "a b", None)]
            yield Subject(
                connections,
                changes=[
                    Change("subject.block_ip", BLOCK, blocked, bad_ips),
                    Change("subject.quarantine_client", QUARANTINE, quarantined, bad_clients),
                ],
                faults=proxy,
            )


@pytest.fixture
async def subject(gateway: Gateway) -> AsyncIterator[Subject]:
    async with connected("caddy", {"base_url": gateway.admin_url}) as connections:
        yield Subject(connections)


@pytest.mark.parametrize(
    ("given", "refused", "passes"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.10"),
        ("198.51.100.0/24", "198.51.100.200", "198.51.101.1"),
        ("2001:DB8:0:0::1", "2001:db8::1", "2001:db8::2"),
        ("2001:db8:1::/48", "2001:db8:1:ffff::1", "2001:db8:2::1"),
        ("::ffff:203.0.113.77", "203.0.113.77", "203.0.113.78"),
    ],
)
async def test_the_block_takes_effect_and_is_lifted(
    subject: Subject, gateway: Gateway, given: str, refused: str, passes: str
) -> None:
    assert status(gateway, refused) == 200
    done = await subject.connections.perform(call("subject.block_ip", {"ip": given}))
    assert done.kind == "done", done.message
    assert (status(gateway, refused), status(gateway, passes)) == (403, 200)
    undo = UndoCall("subject.block_ip", {"ip": given}, "key-1", done.output)
    assert (await subject.connections.undo(undo, key="undo-1", timeout=10)).kind == "done"
    assert status(gateway, refused) == 200


async def test_a_quarantine_is_for_one_client(subject: Subject, gateway: Gateway) -> None:
    done = await subject.connections.perform(call("subject.quarantine_client", QUARANTINE))
    assert done.kind == "done", done.message
    assert status(gateway, "203.0.113.9", X_Api_Key="c-42") == 403
    assert status(gateway, "203.0.113.9", X_Api_Key="c-421") == 200


async def test_s35_what_another_configuration_replaced_is_made_again_and_taken_back(
    subject: Subject, gateway: Gateway, tmp_path: Path
) -> None:
    async with ledger_on(subject.connections, tmp_path) as ledger:
        held = await ledger.contain("subject.block_ip", BLOCK)
        assert (await ledger.look(held)).missing_since is None and entries(gateway, "soar-block") == 1
        configuration = json.loads((gateway.folder / "caddy.json").read_text())
        httpx.post(f"{gateway.admin_url}/load", json=configuration).raise_for_status()
        assert status(gateway, "203.0.113.9") == 200
        again = await ledger.look(held)
        assert (again.missing_since, status(gateway, "203.0.113.9")) == (None, 403)
        assert (await ledger.lift(held)).state == "lifted"
    assert (status(gateway, "203.0.113.9"), entries(gateway, "soar-block")) == (200, 0)


async def test_i03_one_address_has_one_spelling(subject: Subject) -> None:  # I03
    spellings = ["2001:db8::1", "2001:DB8:0:0::1", "2001:0db8::0001", "2001:db8::1/128"]
    targets = {subject.connections.prepare("subject.block_ip", {"ip": spelling}).target for spelling in spellings}
    assert targets == {"2001:db8::1"}


async def test_undo_leaves_what_a_person_wrote(subject: Subject, gateway: Gateway) -> None:
    by_hand = {"client_ip": {"ranges": ["203.0.113.9"]}}
    httpx.post(f"{gateway.admin_url}/id/soar-block/match", json=by_hand).raise_for_status()
    done = await subject.connections.perform(call("subject.block_ip", BLOCK))
    await subject.connections.undo(UndoCall("subject.block_ip", BLOCK, "key-1", done.output), key="u", timeout=10)
    assert status(gateway, "203.0.113.9") == 403
    assert entries(gateway, "soar-block") == 1


async def test_a_list_changed_meanwhile_is_read_again(gateway: Gateway) -> None:
    """The entry written by somebody else between our read and our write is kept, and ours joins it."""
    others = iter(["198.51.100.1", "198.51.100.2"])

    class Meddling(FaultProxy):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.method == "POST" and (other := next(others, None)):
                matcher = {"client_ip": {"ranges": [other]}}
                httpx.post(f"{gateway.admin_url}/id/soar-block/match", json=matcher).raise_for_status()
            return await super().handle(request)

    proxy = Meddling(gateway.admin_url)
    async with serving(proxy.handle) as url, connected("caddy", {"base_url": url}) as connections:
        done = await connections.perform(call("subject.block_ip", BLOCK))
    assert done.kind == "done", done.message
    assert [request.method for request in proxy.seen].count("POST") == 3
    assert gateway.blocked_ranges() == ["198.51.100.1", "198.51.100.2", "203.0.113.9"]


async def test_a_route_that_is_missing_is_named(gateway: Gateway) -> None:
    settings = {"base_url": gateway.admin_url, "block_route": "no-such-route"}
    async with connected("caddy", settings) as connections:
        health = await connections.health("subject")
        done = await connections.perform(call("subject.block_ip", BLOCK))
    assert not health.ok
    assert "no-such-route" in health.detail
    assert (done.kind, "no-such-route" in done.message) == ("refused", True)


async def test_an_entry_of_ours_with_another_content_is_not_taken_for_done(subject: Subject, gateway: Gateway) -> None:
    other = {"@id": "soar-block-key-1", "client_ip": {"ranges": ["198.51.100.1"]}}
    httpx.post(f"{gateway.admin_url}/id/soar-block/match", json=other).raise_for_status()
    done = await subject.connections.perform(call("subject.block_ip", BLOCK))
    assert (done.kind, "another content" in done.message) == ("refused", True)
    assert (await subject.connections.verify(call("subject.block_ip", BLOCK))).kind == "unknown"


async def test_a_configuration_that_caddy_rejects_is_refused(gateway: Gateway) -> None:
    """Caddy answers 500 with its reason and keeps what it had; another 500 leaves it open."""
    async with fault_proxy(gateway.admin_url) as proxy, connected("caddy", {"base_url": proxy.url}) as connections:
        for body, kind in (('{"error":"loading new config: parsing CIDR"}', "refused"), ("Bad Gateway", "unknown")):
            proxy.body = body
            proxy.set("status", 500, only="POST")
            done = await connections.perform(call("subject.block_ip", BLOCK))
            assert (done.kind, body in done.message) == (kind, True)
