"""What ended steps came to, made readable again for the steps after them, without deciding anything anew."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soar.engine.history import History
from soar.engine.places import below, inside, lists
from soar.engine.scope import SKIPPED, Names
from soar.model.playbook import ForEach, SetVariables, Step, While

Error = Mapping[str, Any]


def show(history: History, step: Step, path: str, data: Mapping[str, Any], names: Names) -> None:
    """Make what an ended step came to readable by the ones after it."""
    status, error, output = data["status"], data.get("error"), data.get("output") or {}
    result: dict[str, Any] = {"status": status, "output": {} if error else output, "error": error}
    if isinstance(step.body, ForEach):
        result["items"] = items(history, step, step.body, path, names)
    names.settle(path, step.id, result)
    if isinstance(step.body, SetVariables) and status == "succeeded":
        names.set(output)
    if status in ("skipped", "rejected"):
        for inner in inside(step):
            names.settle(f"{path}/{inner.segment}", inner.id, SKIPPED)


def retrace(history: History, step: Step, path: str, names: Names) -> None:
    """The steps inside an ended one."""
    body = step.body
    if isinstance(body, ForEach):
        _retrace_items(history, body, path, names)
    elif isinstance(body, While):
        for turn in range(1, history.last(path, "turn") + 1):
            names.forget(frozenset(inner.id for inner in inside(step) if inner.id is not None))
            for inner in body.steps:
                retrace_step(history, inner, below(f"{path}#{turn}", inner), names)
    for steps, base in lists(step, path):
        if "*" not in base.rpartition("/")[2]:
            for inner in steps:
                retrace_step(history, inner, below(base, inner), names)


def _retrace_items(history: History, body: ForEach, path: str, names: Names) -> None:
    """Variables come out of a loop in item order; its steps are read as `steps.<loop>.items` only."""
    if not any(isinstance(inner.body, SetVariables) for listed in body.steps for inner in (listed, *inside(listed))):
        return
    begun = history.get(path, "items")
    for place in range(len(begun.data["items"]) if begun is not None else 0):
        names.merge(item_names(history, body, f"{path}[{place}]", names), steps=False)


def retrace_step(history: History, step: Step, path: str, names: Names) -> None:
    """One step and those inside it, as far as they have begun."""
    if not history.begun(path):
        return
    retrace(history, step, path, names)
    ended = history.get(path, "ended")
    number = history.tries(path)
    outcome = history.get(path, "outcome", number) if number else None
    if ended is not None:
        show(history, step, path, ended.data, names)
    elif outcome is not None and outcome.data["result"] == "done":
        output = outcome.data.get("output") or {}
        names.settle(path, step.id, {"status": "succeeded", "output": output, "error": None})


def item_names(history: History, body: ForEach, base: str, names: Names) -> Names:
    """What one item that is over has set and settled."""
    forked = names.fork()
    for inner in body.steps:
        retrace_step(history, inner, below(base, inner), forked)
    return forked


def items(history: History, step: Step, body: ForEach, path: str, names: Names) -> list[Mapping[str, Any]]:
    """`steps.<loop>.items`: what each item that was begun came to, in order."""
    place = f"{path} items"
    found: list[Mapping[str, Any]] | None = history.memo.get(place)
    if found is None:
        begun = history.get(path, "items")
        given = begun.data["items"] if begun is not None and step.id is not None else []
        found = []
        for number, item in enumerate(given):
            ended = history.get(f"{path}[{number}]", "ended")
            if ended is not None:
                settled = item_names(history, body, f"{path}[{number}]", names).settled
                error = ended.data.get("error")
                status = ended.data["status"]
                found.append({"item": item, "status": status, "error": error, "steps": dict(settled)})
        history.memo[place] = found
    return found


def fallen(error: Error | None) -> str:
    """The status of a step that ended with that error: cut by somebody else, or failed by itself."""
    return "cancelled" if error is not None and error.get("kind") == "cancelled" else "failed"
