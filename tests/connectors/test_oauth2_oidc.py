"""The `oauth2` connector against oidc-provider, whose tokens belong to a user's grant."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest

from soar.connector.connections import ConnectionSet
from tests.connectors.contract import Change, ConnectorContract, Read, Subject, call, connected
from tests.connectors.gate import gate_proxy
from tests.connectors.oidc_part import Issued, OidcProvider, needs_oidc_provider

pytestmark = pytest.mark.parts

SECRET = "responder+s3cret/with=odd%chars"
OURS = {"client_id": "soar", "client_secret": SECRET}
LOOKUP = "GET /handles/{token_id}"


@pytest.fixture(scope="module")
def provider() -> Iterator[OidcProvider]:
    needs_oidc_provider()
    with OidcProvider(**OURS) as part:
        yield part


@pytest.fixture
def issued(provider: OidcProvider) -> Issued:
    return provider.issue()


def settings(url: str, **more: Any) -> dict[str, Any]:
    paths = {"revoke_path": "/token/revocation", "introspect_path": "/token/introspection"}
    return {"base_url": url, **paths, **more}


async def revoke(connections: ConnectionSet, token_id: str) -> Any:
    return await connections.perform(call("subject.revoke_token", {"token_id": token_id}))


class TestOidcProvider(ConnectorContract):
    """This server still tells the token of a handle after it is revoked."""

    @pytest.fixture(params=["access", "refresh"])
    async def subject(
        self, provider: OidcProvider, issued: Issued, request: pytest.FixtureRequest
    ) -> AsyncIterator[Subject]:
        token = getattr(issued, request.param)
        inputs = {"token_id": getattr(issued, f"{request.param}_handle")}

        async def inactive() -> int:
            return int(not provider.is_active(token))

        async with (
            gate_proxy(provider.base_url, "revocation") as proxy,
            connected(
                "oauth2", settings(proxy.url, token_lookup=LOOKUP, token_type_hint=f"{request.param}_token"), OURS
            ) as connections,
        ):
            yield Subject(
                connections,
                changes=[Change("subject.revoke_token", inputs, inactive)],
                reads=[Read("subject.introspect", inputs)],
                faults=proxy,
                secrets=[SECRET, token],
                patience=2,
            )


@pytest.mark.parametrize("hint", ["access_token", "refresh_token"])
async def test_revoking_the_refresh_token_ends_the_whole_grant(
    provider: OidcProvider, issued: Issued, hint: str
) -> None:
    """The hint is only a hint (RFC 7009, 2.1): a wrong one costs the server a second look and nothing else."""
    async with connected("oauth2", settings(provider.base_url, id_is_token=True, token_type_hint=hint), OURS) as server:
        assert (await revoke(server, issued.refresh)).kind == "done"
    assert (provider.is_active(issued.refresh), provider.is_active(issued.access)) == (False, False)


async def test_revoking_the_access_token_leaves_other_grants(provider: OidcProvider, issued: Issued) -> None:
    other = provider.issue()
    async with connected("oauth2", settings(provider.base_url, token_lookup=LOOKUP), OURS) as server:
        done = await revoke(server, issued.access_handle)
        assert (done.kind, done.output) == ("done", {"token_id": issued.access_handle, "active": False})
    assert (provider.is_active(issued.access), provider.is_active(other.access)) == (False, True)


async def test_a_client_without_the_right_cannot_revoke(provider: OidcProvider, issued: Issued) -> None:
    """Introspection tells such a client nothing of other clients' tokens, so the call is no success either."""
    ordinary = {"client_id": "c-other", "client_secret": "secret-of-c-other"}
    async with connected("oauth2", settings(provider.base_url, id_is_token=True), ordinary) as server:
        assert (await revoke(server, issued.access)).kind == "refused"
    assert provider.is_active(issued.access)


async def test_a_wrong_client_secret_is_refused_and_not_shown(provider: OidcProvider, issued: Issued) -> None:
    wrong = {**OURS, "client_secret": "not-the-s3cret"}
    async with connected("oauth2", settings(provider.base_url, id_is_token=True), wrong) as server:
        health = await server.health("subject")
        outcome = await revoke(server, issued.access)
    assert (health.ok, outcome.kind) == (False, "refused")
    assert "invalid_client" in outcome.message
    assert "not-the-s3cret" not in repr((health, outcome))
    assert provider.is_active(issued.access)


async def test_an_unknown_token_is_refused(provider: OidcProvider) -> None:
    for way in ({"id_is_token": True}, {"token_lookup": LOOKUP}):
        async with connected("oauth2", settings(provider.base_url, **way), OURS) as server:
            assert (await revoke(server, "abcdef0123456789")).kind == "refused"


async def test_a_server_that_goes_away_is_unavailable_and_the_token_lives() -> None:
    needs_oidc_provider()
    with OidcProvider(**OURS) as part:
        token = part.issue().access
        async with connected("oauth2", settings(part.base_url, id_is_token=True), OURS) as server:
            assert (await server.health("subject")).ok
            part.kill()
            assert (await revoke(server, token)).kind == "unavailable"
            assert not (await server.health("subject")).ok
