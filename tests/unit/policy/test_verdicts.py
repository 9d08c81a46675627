"""Risk by whether there is a way back, rules, minimum, four eyes, budgets (I, S19, S27)."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from soar.model.policy import BudgetClaim
from tests.unit.policy.given import judged, policy, proposal, spec

IP = "203.0.113.9"


@pytest.mark.parametrize(
    ("risk", "undo", "expected"),
    [
        ("low", None, "allowed"),
        ("medium", "unblock_ip", "allowed"),
        ("medium", None, "approval"),
        ("high", "unblock_ip", "allowed"),
        ("high", None, "approval"),
    ],
)
def test_the_shipped_matrix(tmp_path: Path, risk: Any, undo: str | None, expected: str) -> None:
    judgement = judged(policy(tmp_path), spec(risk=risk, undo=undo), ip=IP)
    assert judgement.verdict == expected
    assert (judgement.demand is None) == (expected == "allowed")


def test_a_way_back_that_only_the_playbook_names_makes_nothing_milder(tmp_path: Path) -> None:
    named = replace(proposal(spec(risk="high", undo=None), ip=IP), target=IP, containing=True)
    judgement = policy(tmp_path).judge(named)
    assert judgement.verdict == "approval"
    assert [claim.budget for claim in judgement.budgets] == ["containments/gateway"]


@pytest.mark.parametrize(("word", "required"), [("approval", 1), ("two", 2)])
def test_a_rule_holds_instead_of_the_matrix_and_says_who_answers(tmp_path: Path, word: str, required: int) -> None:
    text = f'actions: [{{action: "*.block_ip", verdict: {word}, reason: "we had a bad night"}}]\n'
    judgement = judged(policy(tmp_path, text), ip=IP)
    assert judgement.verdict == word
    assert judgement.demand is not None
    assert judgement.demand.approvers.required == required
    assert judgement.demand.approvers.roles == ("analyst", "admin")
    assert judgement.demand.timeout == 3600
    assert "we had a bad night" in judgement.demand.reason


def test_a_forbidden_action_is_forbidden_for_everybody(tmp_path: Path) -> None:
    judgement = judged(policy(tmp_path, 'actions: [{action: "gateway.*", verdict: forbidden}]\n'), ip=IP)
    assert (judgement.verdict, judgement.demand, judgement.budgets) == ("forbidden", None, ())


def test_the_first_rule_that_says_something_wins_key_by_key(tmp_path: Path) -> None:
    text = """\
actions:
  - {action: "gateway.block_ip", risk: high}
  - {action: "gateway.*", risk: low, undo_after: [1h, 24h]}
"""
    found = policy(tmp_path, "risk: {high: {reversible: two}}\n" + text)
    assert judged(found, ip=IP).verdict == "two"
    assert found.default_undo_after(proposal(ip=IP)) == (3600.0, 86400.0)
    assert found.default_undo_after(proposal(spec("edge.block_ip"), ip=IP)) == ()


def test_a_rule_of_your_own_comes_before_the_shipped_ones(tmp_path: Path) -> None:
    revoke = spec("identity.revoke_token", risk="high", undo=None, params={"properties": {"token_id": {}}})
    assert judged(policy(tmp_path), revoke, token_id="t-1").verdict == "allowed"
    text = 'actions: [{action: "*.revoke_token", verdict: forbidden}]\n'
    assert judged(policy(tmp_path, text), revoke, token_id="t-1").verdict == "forbidden"


def test_a_rule_for_one_connector_holds_for_that_one(tmp_path: Path) -> None:
    text = 'actions: [{action: "*.block_ip", connector: caddy, verdict: forbidden}]\n'
    assert judged(policy(tmp_path, text), ip=IP).verdict == "allowed"
    assert judged(policy(tmp_path, text), spec(connector="caddy"), ip=IP).verdict == "forbidden"


@pytest.mark.parametrize(
    ("alert", "expected"),
    [
        ({"severity": "high"}, "allowed"),
        ({"severity": "medium", "confidence": 30}, "allowed"),
        ({"severity": "low"}, "approval"),
        ({"severity": "high", "confidence": 29.5}, "approval"),
        ({"severity": "informational", "confidence": 90}, "approval"),
        ({}, "allowed"),
        ({"severity": "unknown", "confidence": None}, "allowed"),
    ],
)
def test_below_the_minimum_a_person_is_asked(tmp_path: Path, alert: dict[str, Any], expected: str) -> None:
    assert judged(policy(tmp_path), None, alert, ip=IP).verdict == expected


def test_an_alert_that_does_not_say_may_have_to_be_asked_about(tmp_path: Path) -> None:
    text = "minimum: {containing: {for: containing, severity: low, risk_score: 50, when_missing: ask}}\n"
    judgement = judged(policy(tmp_path, text), None, {}, ip=IP)
    assert judgement.verdict == "approval"
    assert judgement.reasons == (
        "the alert says no severity (minimum 'containing')",
        "the alert says no risk_score (minimum 'containing')",
    )


def test_the_minimum_makes_two_no_weaker(tmp_path: Path) -> None:
    text = 'actions: [{action: "*.block_ip", verdict: two}]\n'
    assert judged(policy(tmp_path, text), None, {"severity": "low"}, ip=IP).verdict == "two"


def test_four_eyes_asks_somebody_else(tmp_path: Path) -> None:
    judgement = judged(policy(tmp_path, 'actions: [{action: "*.block_ip", four_eyes: true}]\n'), ip=IP)
    assert judgement.verdict == "approval"
    assert judgement.demand is not None
    assert judgement.demand.approvers.excluded == ("requester", "author")


def test_what_reads_is_never_held_back(tmp_path: Path) -> None:
    found = policy(tmp_path, 'actions: [{action: "*.*", verdict: forbidden}]\n')
    assert judged(found, spec("intel.lookup", changes=False, undo=None), ip=IP).verdict == "allowed"


def test_budgets_count_by_what_they_say(tmp_path: Path) -> None:
    text = """\
budgets:
  containments: {for: containing, limit: 20, window: 10m, per: connection}
  everything: {for: changing, limit: 9, window: 1h, per: all, resume_at: 2}
  by_name: {for: ["*.block_ip"], limit: 5, window: 1m, per: playbook}
"""
    claims = set(judged(policy(tmp_path, text), ip=IP).budgets)
    assert claims == {
        BudgetClaim("containments/gateway", 20, 600.0, 16),
        BudgetClaim("everything", 9, 3600.0, 2),
        BudgetClaim("by_name/stolen-token", 5, 60.0, 4),
    }


def test_m04_notices_have_a_cap_per_playbook_and_per_channel_and_refuse(tmp_path: Path) -> None:
    post = spec("chat.post", undo=None, risk="low", params={"properties": {"channel": {}, "text": {}}})
    found = policy(tmp_path)
    claims = [claim.budget for claim in judged(found, post, channel="#soc", text="x").budgets]
    assert claims == ["notices_of_a_playbook/stolen-token", "notices_in_a_channel/chat/#soc"]
    assert found.over_budget(proposal(post, channel="#soc"), claims[1]) is None


def test_over_budget_is_a_question(tmp_path: Path) -> None:
    demand = policy(tmp_path).over_budget(proposal(ip=IP), "containments/gateway")
    assert demand is not None
    assert "containments/gateway" in demand.reason


def test_silence_is_a_yes_only_where_the_policy_says_so(tmp_path: Path) -> None:
    assert not policy(tmp_path).may_approve_on_timeout("gateway.block_ip")
    assert policy(tmp_path, 'approve_on_timeout: "*.block_ip"\n').may_approve_on_timeout("gateway.block_ip")


def test_the_digest_is_of_what_it_says(tmp_path: Path) -> None:
    shipped, same = policy(tmp_path).digest, policy(tmp_path, "# nothing\n").digest
    assert shipped == same
    assert policy(tmp_path, "budgets: {containments: null}\n").digest != shipped
