"""What expressions of a playbook name: whether it is there, and whether it can be seen from where they stand."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Final

from soar.expression import near
from soar.model.alert import ALERT_FIELDS
from soar.model.playbook import CallPlaybook, ForEach, Playbook, SetVariables, Step, UndoSteps
from soar.playbook.tree import Mark, Placed

Fault = tuple[str, str, int]
"""What is wrong with a path, what to do, and how many of its parts say so."""
_STEP_FIELDS: Final = ("status", "output", "error")
_ERROR_FIELDS: Final = ("step", "kind", "message", "handler")
_EXECUTION_FIELDS: Final = ("id", "playbook", "opened_at", "actor", "summary", "mode")
_LOOP_FIELDS: Final = ("index",)
_LIFTED: Final = ("lifted", "still_held")
_AT_OPENING: Final = ("alert", "inputs", "now")
"""The names that hold something when a concurrency key is rendered."""
_LOOPS: Final = ("for_each", "while")


class Names:
    """Everything that can be named in one playbook."""

    def __init__(
        self,
        playbook: Playbook,
        placed: Collection[Placed],
        named: frozenset[str],
        playbooks: Mapping[str, Playbook] | None,
    ) -> None:
        self._known: Mapping[str, Collection[str]] = {
            "alert": ALERT_FIELDS,
            "error": _ERROR_FIELDS,
            "execution": _EXECUTION_FIELDS,
            "loop": _LOOP_FIELDS,
            "inputs": [one.name for one in playbook.inputs],
            "steps": named,
            "vars": {name for one in placed for name in variables(one.step)},
        }
        self._playbooks = playbooks
        self.steps: dict[str, Placed] = {one.step.id: one for one in placed if one.step.id is not None}
        self._setters: dict[str, list[tuple[Mark, ...]]] = {}
        for one in placed:
            for name in variables(one.step):
                self._setters.setdefault(name, []).append(one.around)

    def fault(self, reference: tuple[str, ...], around: tuple[Mark, ...], *, handling: bool) -> Fault | None:
        """What is wrong with a path that is read from inside these marks."""
        head, *rest = reference
        if head == "error" and not handling:
            return "'error' is known in on_failure and finally only", "use steps.<id>.error", 1
        if head == "incident":
            return "'incident' holds nothing in this version", "read the values from the alert", 1
        kinds = {mark.kind for mark in around}
        if head == "item" and "for_each" not in kinds:
            return "'item' is known inside for_each only", "read steps.<loop>.items after it", 1
        if head == "loop" and not kinds.intersection(_LOOPS):
            return "'loop' is known inside for_each and while only", "remove it", 1
        return self._below(head, rest, around) if rest else None

    def settled_inside(self, reference: tuple[str, ...], around: tuple[Mark, ...]) -> bool:
        """Whether a path is known only once something under the same approval has run (S25)."""
        head, *rest = reference
        if head == "steps" and rest and rest[0] in self.steps:
            return common_guard(self.steps[rest[0]].around, around)
        setters = self._setters.get(rest[0], ()) if head == "vars" and rest else ()
        return any(common_guard(setter, around) for setter in setters)

    def _below(self, head: str, rest: list[str], around: tuple[Mark, ...]) -> Fault | None:
        name = rest[0]
        known = self._known.get(head)
        if known is not None and name not in known:
            said = _UNKNOWN.get(head, f"{head} has no field")
            return f"{said} {name!r}", near(name, known) or f"there are {', '.join(sorted(known)[:12]) or 'none'}", 2
        if head == "vars":
            return self._variable(name, around)
        return self._step(name, rest[1:], around) if head == "steps" else None

    def _variable(self, name: str, around: tuple[Mark, ...]) -> Fault | None:
        if all(beside(setter, around) for setter in self._setters.get(name, [()])):
            message = f"vars.{name} is set in another branch, and branches are blind to each other"
            return message, "read it after the parallel block, or set it before", 2
        return None

    def _step(self, name: str, rest: list[str], around: tuple[Mark, ...]) -> Fault | None:
        placed = self.steps.get(name)
        if placed is None:
            return None  # a broken step: that has been told
        if beside(placed.around, around):
            message = f"the step {name!r} stands in another branch, and branches are blind to each other"
            return message, "read it after the parallel block, or do it before", 2
        loop = left_loop(placed.around, around)
        if loop is not None:
            where = f"steps.{loop.id}.items" if loop.id else "steps.<id>.items, and give the loop an id"
            return f"the step {name!r} runs once for each item, inside a for_each", f"read {where}", 2
        return self._field(placed.step, rest) if rest else None

    def _field(self, step: Step, rest: list[str]) -> Fault | None:
        field, *below = rest
        fields = (*_STEP_FIELDS, "items") if isinstance(step.body, ForEach) else _STEP_FIELDS
        if field not in fields:
            return f"a step has no field {field!r}", _instead(step, field, fields), 3
        outputs = self._outputs(step) if field == "output" and below else None
        if outputs is not None and below[0] not in outputs:
            remedy = near(below[0], outputs) or f"it has {', '.join(sorted(outputs)) or 'none'}"
            if isinstance(step.body, CallPlaybook):
                return f"the playbook {step.body.playbook!r} has no output {below[0]!r}", remedy, 4
            return f"the output of {step.id!r} has no {below[0]!r}", remedy, 4
        return None

    def _outputs(self, step: Step) -> Collection[str] | None:
        """The names of a step's output, where they are known before it runs."""
        body = step.body
        if isinstance(body, UndoSteps):
            return _LIFTED
        if isinstance(body, CallPlaybook) and self._playbooks is not None:
            child = self._playbooks.get(body.playbook)
            return child.outputs.keys() if child is not None else None
        return None


_UNKNOWN: Final = {
    "steps": "no step has the id",
    "vars": "no step sets the variable",
    "inputs": "the playbook declares no input",
}


def opening_fault(reference: tuple[str, ...]) -> Fault | None:
    """What is wrong with a path of the concurrency key, which is rendered before anything has run (S18)."""
    head = reference[0]
    if head in _AT_OPENING or (head == "execution" and reference[1:2] != ("summary",)):
        return None
    message = f"{head!r} holds nothing yet: the key is rendered when an execution is opened"
    return message, f"read {', '.join(_AT_OPENING)}", 1


def variables(step: Step) -> Collection[str]:
    """The names that a step sets."""
    values = step.body.values.source if isinstance(step.body, SetVariables) else None
    return values.keys() if isinstance(values, Mapping) else ()


def beside(one: tuple[Mark, ...], other: tuple[Mark, ...]) -> bool:
    """Whether two places stand in two branches of one parallel block (S6)."""
    branches = {id(mark.step): mark for mark in one if mark.kind == "branch"}
    return any(mark.kind == "branch" and branches.get(id(mark.step), mark) is not mark for mark in other)


def left_loop(inside: tuple[Mark, ...], outside: tuple[Mark, ...]) -> Step | None:
    """The outermost for_each around one place that is not around the other (S5)."""
    own = set(map(id, outside))
    return next((mark.step for mark in inside if mark.kind == "for_each" and id(mark) not in own), None)


def common_guard(one: tuple[Mark, ...], other: tuple[Mark, ...]) -> bool:
    """Whether two places stand under one approval."""
    own = set(map(id, other))
    return any(mark.kind == "guard" and id(mark) in own for mark in one)


def _instead(step: Step, field: str, fields: Collection[str]) -> str:
    if field == "items":
        return "only a for_each has items"
    return near(field, fields) or f"what an action gave is steps.{step.id}.output.{field}"
