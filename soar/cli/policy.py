"""`soar policy`: what is in force, and what it would say to one call."""

from __future__ import annotations

import json as json_
from collections.abc import Iterator
from typing import Annotated, Any

import typer

from soar.approval import described
from soar.cli.failure import UsageFault
from soar.cli.output import emit, fields, heading, note, say
from soar.cli.shared import Config, Json
from soar.clock import SystemClock
from soar.config import load_settings
from soar.definitions import Definitions
from soar.model.policy import Judgement, Proposal
from soar.model.severity import RANKS
from soar.policy import Policy
from soar.policy.file import RISKS, PolicyFile
from soar.policy.load import approvers_of

group = typer.Typer(no_args_is_help=True, help="The guardrails below the playbooks.")


@group.command()
def show(config: Config = None, json: Json = False) -> None:
    """What is in force: the shipped policy with yours over it, and where each part stands."""
    policy = Definitions.read(load_settings(config)).policy
    if json:
        emit(_shown(policy))
        return
    fields([("digest", policy.digest)])
    heading("protected")
    for kind, entry in policy.rules.entries:
        say(f"  {kind} {entry.value}: {entry.group}, {entry.reason or 'no reason given'} ({entry.place})")
    for host, what in policy.rules.own.hosts:
        say(f"  {host}: own, {what}")
    say("  loopback, link-local, unspecified, multicast and broadcast addresses: always")
    for title, lines in _parts(policy.rules.file):
        heading(title)
        for key, line in lines:
            say(f"  {line} ({policy.rules.origins[key]})")


def _shown(policy: Policy) -> dict[str, Any]:
    rules = policy.rules
    return {
        "digest": policy.digest,
        "policy": rules.file.model_dump(mode="json", by_alias=True, exclude_none=True),
        "protected": [
            {"kind": kind, "value": one.value, "group": one.group, "reason": one.reason, "place": one.place}
            for kind, one in rules.entries
        ],
        "own": [{"host": host, "reason": what} for host, what in rules.own.hosts],
        "places": dict(rules.origins),
    }


Lines = list[tuple[str, str]]


def _parts(file: PolicyFile) -> Iterator[tuple[str, Lines]]:
    """Each part's title, and its lines, each with the dotted name of what it tells."""
    yield (
        "risk",
        [
            (f"risk.{risk}.{key}", f"{risk} {key}: {getattr(getattr(file.risk, risk), key)}")
            for risk in RISKS
            for key in ("reversible", "irreversible")
        ],
    )
    yield "actions, the first that says something wins", list(_rules(file))
    yield (
        "minimum",
        [
            (f"minimum.{name}", f"{name}: {_said(one, 'for_')} for {', '.join(one.for_)}")
            for name, one in file.minimum.items()
            if one is not None
        ],
    )
    yield "budgets", list(_budgets(file))
    asking = file.approval
    assert asking.approvers is not None, "the shipped file names approvers"
    yield (
        "approval",
        [
            ("approval.approvers", f"asked: {described(approvers_of(asking.approvers))}"),
            ("approval.timeout", f"no answer within {asking.timeout:g} s is a no"),
            ("approval.notify", f"told at: {', '.join(asking.notify or ()) or 'no channel'}"),
            ("approve_on_timeout", f"silence may be a yes to: {', '.join(file.approve_on_timeout or ()) or 'nothing'}"),
        ],
    )
    glass = file.break_glass
    yield (
        "break glass: approve at once and alone",
        [
            ("break_glass.roles", f"may: {', '.join(f'role {role}' for role in glass.roles or ()) or 'nobody'}"),
            ("break_glass.notify", f"told at: {', '.join(glass.notify or ()) or 'no channel'}"),
        ],
    )


def _rules(file: PolicyFile) -> Iterator[tuple[str, str]]:
    for at, rule in enumerate(file.actions):
        why = f"; {rule.reason}" if rule.reason else ""
        yield f"actions.{at}", f"{', '.join(rule.action)}: {_said(rule, 'action', 'reason')}{why}"


def _budgets(file: PolicyFile) -> Iterator[tuple[str, str]]:
    for name, budget in file.budgets.items():
        if budget is not None:
            counted = f"per {budget.per}" if budget.per != "all" else "in all"
            what = f"{budget.limit} in {budget.window:g} s {counted} for {', '.join(budget.for_)}"
            yield f"budgets.{name}", f"{name}: {what}; full: {budget.when_full}, until {budget.resumes_at} are left"


def _said(one: Any, *without: str) -> str:
    told = one.model_dump(mode="json", exclude_none=True, exclude=set(without))
    return ", ".join(f"{key}: {value}" for key, value in told.items())


@group.command()
def ask(
    action: Annotated[str, typer.Argument(help="An action as a playbook writes it: gateway.block_ip.")],
    values: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="One of its parameters; JSON, or text.")
    ] = None,
    severity: Annotated[str | None, typer.Option("--severity", help="The alert's.")] = None,
    confidence: Annotated[float | None, typer.Option("--confidence", help="The alert's, 0 to 100.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """What policy would say to one call; nothing is called. Exit 1 when it is forbidden."""
    if severity is not None and severity not in RANKS:
        raise UsageFault(f"there is no severity '{severity}'; write one of {', '.join(RANKS)}")
    alert = {"severity": severity, "confidence": confidence}
    found = Definitions.read(load_settings(config))
    judgement = _judge(found, action, dict(_pair(one) for one in values or []), alert)
    if json:
        emit(_told(judgement))
        return 1 if judgement.verdict == "forbidden" else 0
    say(judgement.verdict)
    for reason in judgement.reasons:
        say(f"  {reason}")
    if judgement.demand is not None:
        note(f"asked: {described(judgement.demand.approvers)}, for {judgement.demand.timeout:g} s")
    for claim in judgement.budgets:
        note(f"counts against the budget {claim.budget}: {claim.limit} in {claim.window:g} s")
    return 1 if judgement.verdict == "forbidden" else 0


def _told(judgement: Judgement) -> dict[str, Any]:
    demand = judgement.demand
    return {
        "verdict": judgement.verdict,
        "reasons": list(judgement.reasons),
        "asked": None if demand is None else described(demand.approvers),
        "budgets": [{"budget": one.budget, "limit": one.limit, "window": one.window} for one in judgement.budgets],
    }


def _judge(found: Definitions, action: str, given: dict[str, Any], alert: dict[str, Any]) -> Judgement:
    spec = found.connections.spec(action)
    prepared = found.connections.prepare(action, given)
    proposal = Proposal(
        name=action,
        spec=spec,
        inputs=given,
        target=prepared.target,
        alert=alert,
        playbook_id="",
        requester="",
        at=SystemClock().now(),
        containing=spec.undo is not None,
    )
    return found.policy.judge(proposal)


def _pair(text: str) -> tuple[str, Any]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise UsageFault(f"--with {text!r} names no value; write --with NAME=VALUE")
    try:
        return name, json_.loads(value)
    except json_.JSONDecodeError:
        return name, value
