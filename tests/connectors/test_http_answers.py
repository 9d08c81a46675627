"""What the shared client makes of answers: odd bodies, endless ones, pauses asked for, many at once, secrets."""

from __future__ import annotations

import asyncio
import gzip
import logging

import pytest
from aiohttp import web

from tests.connectors.contract import connected
from tests.connectors.faults import serving
from tests.connectors.wire import Wire, api, get, post, wire


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
async def test_s08_an_endless_answer_is_cut_while_it_is_read_and_of_a_change_is_done(packed: bool) -> None:
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
