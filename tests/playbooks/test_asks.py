"""The shipped playbooks ask before each high-risk action, in a channel, and no answer is a no."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from soar.config import Settings
from soar.definitions import Definitions
from soar.model.approval import ApprovalRule
from soar.model.playbook import Action, Playbook
from soar.playbook import Catalog
from soar.playbook.tree import Placed, everywhere
from soar.testing.suite import read_suite
from tests.playbooks.test_shipped import CONFIG, FOLDER, NAMES


@pytest.fixture(scope="module")
def definitions() -> Definitions:
    return Definitions.read(Settings.model_validate({**yaml.safe_load(CONFIG.read_text("utf-8")), "playbooks": FOLDER}))


@pytest.fixture(scope="module")
def catalog(definitions: Definitions) -> Catalog:
    return definitions.catalog()


def high_risk(playbook: Playbook, definitions: Definitions) -> Iterator[tuple[Placed, Action]]:
    specs = definitions.connections.specs()
    for placed in everywhere(playbook):
        body = placed.step.body
        if isinstance(body, Action) and specs[body.name].risk == "high":
            yield placed, body


def guards(placed: Placed) -> list[ApprovalRule]:
    """The approvals under which a step runs: its own, and those of the blocks around it."""
    around = [mark.step.approval for mark in placed.around if mark.kind == "guard"]
    return [rule for rule in (placed.step.approval, *around) if rule is not None]


def test_the_shipped_playbooks_have_high_risk_actions_at_all(definitions: Definitions, catalog: Catalog) -> None:
    found = [name for name in NAMES if any(high_risk(catalog.playbooks[name], definitions))]
    assert len(found) >= 5, "without any, the tests below say nothing"


@pytest.mark.parametrize("name", NAMES)
def test_each_high_risk_action_is_asked_for(name: str, definitions: Definitions, catalog: Catalog) -> None:
    for placed, action in high_risk(catalog.playbooks[name], definitions):
        asked = guards(placed)
        assert asked, f"{name}: {placed.step.id} ({action.name}) is done without a question"
        for rule in asked:
            assert rule.on_timeout == "reject"
            assert rule.notify, f"{name}: {placed.step.id}: nobody is told"
            assert 0 < rule.timeout <= 3600, "at three in the morning nobody waits longer for the next one to be woken"
            assert rule.approvers.groups or rule.approvers.roles or rule.approvers.users


@pytest.mark.parametrize("name", NAMES)
def test_each_high_risk_action_is_tested_without_a_yes(name: str, definitions: Definitions, catalog: Catalog) -> None:
    wanted = {action.name for _, action in high_risk(catalog.playbooks[name], definitions)}
    suite = read_suite(Path(FOLDER) / f"{name}.test.yaml")
    untouched = {
        action for case in suite.cases if "rejected" in case.expect.steps.values() for action in case.expect.not_called
    }
    assert wanted <= untouched, f"{name}: no test says no to {sorted(wanted - untouched)}"
