"""Where the shared client may go, what it takes along, and that alert text cannot steer it."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest
from aiohttp import web

from soar.connector.egress import EgressConnector
from soar.errors import Refused
from tests.connectors.contract import connected
from tests.connectors.faults import serving
from tests.connectors.wire import Wire, api, get, hangs_up, hello, post


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
    async with api(hangs_up) as (connections, seen):
        assert (await get(connections, path)).kind == "refused"
        assert (await post(connections, path=path)).kind == "refused"
        assert seen == []


async def test_a_header_out_of_an_alert_cannot_hold_a_line_break() -> None:
    async with api(hangs_up) as (connections, seen):
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
