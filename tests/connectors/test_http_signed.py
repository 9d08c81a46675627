"""What the `http` connector signs is held by the very checks with which this engine takes deliveries."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping
from typing import Any

import pytest
from aiohttp import web

from soar.config import AuthSettings
from soar.errors import ConfigError, SignatureInvalid
from soar.ingest.signature import Evidence, make_verifier
from tests.connectors.contract import call, connected
from tests.connectors.faults import serving

KEY = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
HOLD = {"method": "POST", "path": "/holds", "json": {"account": "acc-é7", "amounts": [1, 2]}}
SCHEMES: Mapping[str, Mapping[str, Any]] = {
    "standard-webhooks": {},
    "hmac-sha256": {"header": "X-Signature", "prefix": "sha256="},
}


async def sent(settings: Mapping[str, Any], *requests: tuple[str, Mapping[str, Any]], elsewhere: bool = False) -> Any:
    """The deliveries that came in, and what each call came to."""
    seen: list[Evidence] = []

    async def keep(request: web.Request) -> web.Response:
        headers = tuple((name.lower(), value) for name, value in request.raw_headers)
        seen.append(Evidence(headers, body=await request.read()))
        return web.json_response({})

    async with (
        serving(keep) as url,
        serving(keep) as other,
        connected("http", {"base_url": url, **settings}, {"signing_key": KEY}, egress=["*"]) as connections,
    ):
        outcomes = []
        for name, inputs in requests:
            path = other + inputs["path"] if elsewhere else inputs["path"]
            outcomes.append(await connections.perform(call(name, {**inputs, "path": path})))
    return seen, outcomes


@pytest.mark.parametrize("scheme", SCHEMES)
async def test_a_signed_request_is_taken_and_a_changed_one_is_not(scheme: Any) -> None:
    requests = [("subject.request", HOLD), ("subject.request", {"method": "DELETE", "path": "/holds/1"})]
    seen, _ = await sent({"signature": scheme}, *requests, ("subject.get", {"path": "/holds"}))
    auth = AuthSettings.model_validate({"scheme": scheme, "secret": "env:KEY", **SCHEMES[scheme]})
    verifier = make_verifier("payments", auth, [KEY])
    assert len(seen) == 3 and json.loads(seen[0].body) == HOLD["json"]
    for evidence in seen:
        verifier.verify(evidence, round(time.time() * 1000))
        forged = Evidence(evidence.headers, body=evidence.body + b" ")
        with pytest.raises(SignatureInvalid):
            verifier.verify(forged, round(time.time() * 1000))


async def test_a_repeated_call_has_the_same_id_and_is_old_after_five_minutes() -> None:
    seen, _ = await sent({"signature": "standard-webhooks"}, ("subject.request", HOLD), ("subject.request", HOLD))
    assert {evidence.header(b"webhook-id") for evidence in seen} == {b"key-1"}
    verifier = make_verifier("payments", AuthSettings(scheme="standard-webhooks", secret=("env:KEY",)), [KEY])
    with pytest.raises(SignatureInvalid, match="5 minutes"):
        verifier.verify(seen[0], round(time.time() * 1000) + 301_000)


async def test_the_playbook_cannot_put_a_signature_of_its_own() -> None:
    forged = {**HOLD, "headers": {"X-SIGNATURE": "sha256=00", "Content-Type": "application/json"}}
    seen, _ = await sent({"signature": "hmac-sha256"}, ("subject.request", forged))
    assert seen[0].header(b"x-signature") != b"sha256=00"


async def test_another_system_gets_no_signature() -> None:
    seen, _ = await sent({"signature": "standard-webhooks"}, ("subject.request", HOLD), elsewhere=True)
    assert [name for name, _ in seen[0].headers if name.startswith(b"webhook")] == []


async def test_a_form_is_not_sent_unsigned() -> None:
    form = {"method": "POST", "path": "/holds", "form": {"account": "acc-7"}}
    seen, (outcome,) = await sent({"signature": "standard-webhooks"}, ("subject.request", form))
    assert (seen, outcome.kind) == ([], "refused") and "json" in outcome.message


async def test_without_its_key_the_connection_does_not_start() -> None:
    with pytest.raises(ConfigError, match="signing_key"):
        async with connected("http", {"base_url": "https://pay.example.com", "signature": "hmac-sha256"}):
            pass
