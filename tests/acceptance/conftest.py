"""A target that records and a server beside it, both gone at the end of the test."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import aiohttp
import pytest

from tests.acceptance.harness import Recorder, Server, recording


@pytest.fixture
async def target() -> AsyncIterator[Recorder]:
    async with recording() as recorder:
        yield recorder


@pytest.fixture
async def server(tmp_path: Path, target: Recorder) -> AsyncIterator[Server]:
    """Configured and not started."""
    server = Server(tmp_path, target.url)
    yield server
    server.close()


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield session
