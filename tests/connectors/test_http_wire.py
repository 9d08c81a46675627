"""What the shared client makes of answers that are lost, late or cut, and of calls that are cancelled."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from tests.connectors.contract import call, connected
from tests.connectors.faults import serving
from tests.connectors.wire import Peer, Wire, api, get, hangs_up, post, wire
from tests.unit.connector.gateway import Gateway

# The answer is lost, late, or cut.


async def works_then_resets(peer: Wire) -> None:
    await peer.request()
    peer.reset()


async def works_then_is_silent(peer: Wire) -> None:
    await peer.request()
    await peer.reader.read()


async def answers_half(peer: Wire) -> None:
    await peer.request()
    await peer.answer(body=b'{"id": ', length=100)
    peer.reset()


async def answers_no_http(peer: Wire) -> None:
    await peer.request()
    peer.writer.write(b"SSH-2.0-OpenSSH_9\r\n\r\n")


LOST = [works_then_resets, hangs_up, works_then_is_silent, answers_half, answers_no_http]


@pytest.mark.parametrize("peer", LOST)
async def test_h01_a_lost_answer_to_a_change_is_unknown_and_sent_once(peer: Peer) -> None:
    async with api(peer) as (connections, seen):
        outcome = await post(connections, timeout=0.5)
        assert outcome.kind == "unknown", outcome
        assert len(seen) == 1


@pytest.mark.parametrize("peer", LOST)
async def test_s17_a_lost_answer_to_a_read_is_unavailable(peer: Peer) -> None:
    async with api(peer) as (connections, _):
        assert (await get(connections, timeout=0.5)).kind == "unavailable"


@pytest.mark.parametrize("method", ["PUT", "DELETE", "POST", "PATCH"])
async def test_h01_nothing_below_us_repeats_a_change_when_a_kept_connection_dies(method: str) -> None:
    async def once_then_reset(peer: Wire) -> None:
        await peer.request()
        await peer.answer()
        await peer.request()
        peer.reset()

    async with api(once_then_reset) as (connections, seen):
        assert (await post(connections, method=method)).kind == "done"
        assert (await post(connections, method=method)).kind == "unknown"
        assert len(seen) == 2


async def test_h01_idempotency_is_the_connections_choice() -> None:
    async with api(works_then_resets) as (connections, seen):
        assert connections.spec("subject.request").idempotent
        await post(connections)
        assert b"idempotency-key: key-1\r\n" in seen[0].lower()
    async with api(works_then_resets, idempotency="none") as (connections, seen):
        assert not connections.spec("subject.request").idempotent
        assert (await post(connections)).kind == "unknown"
        assert b"idempotency-key" not in seen[0].lower()


async def test_s17_what_was_never_sent_is_unavailable() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
    async with connected("http", {"base_url": f"http://127.0.0.1:{port}"}) as connections:
        outcome = await post(connections)
        assert outcome.kind == "unavailable"
        assert f"no connection to 127.0.0.1:{port}" in outcome.message
    async with connected("http", {"base_url": "http://no-such-host.invalid"}) as connections:
        outcome = await post(connections)
        assert outcome.kind == "unavailable"
        assert "cannot be looked up" in outcome.message


async def test_s17_a_timeout_before_there_was_a_connection_is_unavailable(monkeypatch: pytest.MonkeyPatch) -> None:
    """A name server that does not answer: the time is up and nothing has left."""

    async def never(*_: Any, **__: Any) -> Any:
        await asyncio.Event().wait()

    async with connected("http", {"base_url": "http://slow-names.example.com"}) as connections:
        monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", never)
        outcome = await post(connections, timeout=0.2)
        assert (outcome.kind, outcome.error_kind) == ("unavailable", "timeout")


async def test_s17_tls_that_does_not_hold_is_unavailable_and_says_why() -> None:
    async def speaks_plainly(peer: Wire) -> None:
        peer.writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    async with (
        wire(speaks_plainly) as (url, _),
        connected("http", {"base_url": url.replace("http:", "https:")}) as connections,
    ):
        outcome = await post(connections)
        assert (outcome.kind, outcome.error_kind) == ("unavailable", "")
        assert "no connection" in outcome.message


# Cancelled.


async def test_h04_a_cancelled_call_stops_at_once_and_sends_no_more() -> None:
    started = asyncio.Event()

    async def open_request(peer: Wire) -> None:
        await peer.request()
        started.set()
        await peer.reader.read()

    async with api(open_request) as (connections, seen):
        running = asyncio.ensure_future(post(connections, timeout=30))
        await started.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 1)
        assert len(seen) == 1


async def test_h04_a_cancelled_verify_is_not_tried_again() -> None:
    """The pause between two tries passes the cancel on; it is not taken for a failure to retry."""
    busy, asked = asyncio.Event(), 0

    async def handle(request: web.Request) -> web.Response:
        nonlocal asked
        asked += 1
        busy.set()
        return web.Response(status=503)

    async with serving(handle) as url, connected(Gateway, {"base_url": url}, {"token": "t0ken"}) as connections:
        running = asyncio.ensure_future(connections.verify(call("subject.block_ip", {"ip": "203.0.113.9"})))
        await busy.wait()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await asyncio.wait_for(running, 1)
        before = asked
        await connections.health("subject")
        assert asked == before + 1  # the health check's own request, and no other
