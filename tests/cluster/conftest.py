"""A target that records, and a cluster beside it on a database of its own."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.harness import Recorder, recording
from tests.cluster.harness import QUEUES, Cluster


@pytest.fixture
async def target() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
def queue() -> str:
    """The one that is used unless a test is about another."""
    return QUEUES[0]


@pytest.fixture
async def cluster(tmp_path: Path, target: Recorder, postgres_url: str, queue: str) -> AsyncIterator[Cluster]:
    """Configured and not started."""
    made = Cluster(tmp_path, target.url, postgres_url, queue)
    yield made
    made.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
