"""A policy file that does not hold: every fault at once, with place, cause and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from soar.errors import ConfigError
from soar.policy import load_rules
from tests.unit.policy.given import OWN, policy, settings, spec

WRONG = """\
protected:
  partners:
    addresses: [192.0.2.0/33, example.com, {value: "fe80::1%eth0"}]
    clients: ["*"]
  bad name: {users: [a]}
risk: {high: {reversible: sometimes}, extreme: {}}
actions:
  - {action: block_ip, verdict: allowed}
  - {action: "*.x", verdikt: allowed}
minimum: {nothing: {for: containing}}
budgets:
  a: {for: everything, limit: -1, window: 1h}
  b: {for: containing, limit: 5, window: soon}
  c: {for: containing, limit: 5, window: 1h, resume_at: 5}
approval: {approvers: {}, timeout: 60d}
aproval: {}
"""


def faults(tmp_path: Path, text: str) -> list[str]:
    with pytest.raises(ConfigError) as told:
        load_rules(settings(tmp_path, text), OWN)
    return [f"{one.location.line}:{one.location.column}: {one.message}; {one.remedy}" for one in told.value.problems]


def test_every_fault_is_told_at_once_with_its_place(tmp_path: Path) -> None:
    told = faults(tmp_path, WRONG)
    places = [line.partition(": ")[0] for line in told]
    assert places == sorted(places, key=lambda place: tuple(map(int, place.split(":"))))
    said = "\n".join(told)
    for place, word in [
        ("3:17", "is no address and no network"),
        ("3:31", "is no address and no network"),
        ("3:52", "has a zone"),
        ("4:15", "would protect everybody"),
        ("6:27", "'allowed', 'approval', 'two' or 'forbidden'"),
        ("6:39", "no key 'extreme'"),
        ("8:14", "names no action"),
        ("9:21", "did you mean 'verdict'?"),
        ("10:20", "needs severity, confidence or risk_score"),
        ("12:12", "is no class of actions"),
        ("12:31", "greater than or equal to 0"),
        ("13:42", "a duration is written like"),
        ("14:6", "resume_at must be below limit"),
        ("15:23", "names nobody"),
        ("16:1", "did you mean 'approval'?"),
    ]:
        assert any(line.startswith(f"{place}: ") and word in line for line in told), (place, word, said)
    assert all(line.rpartition("; ")[2] for line in told)


def test_people_that_nobody_knows_are_errors(tmp_path: Path) -> None:
    text = "approval: {approvers: {roles: [analist], groups: [leads], users: [bem]}}\n"
    told = faults(tmp_path, text)
    assert [line.partition(";")[0] for line in told] == [
        "1:32: approval.approvers: nobody has the role 'analist'",
        "1:51: approval.approvers: there is no group 'leads'",
        "1:67: approval.approvers: there is no person 'bem'",
    ]
    assert "did you mean 'analyst'" in told[0]


def test_people_and_what_else_is_wrong_are_told_at_once(tmp_path: Path) -> None:
    told = faults(tmp_path, "approval: {approvers: {groups: [leads]}}\nbudgets: {a: {for: containing, window: 1h}}\n")
    assert [line.partition(";")[0] for line in told] == [
        "1:33: approval.approvers: there is no group 'leads'",
        "2:14: 'budgets.a.limit' is missing",
    ]


AIMLESS = """\
actions:
  - {action: gateway.blok_ip, verdict: forbidden}
  - {action: ["gateway.*", "edge.*"], verdict: approval}
  - {action: intel.lookup, verdict: forbidden}
budgets:
  some: {for: [containing, "*.blok_ip"], limit: 1, window: 1h}
  later: {for: "*.wipe_*", limit: 1, window: 1h}
approve_on_timeout: gatway.block_ip
"""


def test_a_pattern_that_guards_nothing_is_a_warning(tmp_path: Path) -> None:
    specs = {one.name: one for one in (spec(), spec("intel.lookup", changes=False))}
    told = load_rules(settings(tmp_path, AIMLESS), OWN, specs).warnings
    assert {one.severity for one in told} == {"warning"}
    assert [(one.location.line, one.location.column, one.message.split("'")[1]) for one in told] == [
        (2, 14, "gateway.blok_ip"),
        (3, 28, "edge.*"),
        (4, 14, "intel.lookup"),
        (6, 28, "*.blok_ip"),
        (8, 21, "gatway.block_ip"),
    ]
    assert told[0].remedy == "did you mean 'gateway.block_ip'?"
    assert "only reads" in told[2].message


def test_every_part_says_where_it_stands(tmp_path: Path) -> None:
    text = (
        "risk: {high: {reversible: two}}\nactions:\n  - {action: gateway.block_ip, risk: high}\nbudgets: {mine: null}\n"
    )
    origins = policy(tmp_path, text).rules.origins
    assert origins["risk.high.reversible"].endswith("policy.yaml:1")
    assert origins["actions.0"].endswith("policy.yaml:3")
    for shipped in ("actions.1", "risk.high.irreversible", "budgets.containments", "approval.approvers"):
        assert origins[shipped].startswith("the shipped policy:"), shipped
    assert "budgets.mine" not in origins


@pytest.mark.parametrize("text", ["- a list\n", "just text\n", "a: [\n", "a: &x 1\nb: *x\n"])
def test_what_is_no_policy_at_all(tmp_path: Path, text: str) -> None:
    assert faults(tmp_path, text)


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    from soar.config import Settings

    with pytest.raises(ConfigError, match="cannot be read"):
        load_rules(Settings(policy=tmp_path / "gone.yaml"), OWN)


def test_the_shipped_policy_holds_and_an_empty_file_changes_nothing(tmp_path: Path) -> None:
    assert policy(tmp_path).rules.file == policy(tmp_path, "").rules.file


def test_too_few_people_to_answer_is_a_warning(tmp_path: Path) -> None:
    from soar.config import Settings
    from soar.config.settings import PersonSettings

    one = Settings(people={"ana": PersonSettings(roles=("analyst",))})
    (warning,) = load_rules(one, OWN).warnings
    assert warning.severity == "warning"
    assert "1 may answer" in warning.message
    assert load_rules(settings(tmp_path), OWN).warnings == ()


def test_what_is_in_force_says_where_it_comes_from(tmp_path: Path) -> None:
    text = "protected:\n  mine:\n    reason: ours\n    addresses:\n      - 203.0.113.10\n"
    entries = {entry.value: entry for _, entry in policy(tmp_path, text).rules.entries}
    assert entries["203.0.113.10"].reason == "ours"
    assert entries["203.0.113.10"].place.endswith("policy.yaml:5")
    assert entries["10.0.0.0/8"].place.startswith("the shipped policy")
