"""`soar policy`: what is in force, and what it would say to one call."""

from __future__ import annotations

import json as json_
from typing import Annotated, Any

import typer

from soar.approval import described
from soar.cli.failure import UsageFault
from soar.cli.output import emit, fields, heading, note, say
from soar.cli.shared import Config, Json
from soar.clock import SystemClock
from soar.config import load_settings
from soar.model.policy import Judgement, Proposal
from soar.policy.file import PolicyFile
from soar.policy.load import approvers_of
from soar.runtime import Definitions

group = typer.Typer(no_args_is_help=True, help="The guardrails below the playbooks.")


@group.command()
def show(config: Config = None, json: Json = False) -> None:
    """What is in force: the shipped policy with yours over it."""
    policy = Definitions.read(load_settings(config)).policy
    file = policy.rules.file
    if json:
        emit({"digest": policy.digest, "policy": file.model_dump(mode="json", by_alias=True, exclude_none=True)})
        return
    fields([("digest", policy.digest)])
    heading("protected")
    for kind, entry in policy.rules.entries:
        say(f"  {kind} {entry.value}: {entry.group}, {entry.reason or 'no reason given'} ({entry.place})")
    for host, what in policy.rules.own.hosts:
        say(f"  {host}: own, {what}")
    heading("who answers")
    approvers = file.approval.approvers
    say(f"  {described(approvers_of(approvers)) if approvers else 'nobody'}")
    _rules(file)


def _rules(file: PolicyFile) -> None:
    heading("risk")
    for risk in ("low", "medium", "high"):
        row = getattr(file.risk, risk)
        say(f"  {risk:<8} with a way back: {row.reversible}; without: {row.irreversible}")
    heading("rules for actions")
    for rule in file.actions:
        told = rule.model_dump(mode="json", exclude_none=True, exclude={"action", "reason"})
        said = ", ".join(f"{key}: {value}" for key, value in told.items())
        say(f"  {', '.join(rule.action)}: {said}{f' ({rule.reason})' if rule.reason else ''}")
    heading("budgets")
    for name, budget in file.budgets.items():
        if budget is not None:
            counted = f"per {budget.per}" if budget.per != "all" else "in all"
            say(f"  {name}: {budget.limit} in {budget.window:g} s {counted}, then {budget.when_full}")


@group.command()
def ask(
    action: Annotated[str, typer.Argument(help="An action as a playbook writes it: gateway.block_ip.")],
    values: Annotated[
        list[str] | None, typer.Option("--with", metavar="NAME=VALUE", help="One of its parameters; JSON, or text.")
    ] = None,
    severity: Annotated[str | None, typer.Option("--severity", help="The alert's.")] = None,
    config: Config = None,
    json: Json = False,
) -> int:
    """What policy would say to one call; nothing is called. Exit 1 when it is forbidden."""
    given = dict(_pair(one) for one in values or [])
    judgement = _judge(Definitions.read(load_settings(config)), action, given, severity)
    if json:
        emit({"verdict": judgement.verdict, "reasons": list(judgement.reasons)})
    else:
        say(judgement.verdict)
        for reason in judgement.reasons:
            say(f"  {reason}")
        for claim in judgement.budgets:
            note(f"counts against the budget {claim.budget}: {claim.limit} in {claim.window:g} s")
    return 1 if judgement.verdict == "forbidden" else 0


def _judge(found: Definitions, action: str, given: dict[str, Any], severity: str | None) -> Judgement:
    spec = found.connections.spec(action)
    prepared = found.connections.prepare(action, given)
    proposal = Proposal(
        name=action,
        spec=spec,
        inputs=given,
        target=prepared.target,
        alert={} if severity is None else {"severity": severity},
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
