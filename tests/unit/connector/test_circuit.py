"""The circuit breaker of a connection: when it opens, whom it holds back, how it closes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest
from prometheus_client import REGISTRY
from pydantic import ValidationError

from soar.config import ConnectionSettings
from soar.connector.circuit import Circuit
from soar.connector.connections import ConnectionSet
from soar.model.action import Outcome, UndoCall
from tests.unit.connector.test_connections import BLOCK, SleepingClock, build, call, settings

DOWN = Outcome("unavailable", message="down")
CIRCUIT = {"failures": 3, "pause": "30s"}


class World:
    """A gateway that is up or down, and counts what reached it."""

    def __init__(self) -> None:
        self.status = 503
        self.headers: dict[str, str] = {}
        self.seen = 0

    def __call__(self, request: httpx.Request) -> httpx.Response:
        self.seen += 1
        return httpx.Response(self.status, headers=self.headers, text="text")


@pytest.fixture
async def world() -> World:
    return World()


@pytest.fixture
async def edge(world: World) -> AsyncIterator[tuple[ConnectionSet, SleepingClock]]:
    connections, clock = build({"edge": settings(circuit=CIRCUIT)}, world)
    await connections.start()
    yield connections, clock
    await connections.close()


async def test_after_failures_in_a_row_nothing_is_sent_until_the_pause_is_over(
    world: World, edge: tuple[ConnectionSet, SleepingClock]
) -> None:
    connections, clock = edge
    for _ in range(3):
        assert (await connections.perform(BLOCK)).sent
    assert connections.view("edge").circuit == "open"
    assert REGISTRY.get_sample_value("soar_circuit_open", {"connection": "edge"}) == 1
    clock.time += 10
    held = await connections.perform(BLOCK)
    assert (held.kind, held.sent, held.retry_after) == ("unavailable", False, 20.0)
    assert "failed 3 times in a row" in held.message
    assert world.seen == 3

    clock.time += 20
    assert connections.view("edge").circuit == "half_open"
    world.status = 200
    assert (await connections.perform(call("look_up", name="x"))).kind == "done"
    assert connections.view("edge").circuit == "closed"
    assert REGISTRY.get_sample_value("soar_circuit_open", {"connection": "edge"}) == 0


async def test_s17_a_trial_that_fails_opens_again_for_as_long_as_the_system_asks(
    world: World, edge: tuple[ConnectionSet, SleepingClock]
) -> None:
    connections, clock = edge
    for _ in range(3):
        await connections.perform(BLOCK)
    clock.time += 30
    world.headers = {"Retry-After": "120"}
    assert (await connections.perform(BLOCK)).retry_after == 120
    clock.time += 100
    assert (await connections.perform(BLOCK)).retry_after == 20
    assert world.seen == 4


async def test_a_refusal_or_an_answer_between_failures_starts_the_count_anew(
    world: World, edge: tuple[ConnectionSet, SleepingClock]
) -> None:
    connections, _ = edge
    for status in (503, 503, 403, 503, 500, 404, 503, 500):
        world.status = status
        assert (await connections.perform(BLOCK)).sent
    assert connections.view("edge").circuit == "closed"
    await connections.perform(BLOCK)
    assert connections.view("edge").circuit == "open", "unknown outcomes count as well"


async def test_lifts_verify_and_health_pass_an_open_circuit_and_their_success_closes_it(
    world: World, edge: tuple[ConnectionSet, SleepingClock]
) -> None:
    connections, _ = edge
    for _ in range(3):
        await connections.perform(BLOCK)
    world.status = 404
    undo = UndoCall("edge.block_ip", {}, "key-1", {"rule_id": "r-1"})
    assert (await connections.undo(undo, key="lift-1", timeout=5)).kind == "done"
    assert connections.view("edge").circuit == "closed"


async def test_inputs_that_do_not_fit_say_nothing_of_the_system(
    world: World, edge: tuple[ConnectionSet, SleepingClock]
) -> None:
    connections, _ = edge
    for _ in range(3):
        await connections.perform(BLOCK)
    assert (await connections.perform(call("block_ip", ip="-"))).kind == "refused"
    assert connections.view("edge").circuit == "open"


async def test_a_step_with_too_little_time_left_does_not_open_the_circuit() -> None:
    async def slow(request: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    connections, _ = build({"edge": settings(circuit={"failures": 1})}, slow)  # type: ignore[arg-type]
    await connections.start()
    assert (await connections.perform(call("look_up", timeout=0.01, name="x"))).error_kind == "timeout"
    assert connections.view("edge").circuit == "closed"
    await connections.close()
    connections, _ = build({"edge": settings(circuit={"failures": 1}, timeout="10ms")}, slow)  # type: ignore[arg-type]
    await connections.start()
    assert (await connections.perform(call("look_up", timeout=0.01, name="x"))).error_kind == "timeout"
    assert connections.view("edge").circuit == "open"
    await connections.close()


async def test_one_connection_tries_a_system_out_and_the_others_wait_for_it() -> None:
    clock = SleepingClock()
    circuit = Circuit("edge", clock, failures=1, pause=30)
    assert circuit.enter() is None
    circuit.leave(DOWN)
    clock.time = 30
    assert circuit.enter() is None, "the trial"
    beside = circuit.enter()
    assert beside is not None
    assert (beside.sent, beside.retry_after) == (False, 2.0)
    circuit.leave(None)
    assert circuit.enter() is None, "a trial that was cut leaves its place"


async def test_a_trial_that_is_cancelled_leaves_its_place() -> None:
    waiting = asyncio.Event()

    async def stuck(request: httpx.Request) -> httpx.Response:
        waiting.set()
        await asyncio.Event().wait()
        raise AssertionError

    connections, clock = build({"edge": settings(circuit={"failures": 1})}, stuck)  # type: ignore[arg-type]
    await connections.start()
    circuit = connections._connections["edge"].circuit
    assert circuit is not None
    circuit.note(DOWN)
    clock.time += 30
    trial = asyncio.ensure_future(connections.perform(BLOCK))
    await waiting.wait()
    assert not (await connections.perform(BLOCK)).sent
    trial.cancel()
    await asyncio.gather(trial, return_exceptions=True)
    assert circuit.enter() is None
    await connections.close()


def test_the_circuit_can_be_set_and_left_out() -> None:
    assert ConnectionSettings(connector="http").circuit is not None
    assert ConnectionSettings.model_validate({"connector": "http", "circuit": None}).circuit is None
    with pytest.raises(ValidationError):
        ConnectionSettings.model_validate({"connector": "http", "circuit": {"failures": 0}})


async def test_without_a_circuit_every_call_is_sent() -> None:
    world = World()
    connections, _ = build({"edge": settings(circuit=None)}, world)
    await connections.start()
    for _ in range(20):
        await connections.perform(BLOCK)
    assert world.seen == 20
    assert connections.view("edge").circuit == "closed"
    await connections.close()
