"""What a playbook says of the world around it: connections, actions, parameters, steps, variables."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final

from soar.errors import Location, Problem
from soar.expression import near, spell_place
from soar.model.action import ActionSpec
from soar.model.alert import ALERT_FIELDS
from soar.model.playbook import Action, Choice, Playbook, SetVariables, Step, Stop
from soar.model.playbook import Fail as FailStep
from soar.playbook.literals import misfits
from soar.playbook.places import Places
from soar.playbook.tree import every_step, flat, inner_lists

_STEP_FIELDS: Final = ("status", "output", "error")
_ERROR_FIELDS: Final = ("step", "kind", "message", "handler")
_NOT_YET: Final = frozenset({"incident"})
_EXECUTION_FIELDS: Final = ("id", "playbook", "opened_at", "actor", "summary")


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
    checker.last_steps(playbook.finally_)
    return checker.problems


class _Checker:
    def __init__(self, playbook: Playbook, specs: Mapping[str, ActionSpec], named: frozenset[str]) -> None:
        self.playbook = playbook
        self.specs = specs
        self.named = named
        self.places = Places(playbook)
        self.problems: list[Problem] = []
        self.variables = {
            name for step in every_step(playbook) if isinstance(step.body, SetVariables) for name in _set(step)
        }

    def note(self, location: Location, message: str, remedy: str, *, warning: bool = False) -> None:
        excerpt = self.places.source.excerpt(location)
        self.problems.append(Problem(location, message, remedy, excerpt, "warning" if warning else "error"))

    def sources(self, known: Collection[str]) -> None:
        for name in sorted(self.playbook.trigger.sources - set(known)):
            remedy = near(name, known) or "add it to soar.yaml, or remove it here"
            place = self.places.word(self.playbook.location, name, "trigger", "source")
            message = f"the trigger listens to the source {name!r}, which is not configured"
            self.note(place, message, remedy, warning=True)

    def last_steps(self, steps: tuple[Step, ...]) -> None:
        """The playbook's own `on_failure`: it has failed already, there is nothing to stop (S10)."""
        for step in flat(steps):
            if isinstance(step.body, Stop | FailStep):
                key = "stop" if isinstance(step.body, Stop) else "fail"
                message = "the playbook's on_failure cannot stop or fail: it has failed"
                self.note(self.places.key(step.location, key), message, "remove the step")
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
            case Stop():
                self.references(step, body.message, "stop", handling)
            case FailStep():
                self.references(step, body.message, "fail", handling)
            case Choice():
                self.references(step, body.condition, "if", handling)
            case _:
                pass
        for inner in inner_lists(step):
            self.steps(inner, handling=handling or inner is step.on_failure)

    def action(self, step: Step, action: Action, handling: bool) -> None:
        spec = self.specs.get(action.name)
        readable = action.connection and action.action and "." not in action.action
        if spec is None and readable:
            self._unknown_action(step, action)
        elif spec is not None:
            self._parameters(step, action, spec)
            if action.undo is not None and spec.undo is None:
                message = f"{action.name} contains nothing that could be undone"
                place = self.places.key(step.location, "undo")
                self.note(place, message, "remove 'undo', or use an action that has a way back")
        self.references(step, action.inputs, "with", handling)

    def _unknown_action(self, step: Step, action: Action) -> None:
        connections = {name.partition(".")[0] for name in self.specs}
        if action.connection not in connections:
            remedy = near(action.connection, connections) or (
                f"the connections of soar.yaml are {', '.join(sorted(connections)) or 'none'}; add it there"
            )
            place = self.places.word(step.location, action.connection, "action")
            self.note(place, f"there is no connection {action.connection!r}", remedy)
            return
        offered = [name.partition(".")[2] for name in self.specs if name.startswith(f"{action.connection}.")]
        remedy = near(action.action, offered) or f"it has {', '.join(sorted(offered))}"
        place = self.places.word(step.location, action.action, "action")
        self.note(place, f"the connection {action.connection!r} has no action {action.action!r}", remedy)

    def _parameters(self, step: Step, action: Action, spec: ActionSpec) -> None:
        given = action.inputs.source if isinstance(action.inputs.source, Mapping) else {}
        properties: Mapping[str, Any] = spec.params.get("properties", {})
        for name, value in given.items():
            if name not in properties:
                remedy = near(name, properties) or f"it takes {', '.join(properties) or 'none'}"
                place = self.places.key(step.location, "with", name)
                self.note(place, f"{action.name} has no parameter {name!r}", remedy)
                continue
            for path, found, taken in misfits(properties[name], value, spec.params.get("$defs", {}), ("with", name)):
                message = f"{spell_place(path)}: {_shown(found)} does not fit; it takes {taken}"
                self.note(self.places.value(step.location, *path), message, "give such a value")
        for name in spec.params.get("required", ()):
            if name not in given:
                place = self.places.key(step.location, "with" if given else "action")
                self.note(place, f"{action.name} needs the parameter {name!r}", f"add `{name}:` to `with`")

    # -- names in expressions -----------------------------------------------------------------

    def references(self, step: Step, value: Any, what: str, handling: bool) -> None:
        for reference in sorted(getattr(value, "references", ())):
            problem = self._reference(reference, handling)
            if problem is None:
                continue
            message, remedy, known = problem
            for path, place in self.places.readings(step, what, reference, known):
                self.note(place, f"{spell_place((what, *path))}: {message}", remedy)

    def _reference(self, reference: tuple[str, ...], handling: bool) -> tuple[str, str, int] | None:
        """What is wrong with a path, what to do, and how many of its parts say so."""
        head, *rest = reference
        if head == "error" and not handling:
            return "'error' is known in on_failure only", "use steps.<id>.error", 1
        if head in _NOT_YET:
            return f"{head!r} holds nothing in this version", "read the values from the alert", 1
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
            return f"{said} {name!r}", near(name, known) or f"there are {', '.join(sorted(known)[:12]) or 'none'}", 2
        if head == "steps" and len(rest) > 1 and rest[1] not in _STEP_FIELDS:
            remedy = near(rest[1], _STEP_FIELDS) or f"what an action gave is steps.{name}.output.{rest[1]}"
            return f"a step has no field {rest[1]!r}", remedy, 3
        return None


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."


def _set(step: Step) -> Collection[str]:
    body = step.body
    return (
        body.values.source.keys() if isinstance(body, SetVariables) and isinstance(body.values.source, Mapping) else ()
    )
