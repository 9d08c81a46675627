"""One server with people, and browsers."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator

import httpx
import pytest

from soar.clock import SystemClock
from tests.web.pages.browsing import PEOPLE, PLAYBOOKS, signed_in
from tests.web.serving import Served, served


def with_tokens(server: Served) -> None:
    """Everybody has one; dora is not among the people."""
    for name in ("ana", "ben", "cleo", "dora"):
        digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
        server.run(server.runtime.store.tokens.create(name, "person", digest, SystemClock().now(), person=name))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("pages"), more=PEOPLE, playbooks=PLAYBOOKS) as one:
        with_tokens(one)
        yield one


@pytest.fixture
def browser(server: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.base, follow_redirects=False) as client:
        yield client


@pytest.fixture
def ben(server: Served) -> Iterator[httpx.Client]:
    with signed_in(server, "ben") as client:
        yield client
