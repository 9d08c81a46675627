"""What the shared client makes of real sockets: lost answers, slow ones, resets, and addresses it must not dial."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from soar.connector.egress import EgressConnector
from soar.errors import Refused
from soar.model.action import Outcome
from tests.connectors.contract import call, connected
from tests.connectors.faults import serving
from tests.unit.connector.gateway import Gateway

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


# The answer is lost, late, or cut.


async def works_then_resets(peer: Wire) -> None:
    await peer.request()
    peer.reset()


async def works_then_hangs_up(peer: Wire) -> None:
    await peer.request()


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


LOST = [works_then_resets, works_then_hangs_up, works_then_is_silent, answers_half, answers_no_http]


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


# Where it may go.


@pytest.mark.parametrize(
    "host",
    [
        "169.254.169.254",
        "[::ffff:169.254.169.254]",
        "[2002:a9fe:a9fe::1]",
        "[64:ff9b::a9fe:a9fe]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "0.0.0.0",
        "10.0.0.5",
        "2852039166",
        "0xa9.0xfe.0xa9.0xfe",
        "127.1",
        "metadata.internal",
    ],
)
async def test_h08_an_address_out_of_an_alert_is_refused_out_of_the_box(host: str) -> None:
    async with connected("http", {"base_url": "http://api.test"}) as connections:
        outcome = await get(connections, f"http://{host}/latest/meta-data/")
        assert outcome.kind == "refused", outcome
        assert "egress.allow" in outcome.message


async def test_h05_a_name_is_judged_by_the_address_it_leads_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """`*.example.com` is allowed; one of its names leads into the private network."""
    dialled: list[Any] = []

    async def lead(host: str, port: int, **_: Any) -> Any:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("10.0.0.5", port))]

    async def dial(sock: Any, address: Any) -> None:
        dialled.append(address)

    async with connected("http", {"base_url": "http://api.test"}, egress=["*.example.com"]) as connections:
        loop = asyncio.get_running_loop()
        monkeypatch.setattr(loop, "getaddrinfo", lead)
        monkeypatch.setattr(loop, "sock_connect", dial)
        outcome = await get(connections, "http://inner.example.com/")
        assert outcome.kind == "refused"
        assert "10.0.0.5 (which 'inner.example.com' leads to)" in outcome.message
        assert "egress.allow" in outcome.message
        assert dialled == []


async def test_h05_a_connection_kept_by_one_is_not_lent_to_another(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pool is shared; the allow-lists are not. `localhost` is one connection's own host, not the other's."""
    async with serving(hello) as url:
        base = url.replace("127.0.0.1", "localhost")
        async with connected("http", {"base_url": base}) as connections:
            assert (await get(connections)).kind == "done"
            other = connections._connections["subject"].invoker
            assert other is not None
            other.egress = type(other.egress)("other", ["*"])
            outcome = await get(connections)
            assert outcome.kind == "refused"


async def test_h05_an_allowed_address_is_reached() -> None:
    async with serving(hello) as url, connected("http", {"base_url": "http://api.test"}) as connections:
        assert (await get(connections, url)).kind == "refused"
    async with (
        serving(hello) as url,
        connected("http", {"base_url": "http://api.test"}, egress=["127.0.0.0/8"]) as connections,
    ):
        assert (await get(connections, url)).kind == "done"


async def test_the_session_is_of_no_use_outside_a_call() -> None:
    async with serving(hello) as url, connected("http", {"base_url": url}) as connections:
        assert (await get(connections)).kind == "done"
        session = connections._http.session
        assert isinstance(session.connector, EgressConnector)
        with pytest.raises(Refused, match="outside a call"):
            await session.get(url)


async def test_redirects_are_not_followed() -> None:
    async def redirect(peer: Wire) -> None:
        await peer.request()
        await peer.answer("302 Found", b"", "Location: http://169.254.169.254/")

    async with api(redirect) as (connections, seen):
        outcome = await get(connections)
        assert outcome.kind == "refused"
        assert "redirects are not followed" in outcome.message
        assert len(seen) == 1


async def test_credentials_go_to_the_host_of_the_base_url_only() -> None:
    heard: list[Any] = []

    async def listen(request: web.Request) -> web.Response:
        heard.append(request.headers)
        return web.json_response({})

    async with (
        serving(listen) as ours,
        serving(listen) as others,
        connected("http", {"base_url": ours}, {"token": "t0ken-abc"}, egress=["127.0.0.1"]) as connections,
    ):
        await get(connections)
        await get(connections, f"{others}/x")
    assert heard[0]["authorization"] == "Bearer t0ken-abc"
    assert "authorization" not in heard[1]


@pytest.mark.parametrize(
    "path", ["/users/../admin", "/users/%2e%2e/admin", "/a/./b", "/a\\b", "/a\nb", "/a#b", "/a\r\nHost: evil"]
)
async def test_a_path_out_of_an_alert_cannot_leave_the_base_url(path: str) -> None:
    async with api(works_then_hangs_up) as (connections, seen):
        assert (await get(connections, path)).kind == "refused"
        assert (await post(connections, path=path)).kind == "refused"
        assert seen == []


async def test_a_header_out_of_an_alert_cannot_hold_a_line_break() -> None:
    async with api(works_then_hangs_up) as (connections, seen):
        outcome = await post(connections, headers={"X-Title": "a\r\nX-Admin: 1"})
        assert outcome.kind == "refused"
        assert "line break" in outcome.message
        assert seen == []


async def test_f10_text_goes_into_a_json_body_whole() -> None:
    nasty = 'quotes " and \\ and\nnewlines \t 🚨 }{ {{ x }}'
    heard: list[Any] = []

    async def listen(request: web.Request) -> web.Response:
        heard.append(await request.json())
        return web.json_response({})

    async with serving(listen) as url, connected("http", {"base_url": url}) as connections:
        assert (await post(connections, json={"title": nasty, "n": "0012"})).kind == "done"
    assert heard == [{"title": nasty, "n": "0012"}]


# What comes back.


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"hello": request.path})


async def test_b07_an_answer_that_is_no_text_ends_the_step() -> None:
    async def binary(peer: Wire) -> None:
        await peer.request()
        await peer.answer("200 OK", b"\xff\xfe ok", "Content-Type: text/plain")

    async with api(binary) as (connections, _):
        outcome = await get(connections)
        assert outcome.kind == "done"
        assert outcome.output is not None
        assert outcome.output["body"] == "\ufffd\ufffd ok"


async def test_cookies_are_neither_kept_nor_shown() -> None:
    async def cookie(peer: Wire) -> None:
        for _ in range(2):
            await peer.request()
            await peer.answer("200 OK", b"{}", "Set-Cookie: session=abcdef", "Content-Type: application/json")

    async with (
        wire(cookie) as (url, seen),
        connected("http", {"base_url": url.replace("127.0.0.1", "localhost")}) as connections,
    ):
        outcome = await get(connections)
        await get(connections)
        assert len(seen) == 2
        assert "abcdef" not in repr(outcome)
        assert b"abcdef" not in b"".join(seen)


@pytest.mark.parametrize("packed", [False, True])
async def test_an_endless_answer_is_cut_while_it_is_read(packed: bool) -> None:
    """Six megabytes, also when they come as a few kilobytes of gzip."""
    body = b"x" * (6 * 1024 * 1024)
    sent = gzip.compress(body) if packed else body
    headers = ["Content-Type: text/plain", *(["Content-Encoding: gzip"] if packed else [])]

    async def flood(peer: Wire) -> None:
        while True:
            await peer.request()
            await peer.answer("200 OK", sent, *headers)

    async with api(flood) as (connections, _):
        outcome = await get(connections)
        assert (outcome.kind, outcome.error_kind) == ("refused", "too_large")
        assert "more than 5242880 bytes" in outcome.message
        changed = await post(connections)
        assert changed.kind == "done"
        assert changed.output is not None
        assert changed.output["truncated"] is True
        assert len(changed.output["body"]) < 64 * 1024


@pytest.mark.parametrize(
    ("header", "kind", "wait"),
    [
        ("Retry-After: 2", "unavailable", 2.0),
        ("Retry-After: Thu, 01 Jan 1970 00:00:00 GMT", "unavailable", 0.0),
        ("Retry-After: 86400", "refused", None),
        ("Retry-After: whenever", "unavailable", None),
        ("X-Nothing: 1", "unavailable", None),
    ],
)
async def test_h03_a_system_that_asks_to_wait(header: str, kind: str, wait: float | None) -> None:
    async def busy(peer: Wire) -> None:
        await peer.request()
        await peer.answer("429 Too Many Requests", b"slow down", header)

    async with api(busy) as (connections, _):
        outcome = await post(connections)
        assert (outcome.kind, outcome.retry_after) == (kind, wait)
        if kind == "refused":
            assert "86400" in outcome.message


# Many at once, and what may be seen.


async def test_500_calls_in_flight_at_once() -> None:
    arrived, everyone = 0, asyncio.Event()

    async def together(request: web.Request) -> web.Response:
        nonlocal arrived
        arrived += 1
        if arrived == 500:
            everyone.set()
        await everyone.wait()  # answers only when all are there
        return web.json_response({})

    async with serving(together) as url, connected("http", {"base_url": url}) as connections:
        outcomes = await asyncio.gather(*(get(connections, timeout=60) for _ in range(500)))
    assert {outcome.kind for outcome in outcomes} == {"done"}


async def test_g02_g07_credentials_in_urls_are_masked_in_outcomes_errors_and_logs(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)

    async def refuse(request: web.Request) -> web.Response:
        return web.Response(status=400, text=f"bad url {request.url} for {request.headers.get('Authorization')}")

    async with serving(refuse) as url, connected("http", {"base_url": url}, {"token": "t0ken/in+vault"}) as connections:
        for path in ("/x?token=abc-secret-1&page=2", url.replace("//", "//user:pa55-word@") + "/x"):
            outcome = await get(connections, path)
            prepared = connections.prepare("subject.get", {"path": path})
            shown = f"{outcome} {prepared.masked_inputs} {caplog.text}"
            for secret in ("abc-secret-1", "pa55-word", "t0ken/in+vault"):
                assert secret not in shown
            assert prepared.masked
