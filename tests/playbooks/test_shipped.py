"""Every shipped playbook holds, and its own tests pass; a wrong expectation is told apart."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from soar.config import Settings
from soar.definitions import Definitions
from soar.engine import Guardrails
from soar.playbook import Catalog
from soar.testing.rehearse import CaseResult, run_suite
from soar.testing.suite import Expectation, read_suite

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "playbooks"
CONFIG = ROOT / "soar" / "cli" / "templates" / "shipped" / "soar.yaml"
NAMES = sorted(path.name.removesuffix(".test.yaml") for path in FOLDER.glob("*.test.yaml"))


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    """The configuration that ships with them (`soar init --shipped`)."""
    return Definitions.read(Settings.model_validate({**yaml.safe_load(CONFIG.read_text("utf-8")), "playbooks": FOLDER}))


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
    assert sorted(catalog.playbooks) == NAMES


@pytest.mark.parametrize("name", NAMES)
async def test_its_own_tests_pass(name: str, definitions: Definitions, catalog: Catalog) -> None:
    results = await _results(name, definitions, catalog)
    assert [f"{one.name}: {difference}" for one in results for difference in one.differences] == []


async def test_a_wrong_expectation_is_found(definitions: Definitions, catalog: Catalog) -> None:
    suite = read_suite(FOLDER / "stolen-token.test.yaml")
    first = suite.cases[0]
    wrong = replace(first, expect=replace(first.expect, status="failed", not_called=("gateway.block_ip",)))
    connections, others = definitions.connections, catalog.playbooks
    (result,) = await run_suite(
        replace(suite, cases=(wrong,)), others["stolen-token"], connections.specs(), connections.prepare, others
    )
    assert {difference.what for difference in result.differences} == {"status", "not_called"}


async def test_a_cancel_that_comes_after_the_end_is_a_difference_and_no_crash(
    definitions: Definitions, catalog: Catalog
) -> None:
    suite = read_suite(FOLDER / "lib-reputation.test.yaml")
    late = replace(suite.cases[0], cancel_at=3600.0, expect=replace(suite.cases[0].expect, status="cancelled"))
    connections, others = definitions.connections, catalog.playbooks
    book = others["lib-reputation"]
    (result,) = await run_suite(replace(suite, cases=(late,)), book, connections.specs(), connections.prepare, others)
    assert [(one.what, one.found) for one in result.differences] == [("status", "succeeded")]


@pytest.mark.parametrize(
    ("alert", "status", "found"),
    [
        ({"rule_name": "Token replay", "severity": "low"}, "unmatched", []),
        ({"rule_name": "Token replay", "severity": "high"}, "unmatched", ["the trigger"]),
        ({"rule_name": "Token replay", "severity": "low"}, "succeeded", ["the trigger"]),
    ],
)
async def test_a_test_may_say_that_nothing_fires(
    definitions: Definitions, catalog: Catalog, alert: dict[str, str], status: str, found: list[str]
) -> None:
    suite, connections = read_suite(FOLDER / "stolen-token.test.yaml"), definitions.connections
    case = replace(suite.cases[0], alert=alert, expect=Expectation(status=status))
    book = catalog.playbooks["stolen-token"]
    (result,) = await run_suite(
        replace(suite, cases=(case,)), book, connections.specs(), connections.prepare, catalog.playbooks
    )
    assert [difference.what for difference in result.differences] == found
