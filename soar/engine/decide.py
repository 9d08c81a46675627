"""The interpreter: a playbook and a history in, everything that is ready now out.

Pure: no clock, database, network or randomness. It may compute a due time from
the history's own instants; whether one has come is told to it by a `due` fact
(S3). The same input gives the same output, in playbook order (S1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from soar.engine.actions import action
from soar.engine.branches import block, choice, parallel, switch
from soar.engine.guard import alone, guard
from soar.engine.history import FACTS_LIMIT, History
from soar.engine.loops import for_each, while_
from soar.engine.places import below
from soar.engine.retrace import retrace_step
from soar.engine.round import Error, Finish, Round
from soar.engine.scope import Names
from soar.engine.waiting import EVERYTHING, call_playbook, lifts, release, undo_steps, wait_event, wait_for, wait_until
from soar.engine.walk import Body, Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.model.execution import Fact
from soar.model.playbook import (
    Action,
    AskApproval,
    Block,
    CallPlaybook,
    Choice,
    Fail,
    ForEach,
    Parallel,
    Playbook,
    SetVariables,
    Step,
    Stop,
    Switch,
    UndoSteps,
    WaitEvent,
    WaitFor,
    WaitUntil,
    While,
)

UNDOING: Final = "@undo"
"""The path of what a cancel with undo lets go of; no step can have it."""


def decide(playbook: Playbook, history: History) -> Round:
    """Everything that can be said now: what to run, to wait for, to ask, or how it ends."""
    walk = Walk(playbook, history, BODIES, guard)
    walk.round.finish = _whole(walk)
    walk.round.facts = walk.facts
    return walk.round


# -- the whole execution (S10) ----------------------------------------------------------------


def _whole(walk: Walk) -> Finish | None:
    """Body, undo where a cancel asks for it, `on_failure`, `finally`, outputs; None while something is open."""
    history = walk.history
    frame = _limited(walk, Frame(Names(walk.playbook, history)))
    closing = history.get("", "phase", 1)
    if closing is None:
        ended = _body(walk, frame)
        if ended is None or not _undone(walk) or not _after_failure(walk, ended, frame):
            return None
        ended = _with_outputs(walk, ended, frame)
        if not walk.playbook.finally_ or not history.any_begun:
            return ended
        data = {"state": ended.state, "error": ended.error, "message": ended.message, "outputs": ended.outputs}
        closing = walk.record("", "phase", data, 1)
    else:
        _retrace(walk, frame)
    return _finally(walk, closing, frame)


def _limited(walk: Walk, frame: Frame) -> Frame:
    """The frame of the body: cut by a person, by the deadline, or by its own size."""
    history = walk.history
    cancel = history.get("", "cancel", 1)
    if cancel is not None:
        by = cancel.data.get("by", "somebody")
        because = f": {cancel.data['reason']}" if cancel.data.get("reason") else ""
        return replace(frame, cut={"step": "", "kind": "cancelled", "message": f"cancelled by {by}{because}"})
    if len(history) >= FACTS_LIMIT:
        message = f"its history has reached {FACTS_LIMIT:,} facts"
        return replace(frame, cut={"step": "", "kind": "limit", "message": message})
    started = history.get("", "entered")
    waited = 0 if started is None else started.at - history.execution.opened_at
    return walk.timed("", frame, history.execution.deadline_at + waited)


def _body(walk: Walk, frame: Frame) -> Finish | None:
    """What the steps came to; None while one is open. Once `on_failure` has begun, they are over."""
    phase = walk.history.get("", "phase")
    if phase is None:
        flow = walk.steps(walk.playbook.steps, "", frame)
        return None if flow.state == "resting" else _ended(walk, flow)
    for step in walk.playbook.steps:
        retrace_step(walk.history, step, below("", step), frame.names)
    return _ended(walk, Flow("ended", finish=Finish("failed", phase.data["error"], phase.data.get("message"))))


def _ended(walk: Walk, flow: Flow) -> Finish:
    """What the body came to; a cancel that was on record before its end is how it ended."""
    cancel = walk.history.get("", "cancel", 1)
    if cancel is not None:
        message = f"cancelled by {cancel.data.get('by', 'somebody')}"
        return Finish("cancelled", {"step": "", "kind": "cancelled", "message": message}, cancel.data.get("reason"))
    if flow.state == "ended":
        assert flow.finish is not None
        return flow.finish
    if flow.state == "done":
        return Finish("succeeded")
    error = flow.error or {}
    return Finish("failed", error, error["message"] if error.get("kind") == "fail" else None)


def _undone(walk: Walk) -> bool:
    """Whether a cancel with undo has let go of everything, and the lifts are over."""
    cancel = walk.history.get("", "cancel", 1)
    if cancel is None or not cancel.data.get("undo") or walk.history.execution.mode != "live":
        return True
    release(walk, UNDOING, EVERYTHING)
    return lifts(walk, UNDOING) is not None or walk.history.get("", "cancel", 2) is not None


def _after_failure(walk: Walk, ended: Finish, frame: Frame) -> bool:
    """The playbook's own `on_failure`; True when it is over, or has nothing to do."""
    steps = walk.playbook.on_failure
    cancelled = walk.history.get("", "cancel", 1) is not None
    phase = walk.history.get("", "phase")
    if not steps or (phase is None and (ended.state != "failed" or cancelled)):
        return True
    if phase is None:
        phase = walk.record("", "phase", {"error": dict(ended.error or {}), "message": ended.message})
    cut = frame.cut if cancelled else None
    return _each_tried(walk, steps, "on_failure", phase, replace(frame, cut=cut, due=None), phase.data["error"])


def _finally(walk: Walk, closing: Fact, frame: Frame) -> Finish | None:
    """`finally`: always, on cancel too; a second cancel cuts it. Failing, it turns succeeded into failed."""
    data = closing.data
    again = walk.history.get("", "cancel", 2)
    cut = None
    if again is not None:
        cut = {"step": "", "kind": "cancelled", "message": f"cancelled again by {again.data.get('by', 'somebody')}"}
    failed: list[Error] = []
    free = replace(frame, cut=cut, due=None)
    if not _each_tried(walk, walk.playbook.finally_, "finally", closing, free, data["error"], failed):
        return None
    ended = Finish(data["state"], data["error"], data["message"], data["outputs"])
    if failed and ended.state == "succeeded":
        return Finish("failed", failed[0])
    return ended


def _each_tried(
    walk: Walk,
    steps: tuple[Step, ...],
    base: str,
    phase: Fact,
    frame: Frame,
    error: Error | None,
    failed: list[Error] | None = None,
) -> bool:
    """Every step, whatever became of the one before, within their own limit; True when all are over."""
    frame = replace(frame, error=error)
    frame = walk.timed(base, frame, phase.at + walk.history.on_failure_limit)
    for step in steps:
        flow = walk.step(step, base, frame)
        if flow.state == "resting":
            return False
        if flow.state == "failed" and failed is not None:
            failed.append(flow.error or {})
    return True


def _with_outputs(walk: Walk, ended: Finish, frame: Frame) -> Finish:
    if ended.state != "succeeded" or not walk.playbook.outputs:
        return ended
    try:
        scope = walk.scope(frame)
        outputs = {name: value.render(scope) for name, value in walk.playbook.outputs.items()}
    except ExpressionFailed as failure:
        return Finish("failed", {"step": "", "kind": "expression", "message": f"outputs: {failure}"})
    return replace(ended, outputs=outputs)


def _retrace(walk: Walk, frame: Frame) -> None:
    """What the body and `on_failure` came to, for `finally` to read."""
    for base, steps in (("", walk.playbook.steps), ("on_failure", walk.playbook.on_failure)):
        for step in steps:
            retrace_step(walk.history, step, below(base, step), frame.names)


# -- the plainest kinds of step ---------------------------------------------------------------


def set_variables(walk: Walk, step: Step, body: SetVariables, path: str, inner: Frame, outer: Frame) -> Flow:
    """Values for later steps."""
    unbegun = walk.unbegun(step, path, inner, outer)
    if unbegun is not None:
        return unbegun
    try:
        values: Mapping[str, Any] = body.values.render(walk.scope(inner))
    except ExpressionFailed as failure:
        return walk.fail(step, path, "expression", str(failure), outer)
    return walk.end(step, path, "succeeded", outer, output=values)


def stop(walk: Walk, step: Step, body: Stop | Fail, path: str, inner: Frame, outer: Frame) -> Flow:
    """The execution ends here, from any depth (S13)."""
    unbegun = walk.unbegun(step, path, inner, outer)
    if unbegun is not None:
        return unbegun
    try:
        message = str(body.message.render(walk.scope(inner)))
    except ExpressionFailed as failure:
        return walk.fail(step, path, "expression", str(failure), outer)
    if isinstance(body, Stop):
        return walk.end(step, path, "succeeded", outer, output={"message": message})
    return walk.end(step, path, "failed", outer, error={"step": path, "kind": "fail", "message": message})


BODIES: Final[Mapping[type, Body]] = {
    Action: action,
    SetVariables: set_variables,
    Block: block,
    Choice: choice,
    Switch: switch,
    Parallel: parallel,
    ForEach: for_each,
    While: while_,
    WaitFor: wait_for,
    WaitUntil: wait_until,
    WaitEvent: wait_event,
    CallPlaybook: call_playbook,
    UndoSteps: undo_steps,
    AskApproval: alone,
    Stop: stop,
    Fail: stop,
}
