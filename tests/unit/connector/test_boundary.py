"""What a connection carries and keeps back: hops, fingerprints, undo by another action."""

from __future__ import annotations

import httpx
import pytest

from soar.errors import NotFound
from soar.model.action import ActionCall, UndoCall
from soar.testing.connections import FakeConnections
from tests.unit.connector.test_connections import BLOCK, URL, build, call, gateway, settings


async def test_m01_calls_of_executions_carry_one_hop_more_and_nothing_in_them_can_reset_it() -> None:
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200, json={"ready": True})

    async with gateway(keep) as (connections, _):
        await connections.perform(BLOCK)
        deep = ActionCall("edge.look_up", {"name": "x"}, "k", "e", "p", 1, 5.0, hops=3)
        await connections.perform(deep)
        await connections.verify(ActionCall("edge.block_ip", BLOCK.inputs, "k", "e", "p", 1, 5.0, hops=2))
        await connections.undo(UndoCall("edge.block_ip", {}, "k", {"rule_id": "r"}), key="u", timeout=5)
        await connections.health("edge")
    assert [request.headers.get("soar-hops") for request in seen] == ["1", "4", "3", "1", None]


async def test_m01_a_header_of_the_inputs_does_not_stand_over_ours() -> None:
    from soar.config import ConnectionSettings
    from soar.connector.connections import ConnectionSet
    from soar.connector.http import SharedHttp
    from soar.connector.masking import Masker
    from soar.connector.registry import ConnectorRegistry
    from soar.connector.secrets import SecretResolver
    from tests.unit.connector.test_connections import SleepingClock

    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    clock, masker = SleepingClock(), Masker()
    config = {"api": ConnectionSettings(connector="http", settings={"base_url": URL})}
    http = SharedHttp(clock, transport=httpx.MockTransport(keep))
    connections = ConnectionSet(ConnectorRegistry.load(), config, SecretResolver(masker), [], clock, masker, http=http)
    await connections.start()
    inputs = {"method": "POST", "path": "/x", "headers": {"SOAR-Hops": "0", "soar-hops": "0"}}
    await connections.perform(ActionCall("api.request", inputs, "k", "e", "p", 1, 5.0, hops=4))
    assert seen[0].headers.get_list("soar-hops") == ["5"]


def test_s26_a_fingerprint_changes_with_the_connector_the_address_and_the_zone_and_with_nothing_else() -> None:
    connections, _ = build(
        {
            "edge": settings(),
            "same": settings(secrets={"token": "env:OTHER"}, timeout="5s", rate_limit={"per_second": 1}),
            "moved": settings(settings={"base_url": "https://elsewhere.example.com/v1"}),
            "zoned": settings(zone="dmz"),
        }
    )
    edge = connections.fingerprint("edge")
    assert len(edge) == 64
    assert edge == connections.fingerprint("edge.block_ip") == connections.fingerprint("same")
    assert len({edge, connections.fingerprint("moved"), connections.fingerprint("zoned")}) == 3
    with pytest.raises(NotFound, match="no connection 'gone'"):
        connections.fingerprint("gone")
    again, _ = build({"edge": settings()})
    assert again.fingerprint("edge") == edge, "the same after a restart"


def test_s26_the_fake_knows_fingerprints_too() -> None:
    connections, _ = build({"edge": settings()})
    fake = FakeConnections(connections.specs())
    before = fake.fingerprint("edge")
    fake.addresses["edge"] = "elsewhere"
    assert fake.fingerprint("edge.block_ip") != before
    with pytest.raises(NotFound):
        fake.fingerprint("gone")


async def test_an_undo_by_another_action_performs_that_action_with_the_stored_inputs() -> None:
    seen: list[httpx.Request] = []

    def keep(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(200)

    async with gateway(keep) as (connections, _):
        undo = UndoCall("edge.two_steps", {"name": "open again"}, "key-1", None, "edge.two_steps", direct=True)
        assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == "done"
        assert [request.headers["idempotency-key"] for request in seen] == ["lift-1", "lift-1-2"]
        assert seen[0].content == b'"open again"'
        bad = UndoCall("edge.two_steps", {"nam": "x"}, "key-1", None, direct=True)
        assert (await connections.undo(bad, key="lift-1", timeout=5)).kind == "refused"
        masked = UndoCall("edge.two_steps", {"name": "***"}, "key-1", None, exact=False, direct=True)
        outcome = await connections.undo(masked, key="lift-1", timeout=5)
        assert (outcome.kind, "by hand" in outcome.message) == ("refused", True)
    assert len(seen) == 2


async def test_an_undo_by_another_action_whose_answer_is_lost_is_unknown() -> None:
    async with gateway(lambda request: httpx.Response(500)) as (connections, _):
        undo = UndoCall("edge.two_steps", {"name": "x"}, "key-1", None, direct=True)
        assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == "unknown"


async def test_an_undo_by_an_action_with_an_inverse_of_its_own_performs_it_and_does_not_take_it_back() -> None:
    methods: list[str] = []

    def keep(request: httpx.Request) -> httpx.Response:
        methods.append(request.method)
        return httpx.Response(200)

    async with gateway(keep) as (connections, _):
        undo = UndoCall("edge.block_ip", {"ip": "203.0.113.9"}, "key-1", {"rule_id": "r"}, direct=True)
        assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == "done"
    assert methods == ["PUT"]
    fake = FakeConnections(build({"edge": settings()})[0].specs())
    await fake.undo(undo, key="lift-1", timeout=5)
    assert [one.name for one in fake.called(kind="undo")] == ["edge.block_ip"]


async def test_s36_a_simulated_change_of_the_fake_is_on_no_record() -> None:
    fake = FakeConnections(build({"edge": settings()})[0].specs())
    outcome = await fake.perform(ActionCall("edge.block_ip", BLOCK.inputs, "k", "e", "p", 1, 5.0, simulated=True))
    assert (outcome.kind, outcome.simulated) == ("done", True)
    assert fake.names() == []
    await fake.perform(call("look_up", name="x"))
    assert fake.names() == ["edge.look_up"]
