"""What all tests share: no settings from the shell, and skips that fail where every part must be there."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Generator, Iterator

import pytest

from bench import postgres
from soar.store import Store

REQUIRED = os.environ.get("SOAR_PARTS_REQUIRED") == "1"

# The settings of whoever runs the tests must not decide how they end.
for name in [name for name in os.environ if name.startswith("SOAR_") and name != "SOAR_PARTS_REQUIRED"]:
    del os.environ[name]


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    if REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome, report.longrepr = "failed", refusal(report.longrepr)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report(
    collector: pytest.Collector,
) -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    if REQUIRED and report.skipped:
        report.outcome, report.longrepr = "failed", refusal(report.longrepr)
    return report


def refusal(skipped: object) -> str:
    """The reason of a skip, as the failure it is here."""
    reason = skipped[2] if isinstance(skipped, tuple) else str(skipped)
    return f"{reason}\nSOAR_PARTS_REQUIRED=1: a skip is a failure here; tests/parts/install.sh installs the parts."


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[postgres.Server]:
    """One server for all tests of this process that ask for it."""
    server = postgres.Server()
    try:
        server.start()
        yield server
    finally:
        server.close()


@pytest.fixture
def postgres_url(postgres_server: postgres.Server) -> Iterator[str]:
    """A new database on it, gone after the test."""
    url = postgres_server.create()
    yield url
    postgres_server.drop(url)


@pytest.fixture(scope="session")
def postgres_template(postgres_server: postgres.Server) -> str:
    """A database with the tables in it, to be copied: that is faster than making them each time."""
    url = postgres_server.create()
    asyncio.run(_make_tables(url))
    return url


@pytest.fixture
def soar_postgres_url(postgres_server: postgres.Server, postgres_template: str) -> Iterator[str]:
    """A new database on it that has its tables, gone after the test."""
    url = postgres_server.create(postgres_template)
    yield url
    postgres_server.drop(url)


async def _make_tables(url: str) -> None:
    await (await Store.open(url)).close()
