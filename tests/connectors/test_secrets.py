"""G02, G03, G07 for every connector: a system that repeats all it was sent, in whatever spelling, shows no secret."""

from __future__ import annotations

import base64
import io
import json
import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote, quote_plus

import pytest
from aiohttp import web

from soar.connector.registry import ConnectorRegistry
from soar.telemetry import configure_logging
from tests.connectors.contract import call, connected
from tests.connectors.faults import serving

SECRET = "s3cret+of/the=system%9"
BASIC = {"username": "soar-user", "password": SECRET}


@dataclass(frozen=True)
class Case:
    """A connection of one connector, and calls of all its actions."""

    connector: str
    secrets: Mapping[str, str]
    calls: Mapping[str, Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)


HTTP_CALLS = {"get": {"path": "/a"}, "request": {"method": "POST", "path": "/a", "json": {"a": 1}}}
CADDY_CALLS = {"block_ip": {"ip": "203.0.113.9"}, "quarantine_client": {"client_id": "c-42"}}
SLACK_CALLS = {
    "post_message": {"to": "#soc", "text": "x"},
    "update_message": {"channel": "C0000000001", "ts": "1.000001", "text": "x"},
}
TICKET_CALLS = {
    "create_ticket": {"title": "x", "body": "x"},
    "add_comment": {"ticket": "1", "body": "x"},
    "close_ticket": {"ticket": "1"},
}
OAUTH_CALLS = {"revoke_token": {"token_id": "t-1"}, "introspect": {"token_id": "t-1"}}
OAUTH = {"client_id": "soar-client", "client_secret": SECRET}
CASES = {
    "http bearer": Case("http", {"token": SECRET}, HTTP_CALLS),
    "http basic": Case("http", BASIC, HTTP_CALLS),
    "http header": Case("http", {"token": SECRET}, HTTP_CALLS, {"auth": "header", "auth_header": "X-Odd"}),
    "caddy bearer": Case("caddy", {"token": SECRET}, CADDY_CALLS),
    "caddy basic": Case("caddy", BASIC, CADDY_CALLS),
    "slack": Case("slack", {"token": SECRET}, SLACK_CALLS),
    "roundup": Case("roundup", BASIC, TICKET_CALLS),
    "oauth2 by value": Case("oauth2", OAUTH, OAUTH_CALLS, {"id_is_token": True}),
    "oauth2 by lookup": Case("oauth2", OAUTH, OAUTH_CALLS, {"token_lookup": "GET /handles/{token_id}"}),
    "oauth2 by id": Case(
        "oauth2", OAUTH, OAUTH_CALLS, {"revoke_by_id": "DELETE /t/{token_id}", "status_by_id": "GET /t/{token_id}"}
    ),
}
WITHOUT_SECRETS = {"haproxy"}
"""Speak a protocol that has none."""
NOT_HTTP = {"smtp"}
"""Speak a protocol of their own, and have this test beside their others (test_smtp.py)."""


def spellings(headers: Mapping[str, str]) -> list[str]:
    """What a server may make of the headers it was sent when it writes an error."""
    sent = dict(headers)
    bare = [value.rpartition(" ")[2] for value in sent.values()]
    return [
        str(sent),
        json.dumps(sent),
        json.dumps(json.dumps(sent)),
        " ".join(bare),
        "&".join(f"h={quote(value)}" for value in bare),
        "&".join(f"h={quote_plus(value)}" for value in bare),
        base64.b64encode(json.dumps(sent).encode()).decode(),
        # The message ends in the middle of it: half a secret is not recognised any more.
        *("." * (300 - cut) + " ".join(bare[-3:]) for cut in range(0, 220, 9)),
    ]


FORBIDDEN = sorted(
    {
        *(SECRET[start : start + 9] for start in range(len(SECRET) - 8)),
        quote(SECRET, safe="")[4:16],
        *(
            base64.b64encode(f"{user}:{word}".encode()).decode()[18:30]
            for user in ("soar-user", "soar-client")
            for word in (SECRET, quote_plus(SECRET))
        ),
    }
)
"""Any nine characters of the secret in a row, and pieces of its other spellings."""


@contextmanager
def most_talkative_log(mask: Any) -> Iterator[io.StringIO]:
    """The process's own logging at debug, as `soar serve` sets it up."""
    root = logging.getLogger()
    before = root.handlers, root.level
    stream = io.StringIO()
    configure_logging(mask, level="debug", stream=stream)
    try:
        yield stream
    finally:
        root.handlers, _ = before
        root.setLevel(before[1])


def test_every_connector_that_has_secrets_is_among_the_cases() -> None:
    assert {case.connector for case in CASES.values()} | WITHOUT_SECRETS | NOT_HTTP == set(
        ConnectorRegistry.load().names
    )


@pytest.mark.parametrize("status", [200, 307, 400, 401, 429, 500, 503])
@pytest.mark.parametrize("case", CASES.values(), ids=list(CASES))
async def test_g02_g03_g07_no_outcome_and_no_log_line_shows_a_secret(case: Case, status: int) -> None:  # G02 G03 G07
    turn = iter(range(10**6))

    async def repeating(request: web.Request) -> web.Response:
        written = spellings(dict(request.headers))
        text = written[next(turn) % len(written)]
        return web.Response(status=status, text=text, headers={"Location": f"/x?token={quote(SECRET)}"})

    seen: list[Any] = []
    async with serving(repeating) as url:
        settings = {"base_url": url, **case.settings}
        async with connected(case.connector, settings, case.secrets) as connections:
            with most_talkative_log(connections._masker.mask) as log:
                for name, inputs in case.calls.items():
                    for number in range(len(spellings({"a": "b"}))):
                        asked = call(f"subject.{name}", inputs, f"key-{number}")
                        seen.append(await connections.perform(asked))
                        try:
                            raise RuntimeError(f"unexpected: {SECRET}")
                        except RuntimeError:
                            logging.getLogger("third.party").exception("while calling %s with %s", name, SECRET)
                seen += [await connections.health("subject"), connections.view("subject")]
    shown = "\n".join(map(repr, seen)) + log.getvalue()
    assert len(seen) > 20
    assert "unexpected: ***" in shown
    for piece in FORBIDDEN:
        assert piece not in shown, shown[max(0, shown.index(piece) - 300) : shown.index(piece) + 60]
