"""Steps that wait: for a time, an event, a sub-playbook, or the lifts of what they undo (S14, S15, S34)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from soar.clock import Millis
from soar.engine.places import patterns, within_turn
from soar.engine.round import Listen, Open, Undo, Wait
from soar.engine.walk import RESTING, Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.expression import describe
from soar.model.execution import Fact
from soar.model.playbook import CallPlaybook, Step, UndoSteps, WaitEvent, WaitFor, WaitUntil

EVERYTHING = ("*",)
"""What `undo` of a whole execution lets go of."""


def wait_for(walk: Walk, step: Step, body: WaitFor, path: str, inner: Frame, outer: Frame) -> Flow:
    """A time that passes, counted from the start of the step."""
    return _until(walk, step, path, lambda: walk.history.now + round(body.seconds * 1000), inner, outer)


def wait_until(walk: Walk, step: Step, body: WaitUntil, path: str, inner: Frame, outer: Frame) -> Flow:
    """An instant, evaluated once; the past passes at once."""
    return _until(walk, step, path, lambda: _instant(body.moment.evaluate(walk.scope(inner)), body), inner, outer)


def _instant(value: Any, body: WaitUntil) -> Millis:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise ExpressionFailed(f"until: {body.moment.source!r} gives {value!r}, which is no time") from None
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise ExpressionFailed(f"until: {body.moment.source!r} gives {describe(value)}, which is no time with its zone")
    return round(value.timestamp() * 1000)


def _until(walk: Walk, step: Step, path: str, due: Any, inner: Frame, outer: Frame) -> Flow:
    chosen = walk.history.get(path, "chosen")
    if chosen is None:
        unbegun = walk.unbegun(step, path, inner, outer)
        if unbegun is not None:
            return unbegun
        try:
            chosen = walk.record(path, "chosen", {"until": due()})
        except ExpressionFailed as failure:
            return walk.fail(step, path, "expression", str(failure), outer)
    until: Millis = chosen.data["until"]
    simulated = walk.history.execution.mode == "dry_run"
    if simulated or until <= chosen.at or walk.history.get(path, "due", 1) is not None:
        output = {"until": until, "simulated": True} if simulated else {"until": until}
        return walk.end(step, path, "succeeded", outer, output=output)
    if inner.cut is not None:
        return walk.cut_short(step, path, inner.cut, outer)
    walk.round.waits.append(Wait(path, 1, until))
    return RESTING


def wait_event(walk: Walk, step: Step, body: WaitEvent, path: str, inner: Frame, outer: Frame) -> Flow:
    """The oldest event of that name stored since the execution opened that it has not used."""
    chosen = walk.history.get(path, "chosen")
    if chosen is None:
        unbegun = walk.unbegun(step, path, inner, outer)
        if unbegun is not None:
            return unbegun
        try:
            match = {} if body.match is None else body.match.render(walk.scope(inner))
        except ExpressionFailed as failure:
            return walk.fail(step, path, "expression", str(failure), outer)
        chosen = walk.record(path, "chosen", {"match": match})
    event = walk.history.get(path, "event")
    if event is not None:
        return walk.end(step, path, "succeeded", outer, output=dict(event.data))
    if walk.history.execution.mode == "dry_run":
        return walk.end(step, path, "succeeded", outer, output={"simulated": True})
    if inner.cut is not None:
        return walk.cut_short(step, path, inner.cut, outer)
    if walk.history.get(path, "due", 1) is not None:
        return walk.fail(step, path, "timeout", f"no event {body.event!r} came in time", outer)
    if body.timeout is not None:
        walk.round.waits.append(Wait(path, 1, chosen.at + round(body.timeout * 1000)))
    walk.round.listens.append(Listen(path, body.event, chosen.data["match"]))
    walk.round.awaits.add("event")
    return RESTING


def call_playbook(walk: Walk, step: Step, body: CallPlaybook, path: str, inner: Frame, outer: Frame) -> Flow:
    """A sub-playbook: opened once, waited for, and cancelled with its caller (S15)."""
    ended = walk.history.get(path, "child")
    if ended is not None:
        return _child_ended(walk, step, body, path, ended, inner, outer)
    opened = walk.history.get(path, "opened")
    if opened is not None:
        if inner.cut is not None:
            walk.round.cancels.append(opened.data["execution"])
        walk.round.awaits.add("child")
        return RESTING
    unbegun = walk.unbegun(step, path, inner, outer)
    if unbegun is not None:
        return unbegun
    try:
        inputs = body.inputs.render(walk.scope(inner))
    except ExpressionFailed as failure:
        return walk.fail(step, path, "expression", str(failure), outer)
    walk.round.opens.append(Open(path, body.playbook, inputs, inner.due))
    walk.round.awaits.add("child")
    return RESTING


def _child_ended(
    walk: Walk, step: Step, body: CallPlaybook, path: str, ended: Fact, inner: Frame, outer: Frame
) -> Flow:
    data = ended.data
    if data["state"] == "succeeded":
        return walk.end(step, path, "succeeded", outer, output=data.get("outputs") or {})
    if inner.cut is not None:
        return walk.cut_short(step, path, inner.cut, outer)
    why = (data.get("error") or {}).get("message", "")
    message = f"the sub-playbook {body.playbook!r} {data['state']}{': ' if why else ''}{why}"
    return walk.fail(step, path, "child", message, outer, execution=data.get("execution"))


def undo_steps(walk: Walk, step: Step, body: UndoSteps, path: str, inner: Frame, outer: Frame) -> Flow:
    """Lift what these steps contained, and wait for it."""
    if walk.history.get(path, "releasing") is None:
        unbegun = walk.unbegun(step, path, inner, outer)
        if unbegun is not None:
            return unbegun
        if walk.history.execution.mode != "live":
            return walk.end(step, path, "succeeded", outer, output={"lifted": 0, "still_held": 0, "simulated": True})
        places = patterns(walk.playbook)
        release(walk, path, tuple(within_turn(places[name], path) for name in body.steps if name in places))
    came = lifts(walk, path)
    if came is not None:
        return _lifted(walk, step, path, came, outer)
    if inner.cut is not None:
        return walk.cut_short(step, path, inner.cut, outer)  # the lifts go on by themselves
    return RESTING


def _lifted(walk: Walk, step: Step, path: str, came: Mapping[str, Any], outer: Frame) -> Flow:
    if came["stuck"]:
        message = (
            f"{came['stuck']} of {came['stuck'] + came['lifted']} lifts did not succeed; a person must look at them"
        )
        return walk.fail(step, path, "unavailable", message, outer)
    return walk.end(step, path, "succeeded", outer, output={name: came[name] for name in ("lifted", "still_held")})


def release(walk: Walk, path: str, let_go: tuple[str, ...]) -> None:
    """Let go of the holds at those places, once."""
    if walk.history.get(path, "releasing") is None:
        walk.record(path, "releasing", {"patterns": list(let_go)})
        walk.round.undos.append(Undo(path, let_go))


def lifts(walk: Walk, path: str) -> Mapping[str, Any] | None:
    """What the lifts of a release came to; None while one is under way."""
    released = walk.history.get(path, "released")
    if released is None:
        walk.round.awaits.add("child")
        return None
    ended = [walk.history.get(path, "lifted", number) for number in range(1, len(released.data["lifts"]) + 1)]
    if any(one is None for one in ended):
        walk.round.awaits.add("child")
        return None
    lifted = sum(one is not None and one.data["result"] == "lifted" for one in ended)
    return {"lifted": lifted, "stuck": len(ended) - lifted, "still_held": released.data["still_held"]}
