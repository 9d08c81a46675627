"""What a playbook says of the world around it: connections, actions, parameters, steps, variables."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final

from soar.errors import Location, Problem
from soar.expression import near
from soar.model.action import ActionSpec
from soar.model.alert import ALERT_FIELDS
from soar.model.playbook import Action, Block, Choice, Playbook, SetVariables, Step, Stop
from soar.model.playbook import Fail as FailStep

_STEP_FIELDS: Final = ("status", "output", "error")
_ERROR_FIELDS: Final = ("step", "kind", "message", "handler")
_EXECUTION_FIELDS: Final = ("id", "playbook", "opened_at", "actor", "summary")
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}


def check_playbook(
    playbook: Playbook,
    specs: Mapping[str, ActionSpec],
    sources: Collection[str] = (),
    *,
    named: Mapping[str, Location] | None = None,
) -> list[Problem]:
    """Everything that can be told before it runs.

    `named` are the ids of all its steps, those of broken steps too.
    """
    checker = _Checker(playbook, specs, frozenset(named or playbook.step_ids))
    checker.sources(sources)
    checker.steps(playbook.steps, handling=False)
    checker.last_steps(playbook.on_failure)
    return checker.problems


class _Checker:
    def __init__(self, playbook: Playbook, specs: Mapping[str, ActionSpec], named: frozenset[str]) -> None:
        self.playbook = playbook
        self.specs = specs
        self.named = named
        self.problems: list[Problem] = []
        self.variables = {name for step in _all(playbook) if isinstance(step.body, SetVariables) for name in _set(step)}

    def note(self, location: Location, message: str, remedy: str, *, warning: bool = False) -> None:
        self.problems.append(Problem(location, message, remedy, severity="warning" if warning else "error"))

    def sources(self, known: Collection[str]) -> None:
        for name in sorted(self.playbook.trigger.sources - set(known)):
            remedy = near(name, known) or "add it to soar.yaml, or remove it here"
            self.note(
                self.playbook.location,
                f"the trigger listens to the source {name!r}, which is not configured",
                remedy,
                warning=True,
            )

    def last_steps(self, steps: tuple[Step, ...]) -> None:
        """The playbook's own `on_failure`: it has failed already, there is nothing to stop (S10)."""
        for step in _flat(steps):
            if isinstance(step.body, Stop | FailStep):
                self.note(
                    step.location, "the playbook's on_failure cannot stop or fail: it has failed", "remove the step"
                )
        self.steps(steps, handling=True)

    def steps(self, steps: tuple[Step, ...], *, handling: bool) -> None:
        for step in steps:
            self.step(step, handling=handling)

    def step(self, step: Step, *, handling: bool) -> None:
        if step.when is not None:
            self.references(step, step.when, "when", handling)
        body = step.body
        match body:
            case Action():
                self.action(step, body, handling)
            case SetVariables():
                self.references(step, body.values, "set", handling)
            case Stop() | FailStep():
                self.references(step, body.message, "message", handling)
            case Choice():
                self.references(step, body.condition, "if", handling)
                self.steps(body.then, handling=handling)
                self.steps(body.otherwise, handling=handling)
            case Block():
                self.steps(body.steps, handling=handling)
        if isinstance(step.on_failure, tuple):
            self.steps(step.on_failure, handling=True)

    def action(self, step: Step, action: Action, handling: bool) -> None:
        spec = self.specs.get(action.name)
        if spec is None:
            self._unknown_action(step, action)
        else:
            self._parameters(step, action, spec)
            if action.undo is not None and spec.undo is None:
                message = f"{action.name} contains nothing that could be undone"
                self.note(step.location, message, "remove 'undo', or use an action that has a way back")
        self.references(step, action.inputs, "with", handling)

    def _unknown_action(self, step: Step, action: Action) -> None:
        connections = {name.partition(".")[0] for name in self.specs}
        if action.connection not in connections:
            remedy = near(action.connection, connections) or (
                f"the connections of soar.yaml are {', '.join(sorted(connections)) or 'none'}; add it there"
            )
            self.note(step.location, f"there is no connection {action.connection!r}", remedy)
            return
        offered = [name.partition(".")[2] for name in self.specs if name.startswith(f"{action.connection}.")]
        remedy = near(action.action, offered) or f"it has {', '.join(sorted(offered))}"
        self.note(step.location, f"the connection {action.connection!r} has no action {action.action!r}", remedy)

    def _parameters(self, step: Step, action: Action, spec: ActionSpec) -> None:
        given = action.inputs.source if isinstance(action.inputs.source, Mapping) else {}
        properties: Mapping[str, Any] = spec.params.get("properties", {})
        for name, value in given.items():
            if name not in properties:
                remedy = near(name, properties) or f"it takes {', '.join(properties) or 'none'}"
                self.note(step.location, f"{action.name} has no parameter {name!r}", remedy)
            elif not _fits(properties[name], value, spec.params.get("$defs", {})):
                kind = properties[name].get("type", "another type")
                self.note(
                    step.location, f"with.{name}: {value!r:.80} does not fit; it takes {kind}", "give such a value"
                )
        for name in spec.params.get("required", ()):
            if name not in given:
                self.note(step.location, f"{action.name} needs the parameter {name!r}", f"add `{name}:` to `with`")

    # -- names in expressions -----------------------------------------------------------------

    def references(self, step: Step, value: Any, what: str, handling: bool) -> None:
        for reference in sorted(getattr(value, "references", ())):
            problem = self._reference(reference, handling)
            if problem is not None:
                self.note(step.location, f"{what}: {problem[0]}", problem[1])

    def _reference(self, reference: tuple[str, ...], handling: bool) -> tuple[str, str] | None:
        head, *rest = reference
        if head == "error" and not handling:
            return "'error' is known in on_failure only", "use steps.<id>.error"
        if not rest:
            return None
        name = rest[0]
        known: Collection[str] | None = {
            "alert": ALERT_FIELDS,
            "steps": self.named,
            "vars": self.variables,
            "error": _ERROR_FIELDS,
            "execution": _EXECUTION_FIELDS,
        }.get(head)
        if known is not None and name not in known:
            places = {"steps": "no step has the id", "vars": "no step sets the variable"}
            said = places.get(head, f"{head} has no field")
            return f"{said} {name!r}", near(name, known) or f"there are {', '.join(sorted(known)[:12]) or 'none'}"
        if head == "steps" and len(rest) > 1 and rest[1] not in _STEP_FIELDS:
            remedy = near(rest[1], _STEP_FIELDS) or f"what an action gave is steps.{name}.output.{rest[1]}"
            return f"a step has no field {rest[1]!r}", remedy
        return None


def _fits(schema: Mapping[str, Any], value: Any, definitions: Mapping[str, Any]) -> bool:
    """Whether a literal can be meant; a template is known only when it runs."""
    if isinstance(value, str) and ("{{" in value or "{%" in value):
        return True
    if "$ref" in schema:
        return _fits(definitions.get(str(schema["$ref"]).rpartition("/")[2], {}), value, definitions)
    alternatives = schema.get("anyOf") or schema.get("oneOf")
    if alternatives:
        return any(_fits(alternative, value, definitions) for alternative in alternatives)
    if "enum" in schema:
        return value in schema["enum"]
    kind = schema.get("type")
    if not isinstance(kind, str) or kind not in _TYPES:
        return True
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES[kind])


def _all(playbook: Playbook) -> Iterator[Step]:
    yield from _flat(playbook.steps)
    yield from _flat(playbook.on_failure)


def _flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    for step in steps:
        yield step
        if isinstance(step.body, Block):
            yield from _flat(step.body.steps)
        elif isinstance(step.body, Choice):
            yield from _flat(step.body.then)
            yield from _flat(step.body.otherwise)
        if isinstance(step.on_failure, tuple):
            yield from _flat(step.on_failure)


def _set(step: Step) -> Collection[str]:
    body = step.body
    return (
        body.values.source.keys() if isinstance(body, SetVariables) and isinstance(body.values.source, Mapping) else ()
    )
