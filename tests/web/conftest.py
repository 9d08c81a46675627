"""One real server for each file of tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.web.serving import Served, served


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("served")) as one:
        yield one
