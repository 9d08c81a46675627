"""What is asked of a queue is asked of both, on a real PostgreSQL."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from soar.queue import QUEUES
from tests.queue.running import Database


@pytest.fixture(params=QUEUES)
def kind(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def database(kind: str, postgres_url: str) -> Iterator[Database]:
    one = Database(kind, postgres_url)
    yield one
    one.close()
