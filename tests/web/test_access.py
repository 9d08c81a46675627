"""Nothing but health and the sources' own doors is open; a token counts from when it is made until it is revoked."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest
from fastapi.routing import iter_route_contexts
from starlette.routing import Route

from soar.clock import SystemClock
from soar.web.access import FRESH
from tests.web.serving import Served, until

OPEN = {
    "/healthz",
    "/readyz",
    "/webhooks/{source}",
    "/webhooks/{source}/{token:path}",
    "/slack/interactions",  # proves itself by Slack's signature
    "/",  # leads to the pages
    "/sign-in",
    "/sign-out",  # ends a session, and tells nothing
    "/static/style.css",
}
"""A new route that is open must be written down here, and have a reason."""
PAGES = {"/approvals", "/approvals/{approval_id}", "/approvals/{approval_id}/decision", "/reviews"}
PAGES |= {"/reviews/{review_id}/close"}
"""Pages lead whoever is not signed in to the form; what they send counts for nothing."""


def routes(found: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """(method, path) of every route, those of included routers too."""
    for context in iter_route_contexts(list(found)):
        assert isinstance(context.original_route, Route), f"{context!r} is of a sort this test does not know"
        for method in context.methods or {"GET"}:
            yield method, str(context.path)


def all_routes(server: Served) -> list[tuple[str, str]]:
    return sorted(set(routes(server.app.routes)))


def filled(path: str) -> str:
    while "{" in path:
        before, _, rest = path.partition("{")
        path = f"{before}x{rest.partition('}')[2]}"
    return path


def test_every_route_but_health_and_the_webhooks_needs_a_token(server: Served) -> None:
    guarded = [(method, path) for method, path in all_routes(server) if path not in OPEN | PAGES]
    assert ("GET", "/api/v1/executions") in guarded
    assert ("GET", "/metrics") in guarded
    assert ("GET", "/api/v1/openapi.json") in guarded
    assert len(guarded) >= 18
    for method, path in guarded:
        answer = server.http.request(method, filled(path))
        assert answer.status_code == 401, (method, path)
        assert answer.headers["www-authenticate"] == "Bearer"
        if method != "HEAD":
            assert answer.json()["type"] == "urn:soar:problem:not-authenticated"


def test_every_page_needs_a_session(server: Served) -> None:
    pages = [(method, path) for method, path in all_routes(server) if path in PAGES]
    assert {path for _, path in pages} == PAGES
    for method, path in pages:
        answer = server.http.request(method, filled(path), data={"decision": "approve"} if method == "POST" else None)
        if method == "POST":
            assert answer.status_code == 401, path
        else:
            assert (answer.status_code, answer.headers["location"].partition("?")[0]) == (303, "/sign-in"), path


def test_what_is_open_is_really_there(server: Served) -> None:
    assert {path for _, path in all_routes(server)} >= OPEN
    assert server.http.get("/healthz").json() == {"status": "ok"}
    assert server.http.get("/readyz").json()["status"] == "ready"


@pytest.mark.parametrize(
    "path", ["/docs", "/redoc", "/openapi.json", "/api", "/api/", "/api/v2", "/metrics/", "/static", "/slack"]
)
def test_nothing_else_tells_anything_to_strangers(server: Served, path: str) -> None:
    answer = server.http.get(path)
    assert answer.status_code in {401, 404}
    assert answer.headers["content-type"] == "application/problem+json"
    assert b"paths" not in answer.content


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Authorization", "")],
        [("Authorization", "Bearer")],
        [("Authorization", "Bearer nobody")],
        [("Authorization", "Basic {token}")],
        [("Authorization", "{token}")],
        [("Authorization", "Bearer {token}x")],
        [("Authorization", "Bearer {token}"), ("Authorization", "Bearer {token}")],
        [("Authorization", "Bearer {token}, Bearer {token}")],
        [("Authorization", b"Bearer \xff\xfe")],
        [("X-Api-Key", "{token}")],
        [("Cookie", "token={token}")],
    ],
)
def test_what_is_no_token(server: Served, headers: list[tuple[str, Any]]) -> None:
    given = [
        (name, value.replace("{token}", server.token) if isinstance(value, str) else value) for name, value in headers
    ]
    answer = server.http.get("/api/v1/alerts", headers=[(name.encode(), _bytes(value)) for name, value in given])
    assert answer.status_code == 401


def _bytes(value: Any) -> bytes:
    return value if isinstance(value, bytes) else str(value).encode()


def test_a_token_in_the_query_is_none(server: Served) -> None:
    assert server.http.get("/api/v1/alerts", params={"token": server.token}).status_code == 401


@pytest.mark.parametrize("scheme", ["Bearer", "bearer", "BEARER"])
def test_a_token_of_any_role_reads(server: Served, scheme: str) -> None:
    for token in (server.token, server.analyst):
        headers = {"Authorization": f"{scheme} {token}"}
        assert server.http.get("/api/v1/alerts", headers=headers).status_code == 200
        assert server.http.get("/metrics", headers=headers).status_code == 200


def test_a_token_that_only_reads_does_nothing(server: Served) -> None:
    acting = [(method, path) for method, path in all_routes(server) if method == "POST" and path not in OPEN]
    assert len(acting) >= 3
    for method, path in acting:
        answer = server.ask(method, filled(path).removeprefix("/api/v1"), token=server.token, json={})
        assert answer.status_code == 403, path
        assert answer.json()["type"] == "urn:soar:problem:not-allowed"


def test_a_role_nobody_knows_only_reads(server: Served) -> None:
    made(server, "odd-role", "auditor")
    assert server.ask("GET", "/playbooks", token="odd-role").status_code == 200
    assert server.ask("POST", "/playbooks/note/executions", token="odd-role").status_code == 403


def made(server: Served, token: str, role: str = "viewer") -> None:
    digest = hashlib.sha256(token.encode()).hexdigest()
    server.run(server.runtime.store.tokens.create(token, role, digest, SystemClock().now()))


def test_a_revoked_token_is_refused_within_a_second(server: Served) -> None:
    assert server.ask("GET", "/playbooks", token="short-lived").status_code == 401
    made(server, "short-lived")  # what was refused before is not remembered
    assert server.ask("GET", "/playbooks", token="short-lived").status_code == 200
    server.run(server.runtime.store.tokens.revoke("short-lived", SystemClock().now()))
    revoked = time.monotonic()
    until(lambda: server.ask("GET", "/playbooks", token="short-lived").status_code == 401, "it is refused")
    assert time.monotonic() - revoked < FRESH + 1  # asked over and over: being used does not keep it alive
    assert FRESH <= 1


def test_the_tokens_are_not_in_the_database_nor_in_the_log(server: Served) -> None:
    server.ask("GET", "/playbooks")
    content = b"".join(path.read_bytes() for path in server.folder.glob("soar.db*"))
    for token in (server.token, server.analyst):
        assert token.encode() not in content
        assert token not in server.logged()


def test_every_route_is_documented(server: Served) -> None:
    page = (Path(__file__).parents[2] / "docs" / "api.md").read_text("utf-8")
    documented = {found.removeprefix("/api/v1") for found in re.findall(r"/[a-z0-9_/{}.-]*", page)}
    for method, path in all_routes(server):
        if method != "HEAD" and not path.startswith("/webhooks"):
            plain = re.sub(r"\{(?!name)\w+\}", "{id}", path.removeprefix("/api/v1"))
            assert plain in documented, (method, path)
