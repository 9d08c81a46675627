"""Every shipped playbook holds, and its own tests pass; a wrong expectation is told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from soar.config import Settings
from soar.engine import Guardrails
from soar.playbook import Catalog
from soar.runtime import Definitions
from soar.testing.rehearse import CaseResult, run_suite
from soar.testing.suite import read_suite

FOLDER = Path(__file__).parents[2] / "playbooks"
NAMES = sorted(path.name.removesuffix(".test.yaml") for path in FOLDER.glob("*.test.yaml"))


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    """The connections that the shipped playbooks name."""
    settings = Settings.model_validate(
        {
            "playbooks": str(FOLDER),
            "connections": {
                "gateway": {"connector": "caddy", "settings": {"base_url": "http://127.0.0.1:2019"}},
                "identity": {
                    "connector": "oauth2",
                    "settings": {"base_url": "https://id.example.com", "id_is_token": True},
                    "secrets": {"client_id": "env:OAUTH_ID", "client_secret": "env:OAUTH_SECRET"},
                },
                "tickets": {
                    "connector": "roundup",
                    "settings": {"base_url": "https://tracker.example.com"},
                    "secrets": {"username": "env:TRACKER_USER", "password": "env:TRACKER_PASSWORD"},
                },
                "chat": {"connector": "slack", "secrets": {"token": "env:SLACK_TOKEN"}},
                "api": {"connector": "http", "settings": {"base_url": "https://keys.example.com"}},
            },
        }
    )
    return Definitions.read(settings)


@pytest.fixture(scope="module")
def catalog(definitions: Definitions) -> Catalog:
    return definitions.catalog()


async def _results(name: str, definitions: Definitions, catalog: Catalog) -> list[CaseResult]:
    suite = read_suite(FOLDER / f"{name}.test.yaml")
    connections, others = definitions.connections, catalog.playbooks
    guardrails = Guardrails(definitions.policy)
    return await run_suite(suite, others[suite.playbook], connections.specs(), connections.prepare, others, guardrails)


def test_each_shipped_playbook_holds_and_has_tests(catalog: Catalog) -> None:
    assert list(map(str, catalog.problems)) == []
    assert sorted(catalog.playbooks) == NAMES == ["api-key-leaked", "credential-stuffing", "stolen-token"]


@pytest.mark.parametrize("name", NAMES)
async def test_its_own_tests_pass(name: str, definitions: Definitions, catalog: Catalog) -> None:
    results = await _results(name, definitions, catalog)
    assert [f"{one.name}: {difference}" for one in results for difference in one.differences] == []


async def test_a_wrong_expectation_is_found(definitions: Definitions, catalog: Catalog) -> None:
    suite = read_suite(FOLDER / "stolen-token.test.yaml")
    first = suite.cases[0]
    wrong = replace(first, expect=replace(first.expect, status="failed", not_called=("gateway.block_ip",)))
    connections = definitions.connections
    (result,) = await run_suite(
        replace(suite, cases=(wrong,)), catalog.playbooks["stolen-token"], connections.specs(), connections.prepare
    )
    assert {difference.what for difference in result.differences} == {"status", "not_called"}
