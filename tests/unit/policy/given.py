"""Policies from a few lines of YAML, and calls to hold against them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from soar.config import Settings
from soar.config.settings import PersonSettings
from soar.model.action import ActionSpec
from soar.model.policy import Judgement, Proposal
from soar.policy import OwnAddresses, Policy, load_rules

PEOPLE = {"ana": PersonSettings(roles=("analyst",)), "ben": PersonSettings(roles=("admin",))}
OWN = OwnAddresses((("192.0.2.53", "where this server listens"), ("gateway.example.com", "behind 'gateway'")))


def settings(tmp_path: Path, text: str | None = None, **more: Any) -> Settings:
    if text is None:
        return Settings(people=PEOPLE, **more)
    path = tmp_path / "policy.yaml"
    path.write_text(text)
    return Settings(people=PEOPLE, policy=path, **more)


def policy(tmp_path: Path, text: str | None = None) -> Policy:
    """The shipped policy with that text over it."""
    return Policy(load_rules(settings(tmp_path, text), OWN))


def spec(name: str = "gateway.block_ip", **changes: Any) -> ActionSpec:
    given: dict[str, Any] = {
        "name": name,
        "connector": "haproxy",
        "summary": name,
        "params": {"properties": {"ip": {"anyOf": [{"type": "string", "format": "ipv4"}]}}, "required": ["ip"]},
        "result": {},
        "changes": True,
        "idempotent": True,
        "verifies": True,
        "undo": "unblock_ip",
        "risk": "medium",
        "example": {},
    }
    return ActionSpec(**(given | changes))


def proposal(one: ActionSpec | None = None, alert: dict[str, Any] | None = None, **inputs: Any) -> Proposal:
    """One call of that action; its target is its first value."""
    one = one or spec()
    target = next((str(value) for value in inputs.values()), None) if one.undo else None
    told = {"severity": "high"} if alert is None else alert
    contains = one.undo is not None
    return Proposal(one.name, one, inputs, target, told, "stolen-token", "source:siem", 0, containing=contains)


def judged(
    found: Policy, one: ActionSpec | None = None, alert: dict[str, Any] | None = None, **inputs: Any
) -> Judgement:
    return found.judge(proposal(one, alert, **inputs))
