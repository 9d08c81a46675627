"""`soar policy` at a terminal, and what `soar check` says of a policy that does not hold."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.cli.test_commands import Soar, soar

__all__ = ["soar"]

CONFIG = """\
listen: 192.0.2.53:8080
people: {ana: {roles: [analyst]}, ben: {roles: [admin]}}
connections: {gateway: {connector: caddy, settings: {base_url: "http://gateway.example.com"}}}
egress: {allow: [gateway.example.com]}
"""
POLICY = """\
protected:
  partners: {reason: contract 17, addresses: [198.51.100.0/24]}
actions:
  - {action: gateway.quarantine_client, verdict: two}
"""


@pytest.fixture(autouse=True)
def installed(tmp_path: Path) -> None:
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "policy.yaml").write_text(POLICY)
    (tmp_path / "soar.yaml").write_text(CONFIG + "policy: policy.yaml\n")


def test_show_tells_what_is_in_force_and_where_it_stands(soar: Soar) -> None:
    code, out, _ = soar("policy", "show")
    assert code == 0
    for line in (
        "address 198.51.100.0/24: partners, contract 17 (policy.yaml:2)",
        "192.0.2.53: own, where this server listens",
        "gateway.example.com: own, the system behind connection 'gateway'",
        "high irreversible: approval (the shipped policy:",
        "gateway.quarantine_client: verdict: two (policy.yaml:4)",
        "silence may be a yes to: nothing (the shipped policy:",
    ):
        assert line in out, out


def test_show_as_json_has_every_part_with_its_place(soar: Soar) -> None:
    shown = json.loads(soar("policy", "show", "--json")[1])
    assert len(shown["digest"]) == 64
    assert shown["policy"]["actions"][0] == {"action": ["gateway.quarantine_client"], "reason": "", "verdict": "two"}
    assert shown["places"]["actions.0"] == "policy.yaml:4"
    assert shown["places"]["budgets.containments"].startswith("the shipped policy:")
    assert {"host": "192.0.2.53", "reason": "where this server listens"} in shown["own"]
    assert shown["protected"][0]["place"] == "policy.yaml:2"


def test_ask_tells_what_would_be_said_to_one_call(soar: Soar) -> None:
    assert soar("policy", "ask", "gateway.block_ip", "--with", "ip=203.0.113.9")[:2] == (0, "allowed\n")
    code, out, _ = soar("policy", "ask", "gateway.block_ip", "--with", "ip=198.51.0.0/16")
    assert code == 1
    assert "forbidden" in out
    assert "'partners' (contract 17), policy.yaml:2" in out
    code, out, _ = soar("policy", "ask", "gateway.quarantine_client", "--with", "client_id=c-7", "--json")
    said = json.loads(out)
    assert (code, said["verdict"]) == (0, "two")
    assert [one["budget"] for one in said["budgets"]] == ["containments/gateway", "quarantines/gateway"]
    asked = ("policy", "ask", "gateway.block_ip", "--with", "ip=203.0.113.9", "--severity", "high")
    assert "confidence is 5, below 30" in soar(*asked, "--confidence", "5")[1]


@pytest.mark.parametrize(
    ("arguments", "code", "says"),
    [
        (("gateway.blok_ip",), 1, "blok_ip"),
        (("gateway.block_ip", "--with", "ip"), 2, "write --with NAME=VALUE"),
        (("gateway.block_ip", "--with", "ip=203.0.113.9", "--severity", "grim"), 2, "write one of unknown"),
        (("gateway.block_ip", "--with", "ip=-"), 1, "ip"),
        (("gateway.block_ip",), 1, "ip"),
    ],
)
def test_ask_says_what_is_wrong_with_the_question(soar: Soar, arguments: tuple[str, ...], code: int, says: str) -> None:
    ended, _, err = soar("policy", "ask", *arguments)
    assert (ended, says in err) == (code, True), err
    assert "Traceback" not in err


def test_check_tells_every_fault_of_a_policy_with_its_place(soar: Soar, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text(POLICY + "budgets: {a: {for: everything, limit: 1}}\nrisk: {hgh: {}}\n")
    code, out, err = soar("check")
    assert code == 1
    for line in (
        "policy.yaml:5:20: error: budgets.a.for.0: 'everything' is no class of actions",
        "policy.yaml:5:14: error: 'budgets.a.window' is missing",
        "policy.yaml:6:8: error: 'risk' has no key 'hgh'",
    ):
        assert line in out + err, out + err


def test_check_warns_of_a_pattern_that_guards_nothing(soar: Soar, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("actions: [{action: gateway.blok_ip, verdict: forbidden}]\n")
    code, out, err = soar("check")
    assert code == 0
    assert "policy.yaml:1:20" in out + err
    assert "did you mean 'gateway.block_ip'?" in out + err


def test_a_broken_policy_stops_the_server_before_it_starts(soar: Soar, tmp_path: Path) -> None:
    (tmp_path / "policy.yaml").write_text("protectd: {}\n")
    code, _, err = soar("serve")
    assert code == 2
    assert "policy.yaml:1:1" in err
    assert "did you mean 'protected'?" in err


BLOCK = """\
id: contain
trigger: {match: {any: {severity|exists: true}}}
steps:
  - {id: block, action: gateway.block_ip, with: {ip: "{{ alert.src_ip }}"}, undo: {after: 1h}}
"""
ALERT = {"severity": "high", "src_ip": "198.51.100.7"}


@pytest.fixture
def alert(tmp_path: Path) -> str:
    (tmp_path / "playbooks" / "contain.yaml").write_text(BLOCK)
    path = tmp_path / "alert.json"
    path.write_text(json.dumps(ALERT))
    return str(path)


def test_i02_it_is_in_force_when_a_playbook_is_run_by_hand(soar: Soar, alert: str) -> None:
    code, out, err = soar("run", "contain", "--alert", alert)
    assert code == 1
    assert "'partners' (contract 17), policy.yaml:2" in out + err


def test_s36_a_dry_run_shows_what_it_would_say(soar: Soar, alert: str) -> None:
    code, out, err = soar("run", "contain", "--alert", alert, "--dry-run", "--json")
    assert code == 0, out + err
    (attempt,) = json.loads(out)["steps"][0]["attempts"]
    assert attempt["simulated"] is True
    assert attempt["guardrail"]["verdict"] == "forbidden"
    assert "'partners'" in attempt["guardrail"]["reasons"][0]
    assert (
        "policy would say: forbidden; 'ip' '198.51.100.7' touches"
        in soar("run", "contain", "--alert", alert, "--dry-run")[1]
    )


def test_i02_it_is_in_force_when_playbooks_are_tested(soar: Soar, tmp_path: Path, alert: str) -> None:
    suite = tmp_path / "playbooks" / "contain.test.yaml"
    suite.write_text(
        f"playbook: contain\ntests:\n  - {{name: a partner, alert: {json.dumps(ALERT)}, expect: {{status: failed}}}}\n"
    )
    code, out, err = soar("test")
    assert (code, "1 passed, 0 failed" in out) == (0, True), out + err
    suite.write_text(suite.read_text().replace("failed}", "succeeded}"))
    code, out, err = soar("test")
    assert code == 1
    assert "guardrail" in out + err or "partners" in out + err
