"""Approvals as steps meet them: asked, waited for, given, or not (S25-S29)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, Literal

from soar.engine.round import AskApproval, Error, Given, Shown, Withdraw
from soar.engine.shown import shown_inside
from soar.engine.walk import RESTING, Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.expression import compile_value
from soar.model.approval import ApprovalRule
from soar.model.playbook import Action, Step
from soar.model.playbook import AskApproval as AskStep

Answer = Given | Literal["open", "rejected"]


def guard(walk: Walk, step: Step, path: str, frame: Frame) -> Flow | Frame:
    """The step's own approval: where the step stands, or the frame of what runs under it."""
    rule = step.approval
    assert rule is not None
    if walk.history.execution.mode != "live":
        return _noted(walk, path, frame)
    if frame.cut is not None and not _was_given(walk, path):
        withdraw(walk, path, frame.cut)
        return walk.cut_short(step, path, frame.cut, frame)
    try:
        answer = ask(walk, path, rule, lambda: shown_inside(step, path, frame, walk.history), frame)
    except ExpressionFailed as failure:
        return walk.fail(step, path, "expression", str(failure), frame)
    if isinstance(answer, Given):
        return replace(frame, guards=(answer, *frame.guards))
    if answer == "rejected":
        return walk.end(step, path, "rejected", frame)
    if _entered(walk, path):
        return replace(frame, held=True)  # what is under way goes on; nothing new begins
    return RESTING


def alone(walk: Walk, step: Step, body: AskStep, path: str, inner: Frame, outer: Frame) -> Flow:  # noqa: ARG001
    """An approval as a step of its own: its guard has been given (S29)."""
    if inner.held:
        return RESTING
    return walk.end(step, path, "succeeded", outer)


def ask(
    walk: Walk, path: str, rule: ApprovalRule, items: Callable[[], tuple[Shown, ...]], frame: Frame, least: int = 1
) -> Answer:
    """Where the request at that path stands; made when there is none that still holds.

    Raises:
        ExpressionFailed: it cannot be put in words.
    """
    history = walk.history
    number = max(history.last(path, "approval"), least)
    while history.get(path, "voided", number) is not None:
        number += 1
    fact = history.get(path, "approval", number)
    settled = history.get(path, "settled", number)
    if fact is not None and settled is not None:
        if settled.data["state"] == "approved":
            return Given(path, number, fact.at, fact.data, rule)
        return "rejected"
    if fact is None:
        message = str(rule.message.render(walk.scope(frame)))
        walk.round.approvals.append(AskApproval(path, number, message, rule, items()))
    walk.round.awaits.add("approval")
    return "open"


def withdraw(walk: Walk, path: str, cut: Error) -> None:
    """Nobody needs to answer the request at that path any more."""
    number = walk.history.last(path, "approval")
    fact = walk.history.get(path, "approval", number)
    if fact is not None and walk.history.get(path, "settled", number) is None:
        walk.round.withdrawals.append(Withdraw(fact.data["id"], str(cut.get("message", ""))))


def inputs_shown(action: Action, given: tuple[Given, ...], path: str, frame: Frame, scope: Mapping[str, Any]) -> Any:
    """The values that go out: as they were shown where an approval showed them, else rendered now (S25).

    Raises:
        ExpressionFailed: a template gave an error.
    """
    for one in given:
        item = one.item(path)
        if item is not None:
            return _as_shown(action, one, item, frame, scope)
    return action.inputs.render(scope)


def _as_shown(action: Action, given: Given, item: Mapping[str, Any], frame: Frame, scope: Mapping[str, Any]) -> Any:
    values = dict(item["values"])
    source: Mapping[str, Any] = action.inputs.source
    if item.get("masked"):
        # What history may not keep is rendered again from the same settled facts and the same instant.
        then = frame.names.scope(now=given.at, error=frame.error)
        values = {name: compile_value(source[name]).render(then) for name in values}
    values |= {name: compile_value(source[name]).render(scope) for name in item["open"]}
    return {name: values[name] for name in source if name in values}


def _noted(walk: Walk, path: str, frame: Frame) -> Frame:
    """Dry run and shadow ask nobody: the approval is noted and taken as given (S36)."""
    if walk.history.get(path, "approval", 1) is None:
        walk.record(path, "approval", {"simulated": True}, 1)
    return frame


def _was_given(walk: Walk, path: str) -> bool:
    settled = walk.history.get(path, "settled", walk.history.last(path, "approval"))
    return settled is not None and settled.data["state"] == "approved"


def _entered(walk: Walk, path: str) -> bool:
    """Whether an earlier round was given and something under it may have begun."""
    return walk.history.last(path, "approval") > 1 or walk.history.last(path, "voided") > 0
