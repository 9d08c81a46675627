"""Steps made of steps: blocks, choices, and branches at once (S11)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from soar.engine.round import Error, Round
from soar.engine.walk import Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.model.playbook import Block, Choice, Parallel, Step, Switch

ELSEWHERE: Final = "the playbook ended elsewhere"
"""Why a branch or an item is cut when another one ends the execution (S13)."""


def block(walk: Walk, step: Step, body: Block, path: str, inner: Frame, outer: Frame) -> Flow:
    return walk.close(step, path, walk.steps(body.steps, path, inner), outer)


def choice(walk: Walk, step: Step, body: Choice, path: str, inner: Frame, outer: Frame) -> Flow:
    """`if`: one of two lists."""
    branch = _chosen(
        walk, step, path, lambda: "then" if body.condition.holds(walk.scope(inner)) else "else", inner, outer
    )
    if isinstance(branch, Flow):
        return branch
    steps = body.then if branch == "then" else body.otherwise
    return walk.close(step, path, walk.steps(steps, f"{path}/{branch}", inner), outer)


def switch(walk: Walk, step: Step, body: Switch, path: str, inner: Frame, outer: Frame) -> Flow:
    """`switch`: the first case that holds, else `else`."""

    def pick() -> str:
        scope = walk.scope(inner)
        for number, case in enumerate(body.cases, start=1):
            if case.when.holds(scope):
                return f"case{number}"
        return "else"

    branch = _chosen(walk, step, path, pick, inner, outer)
    if isinstance(branch, Flow):
        return branch
    steps = body.otherwise if branch == "else" else body.cases[int(branch.removeprefix("case")) - 1].steps
    return walk.close(step, path, walk.steps(steps, f"{path}/{branch}", inner), outer)


def _chosen(walk: Walk, step: Step, path: str, pick: Callable[[], str], inner: Frame, outer: Frame) -> str | Flow:
    """The list that was taken, decided once."""
    chosen = walk.history.get(path, "chosen")
    if chosen is None:
        unbegun = walk.unbegun(step, path, inner, outer)
        if unbegun is not None:
            return unbegun
        try:
            chosen = walk.record(path, "chosen", {"branch": pick()})
        except ExpressionFailed as failure:
            return walk.fail(step, path, "expression", str(failure), outer)
    branch: str = chosen.data["branch"]
    return branch


@dataclass(slots=True)
class Branch:
    """One branch as it stands in this walk."""

    frame: Frame
    flow: Flow
    part: Round


def parallel(walk: Walk, step: Step, body: Parallel, path: str, inner: Frame, outer: Frame) -> Flow:
    inner = already_cut(walk, path, inner)
    branches = [_walked(walk, branch, path, inner) for branch in body.branches]
    needed = {"all": len(branches), "any": 1}.get(str(body.join)) or int(body.join)
    ending = next((branch.flow.finish for branch in branches if branch.flow.finish is not None), None)
    reached = body.join != "all" and _succeeded(branches) >= needed
    if ending is not None or reached:
        why = ELSEWHERE if ending is not None else f"'{path}' has what it waits for"
        _cut_resting(walk, body, branches, path, inner, why)
    for branch in branches:
        walk.round.take(branch.part)
    if any(branch.flow.state == "resting" for branch in branches):
        return Flow("resting", finish=ending)
    for branch in branches:
        inner.names.merge(branch.frame.names)
    if ending is not None:
        return Flow("ended", finish=ending)
    return walk.close(step, path, _joined(body, branches, path, needed, inner), outer)


def cut_open(walk: Walk, path: str, why: str) -> Error:
    """Cut what is still open inside, for good: until the last of it is over, nothing in there may begin (S22)."""
    walk.record(path, "cut", {"message": why})
    return {"step": path, "kind": "cancelled", "message": why}


def already_cut(walk: Walk, path: str, inner: Frame) -> Frame:
    """The frame inside, cut where an earlier round did so: what ended then must not be handled now."""
    cut = walk.history.get(path, "cut")
    if cut is None or inner.cut is not None:
        return inner
    return replace(inner, cut={"step": path, "kind": "cancelled", "message": cut.data["message"]})


def _walked(walk: Walk, branch: Step, path: str, inner: Frame) -> Branch:
    forked = inner.fork()
    flow, part = walk.aside(lambda: walk.step(branch, path, forked))
    return Branch(forked, flow, part)


def _cut_resting(walk: Walk, body: Parallel, branches: list[Branch], path: str, inner: Frame, why: str) -> None:
    """Walk what is not over once more, cut: calls end, requests are withdrawn."""
    resting = [place for place, branch in enumerate(branches) if branch.flow.state == "resting"]
    if resting and inner.cut is None:
        cut = cut_open(walk, path, why)
        for place in resting:
            branch = branches[place]
            frame = replace(inner.fork(), cut=cut)
            step = body.branches[place]
            flow, part = walk.aside(partial(walk.step, step, path, frame))
            branch.part.keep_settled()
            branch.part.take(part)
            branch.frame, branch.flow = frame, flow


def _succeeded(branches: list[Branch]) -> int:
    return sum(branch.flow.state == "done" and branch.flow.status == "succeeded" for branch in branches)


def _joined(body: Parallel, branches: list[Branch], path: str, needed: int, inner: Frame) -> Flow:
    failed = [branch.flow.error for branch in branches if branch.flow.state == "failed"]
    if body.join == "all":
        return Flow("failed", failed[0]) if failed else Flow("done")
    if _succeeded(branches) >= needed:
        return Flow("done")
    if inner.cut is not None:
        return Flow("failed", inner.cut)
    first: Error = failed[0] if failed and failed[0] else {"step": path, "kind": "fail"}
    message = f"{_succeeded(branches)} of {len(branches)} branches succeeded, {needed} were needed"
    because = f": {first['message']}" if first.get("message") else ""
    return Flow("failed", {**first, "message": f"{message}{because}"})
