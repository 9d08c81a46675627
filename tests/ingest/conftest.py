from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from soar.store import Store


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'soar.db'}"


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    one = await Store.open(url)
    yield one
    await one.close()
