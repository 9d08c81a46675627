"""The `oauth2` connector against django-oauth-toolkit, and a server that revokes by id itself."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from aiohttp import web

from soar.connector.connections import ConnectionSet
from soar.errors import ConfigError
from soar.rehearsal.identity import IdentityProvider
from soar.rehearsal.process import free_port
from tests.connectors.contract import Change, ConnectorContract, Read, Subject, call, connected, done
from tests.connectors.faults import FaultProxy, fault_proxy, serving
from tests.connectors.gate import GateProxy, gate_proxy

SECRET = "responder+s3cret/with=odd%chars"
"""Holds what is only told right when it is form-encoded first (RFC 6749, 2.3.1)."""
OURS = {"client_id": "soar", "client_secret": SECRET}
BAD_IDS = [{"token_id": value} for value in ("", "two words", "line\nbreak", "tök", "t" * 513, None, ["t-1"])]


@pytest.fixture(scope="module")
def identity() -> Iterator[IdentityProvider]:
    clients = {"c-42": "secret-of-c-42", "c-other": "secret-of-c-other"}
    with IdentityProvider(clients=clients, responders={"soar": SECRET}) as part:
        yield part


@pytest.fixture
def token(identity: IdentityProvider) -> str:
    """A fresh access token of the client c-42."""
    return identity.issue_token("c-42")


def settings(url: str, **way: Any) -> dict[str, Any]:
    paths = {"revoke_path": "/o/revoke_token/", "introspect_path": "/o/introspect/"}
    return {"base_url": url, **paths, **(way or {"token_lookup": "GET /handles/{token_id}"})}


def subject_for(
    connections: ConnectionSet, identity: IdentityProvider, token: str, token_id: str, proxy: GateProxy
) -> Subject:
    async def inactive() -> int:
        return int(not identity.is_active(token))

    return Subject(
        connections,
        changes=[Change("subject.revoke_token", {"token_id": token_id}, inactive, BAD_IDS)],
        reads=[Read("subject.introspect", {"token_id": token_id})],
        faults=proxy,
        secrets=[SECRET, *([token] if token != token_id else [])],
        patience=2,
    )


class TestByLookup(ConnectorContract):
    """The alert names the token by its handle; the server tells it to our client, and deletes it when it is revoked."""

    @pytest.fixture
    async def subject(self, identity: IdentityProvider, token: str) -> AsyncIterator[Subject]:
        async with (
            gate_proxy(identity.base_url, "revoke_token") as proxy,
            connected("oauth2", settings(proxy.url), OURS) as connections,
        ):
            yield subject_for(connections, identity, token, identity.handle_of(token), proxy)

    async def test_twice_is_once(self, subject: Subject) -> None:
        """This server forgets what it revokes: the second call changes nothing, and does not claim to have done it."""
        change = subject.changes[0]
        await done(subject, change)
        second = await subject.connections.perform(call(change.name, change.inputs))
        assert (second.kind, "knows no token" in second.message) == ("refused", True)
        assert await change.count() == 1


class TestByValue(ConnectorContract):
    """The id is the token itself."""

    @pytest.fixture
    async def subject(self, identity: IdentityProvider, token: str) -> AsyncIterator[Subject]:
        async with (
            gate_proxy(identity.base_url, "revoke_token") as proxy,
            connected("oauth2", settings(proxy.url, id_is_token=True), OURS) as connections,
        ):
            yield subject_for(connections, identity, token, token, proxy)


class Registry:
    """A server that revokes by id and says whether a token is active."""

    def __init__(self) -> None:
        self.active = {"t-1", "t/2"}
        self.stubborn = False

    async def handle(self, request: web.Request) -> web.Response:
        if request.method == "POST":
            return web.json_response({"active": False})
        token_id = request.match_info["path"].removeprefix("tokens/")
        if request.method == "DELETE" and not self.stubborn:
            self.active.discard(token_id)
        if request.method == "GET":
            return web.json_response({"active": token_id in self.active, "client_id": "c-42", "exp": "soon"})
        return web.Response(status=204)


@asynccontextmanager
async def by_id(registry: Registry) -> AsyncIterator[tuple[ConnectionSet, FaultProxy]]:
    way = {"revoke_by_id": "DELETE /tokens/{token_id}", "status_by_id": "GET /tokens/{token_id}"}
    async with (
        serving(registry.handle) as url,
        fault_proxy(url) as proxy,
        connected("oauth2", settings(proxy.url, **way), OURS) as connections,
    ):
        yield connections, proxy


class TestById(ConnectorContract):
    @pytest.fixture
    async def subject(self) -> AsyncIterator[Subject]:
        registry = Registry()

        async def revoked() -> int:
            return 2 - len(registry.active)

        async with by_id(registry) as (connections, proxy):
            yield Subject(
                connections,
                changes=[Change("subject.revoke_token", {"token_id": "t-1"}, revoked, BAD_IDS)],
                reads=[Read("subject.introspect", {"token_id": "t-1"})],
                faults=proxy,
                secrets=[SECRET],
                patience=1,
            )


async def test_an_id_cannot_leave_its_place_in_the_path() -> None:
    registry = Registry()
    async with by_id(registry) as (connections, proxy):
        assert (await connections.perform(call("subject.revoke_token", {"token_id": "t/2"}))).kind == "done"
        assert registry.active == {"t-1"}
        assert {request.raw_path for request in proxy.seen} == {"/tokens/t%2F2"}
        await connections.perform(call("subject.revoke_token", {"token_id": "../tokens/t-1?x=#"}))
        assert registry.active == {"t-1"}


async def test_a_revocation_by_id_that_did_nothing_is_not_confirmed() -> None:
    registry = Registry()
    registry.stubborn = True
    async with by_id(registry) as (connections, _):
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "t-1"}))
    assert (outcome.kind, "not confirmed" in outcome.message) == ("refused", True)


async def test_what_the_server_tells_of_a_token_is_told(identity: IdentityProvider, token: str) -> None:
    async with connected("oauth2", settings(identity.base_url), OURS) as connections:
        inputs = {"token_id": identity.handle_of(token)}
        seen = await connections.perform(call("subject.introspect", inputs))
        assert seen.output is not None
        assert (seen.output["active"], seen.output["client_id"], seen.output["scope"]) == (True, "c-42", "accounts")
        assert seen.output["expires_at"] > 1_700_000_000
        assert (await connections.perform(call("subject.revoke_token", inputs))).output == {**inputs, "active": False}


async def test_a_revocation_that_the_server_ignores_is_not_confirmed(identity: IdentityProvider, token: str) -> None:
    """An ordinary client may not revoke another's token: the server answers 200 and does nothing."""
    ordinary = {"client_id": "c-other", "client_secret": "secret-of-c-other"}
    async with connected("oauth2", settings(identity.base_url, id_is_token=True), ordinary) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": token}))
    assert (outcome.kind, "not confirmed" in outcome.message) == ("refused", True)
    assert identity.is_active(token)


@pytest.mark.parametrize("way", ["lookup", "by id"])
async def test_a_token_that_is_hidden_from_our_client_is_not_taken_for_revoked(way: str) -> None:
    """To a client that may not see a token, servers call it inactive or unknown; revoking tells the truth."""

    async def hiding(request: web.Request) -> web.Response:
        if request.path.startswith("/handles"):
            return web.json_response({"token": "a-live-token"})
        if request.method == "DELETE" or "revoke" in request.path:
            return web.json_response({"error": "access_denied"}, status=403)
        return web.json_response({"active": False}, status=404 if request.method == "GET" else 200)

    paths = {"revoke_by_id": "DELETE /tokens/{token_id}", "status_by_id": "GET /tokens/{token_id}"}
    ways: dict[str, dict[str, str]] = {"lookup": {}, "by id": paths}
    async with serving(hiding) as url, connected("oauth2", settings(url, **ways[way]), OURS) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "t-1"}))
    assert (outcome.kind, "access_denied" in outcome.message) == ("refused", True)


@pytest.mark.parametrize("way", [{}, {"id_is_token": True}])
async def test_a_wrong_client_secret_is_refused_and_not_shown(
    identity: IdentityProvider, token: str, way: dict[str, Any]
) -> None:
    wrong = {**OURS, "client_secret": "not-the-s3cret"}
    token_id = token if way else identity.handle_of(token)
    async with connected("oauth2", settings(identity.base_url, **way), wrong) as connections:
        health = await connections.health("subject")
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": token_id}))
        told = await connections.verify(call("subject.revoke_token", {"token_id": token_id}))
    assert not health.ok
    assert (outcome.kind, told.kind) == ("refused", "unknown")
    assert "answered 40" in outcome.message
    assert "not-the-s3cret" not in repr((health, outcome, told))
    assert identity.is_active(token)


@pytest.mark.parametrize("way", [{}, {"id_is_token": True}])
async def test_an_unknown_token_is_refused(identity: IdentityProvider, way: dict[str, Any]) -> None:
    """Also to a made-up token the server answers 200: that is no revocation."""
    async with connected("oauth2", settings(identity.base_url, **way), OURS) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "made-up"}))
    assert (outcome.kind, "know" in outcome.message) == ("refused", True)


async def test_a_server_that_is_down_is_unavailable() -> None:
    async with connected("oauth2", settings(f"http://127.0.0.1:{free_port()}"), OURS) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "t-1"}))
        health = await connections.health("subject")
    assert (outcome.kind, "nothing was sent" in outcome.message, health.ok) == ("unavailable", True, False)


async def test_a_busy_revocation_endpoint_leaves_the_token_alive(identity: IdentityProvider, token: str) -> None:
    """RFC 7009, 2.2.1: after a 503 the token still exists, and Retry-After says when to come back."""
    revoke = call("subject.revoke_token", {"token_id": identity.handle_of(token)})
    async with (
        gate_proxy(identity.base_url, "revoke_token") as proxy,
        connected("oauth2", settings(proxy.url), OURS) as connections,
    ):
        proxy.set("status", 503, only="POST PUT PATCH DELETE", Retry_After="7")
        outcome = await connections.perform(revoke)
        assert (outcome.kind, outcome.retry_after) == ("unavailable", 7.0)
        assert (await connections.verify(revoke)).kind == "absent"
        assert identity.is_active(token)
        proxy.clear()
        assert (await connections.perform(revoke)).kind == "done"
    assert not identity.is_active(token)


async def test_a_confirmation_that_is_lost_is_asked_for_again(identity: IdentityProvider, token: str) -> None:
    """The revocation went through; that introspection then fails does not make it undone, nor a refusal."""

    class LosesTheConfirmation(FaultProxy):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            revoked = any("revoke_token" in earlier.path for earlier in self.seen)
            self.fault = "status" if revoked and len(self.seen) < 5 else "none"
            return await super().handle(request)

    proxy = LosesTheConfirmation(identity.base_url, status=503)
    revoke = call("subject.revoke_token", {"token_id": identity.handle_of(token)})
    async with serving(proxy.handle) as url, connected("oauth2", settings(url), OURS) as connections:
        outcome = await connections.perform(revoke)
        assert (outcome.kind, "had gone through" in outcome.message) == ("unknown", True)
        assert (await connections.verify(revoke)).kind == "done"


@pytest.mark.parametrize("fault", ["status 400", "status 500", "not JSON"])
async def test_g03_a_looked_up_token_is_in_no_error(fault: str, caplog: pytest.LogCaptureFixture) -> None:  # G03 G07
    """Servers write what they were sent into their errors; the token must not get into history that way."""
    token = "gho_looked/up+token"
    caplog.set_level("DEBUG")

    async def repeating(request: web.Request) -> web.Response:
        if request.method == "GET":
            return web.json_response({"token": token})
        text = f"cannot take {(await request.read()).decode()} {dict(await request.post())} {'.' * 230} {token}"
        return web.Response(status=int(fault.split()[1]) if "status" in fault else 200, text=text)

    async with serving(repeating) as url, connected("oauth2", settings(url), OURS) as connections:
        revoke = call("subject.revoke_token", {"token_id": "t-1"})
        seen = [
            await connections.perform(revoke),
            await connections.perform(call("subject.introspect", {"token_id": "t-1"})),
        ]
    shown = repr(seen) + caplog.text
    assert "cannot take token=***" in shown
    assert "gho_" not in shown


@pytest.mark.parametrize(
    "answer", ['{"tokens": ["t0k-odd-shape"]}', '"t0k-odd-shape"', "t0k-odd-shape", '{"token": 7}']
)
async def test_a_lookup_of_another_shape_is_refused_and_not_quoted(answer: str) -> None:
    async def odd(_: web.Request) -> web.Response:
        return web.Response(text=answer)

    async with serving(odd) as url, connected("oauth2", settings(url), OURS) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "t-1"}))
    assert (outcome.kind, "t0k-odd-shape" in outcome.message) == ("refused", False)


@pytest.mark.parametrize("answer", ["{}", '{"active": "false"}', "[]"])
async def test_introspection_that_does_not_say_is_refused(answer: str) -> None:
    async def mute(_: web.Request) -> web.Response:
        return web.Response(text=answer)

    async with serving(mute) as url, connected("oauth2", settings(url, id_is_token=True), OURS) as connections:
        outcome = await connections.perform(call("subject.revoke_token", {"token_id": "t-1"}))
    assert (outcome.kind, "without saying" in outcome.message) == ("refused", True)


async def test_a_server_that_calls_everything_active_is_not_healthy() -> None:
    async def yes(_: web.Request) -> web.Response:
        return web.json_response({"active": True})

    async with serving(yes) as url, connected("oauth2", settings(url), OURS) as connections:
        health = await connections.health("subject")
    assert (health.ok, "proves nothing" in health.detail) == (False, True)


@pytest.mark.parametrize(
    "way",
    [
        {"id_is_token": False},
        {"id_is_token": True, "token_lookup": "GET /handles/{token_id}"},
        {"revoke_by_id": "DELETE /tokens/{token_id}"},
        {"revoke_by_id": "DELETE /tokens/x", "status_by_id": "GET /tokens/{token_id}"},
    ],
)
async def test_a_way_that_is_not_clear_is_refused_at_the_start(way: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=r"connections\.subject\.settings"):
        async with connected("oauth2", settings("http://127.0.0.1:1", **way), OURS):
            pass


def test_the_part_itself_refuses_a_made_up_secret(identity: IdentityProvider) -> None:
    """The handle endpoint of the rehearsal tells tokens to responders only."""
    answer = httpx.get(f"{identity.base_url}/handles/x", auth=("soar", "wrong"))
    assert answer.status_code == 401
