from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from soar.store import Store


@pytest.fixture(params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A new database of each kind: what holds of the store holds on both."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'soar.db'}"
    found: str = request.getfixturevalue("soar_postgres_url")
    return found


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    one = await Store.open(url)
    yield one
    await one.close()


@pytest.fixture
async def sqlite_store(tmp_path: Path) -> AsyncIterator[Store]:
    """For what is about that database alone: how it plans."""
    one = await Store.open(f"sqlite:///{tmp_path / 'soar.db'}")
    yield one
    await one.close()
