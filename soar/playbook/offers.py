"""What a step calls: whether the action or playbook is there, and takes what it is given."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Any

from soar.errors import Location
from soar.expression import near, spell_place
from soar.model.action import ActionSpec
from soar.model.playbook import Input, Playbook, Step, Value
from soar.playbook.literals import misfits
from soar.playbook.places import Places
from soar.playbook.tree import Path

Finding = tuple[Location, str, str]


def action_findings(
    places: Places, step: Step, name: str, given: Value, specs: Mapping[str, ActionSpec], below: Path = ()
) -> Iterator[Finding]:
    """What is wrong with one call; `below` are the keys that lead to `action` and `with`."""
    spec = specs.get(name)
    if spec is not None:
        takes = _Takes(name, spec.params.get("properties", {}), spec.params, "parameter")
        yield from _given(places, step, takes, given, (*below, "with"), (*below, "action"))
        return
    connection, _, action = name.partition(".")
    if not connection or not action or "." in action:
        return  # it has been told that this names no action
    connections = {known.partition(".")[0] for known in specs}
    if connection not in connections:
        remedy = near(connection, connections) or (
            f"the connections of soar.yaml are {', '.join(sorted(connections)) or 'none'}; add it there"
        )
        yield places.word(step.location, connection, *below, "action"), f"there is no connection {connection!r}", remedy
        return
    offered = [known.partition(".")[2] for known in specs if known.startswith(f"{connection}.")]
    remedy = near(action, offered) or f"it has {', '.join(sorted(offered))}"
    message = f"the connection {connection!r} has no action {action!r}"
    yield places.word(step.location, action, *below, "action"), message, remedy


def playbook_findings(
    places: Places, step: Step, name: str, given: Value, playbooks: Mapping[str, Playbook]
) -> Iterator[Finding]:
    """What is wrong with the call of a sub-playbook (S15)."""
    child = playbooks.get(name)
    if child is None:
        remedy = near(name, playbooks) or "name the id of a playbook of this folder"
        yield places.value(step.location, "playbook"), f"there is no playbook {name!r}", remedy
        return
    takes = _Takes(f"playbook {name}", {one.name: one.schema for one in child.inputs}, _needs(child.inputs), "input")
    yield from _given(places, step, takes, given, ("with",), ("playbook",))


def _needs(inputs: tuple[Input, ...]) -> Mapping[str, Any]:
    return {"required": [one.name for one in inputs if one.required]}


class _Takes:
    """What one action or playbook takes."""

    def __init__(self, name: str, properties: Mapping[str, Any], schema: Mapping[str, Any], word: str) -> None:
        self.name = name
        self.properties = properties
        self.needed: Collection[str] = schema.get("required", ())
        self.definitions: Mapping[str, Any] = schema.get("$defs", {})
        self.word = word


def _given(places: Places, step: Step, takes: _Takes, value: Value, path: Path, owner: Path) -> Iterator[Finding]:
    given = value.source if isinstance(value.source, Mapping) else {}
    for name, below in given.items():
        if name not in takes.properties:
            remedy = near(name, takes.properties) or f"it takes {', '.join(takes.properties) or 'none'}"
            yield places.key(step.location, *path, name), f"{takes.name} has no {takes.word} {name!r}", remedy
            continue
        for where, found, taken in misfits(takes.properties[name], below, takes.definitions, (*path, name)):
            message = f"{spell_place(where)}: {_shown(found)} does not fit; it takes {taken}"
            yield places.value(step.location, *where), message, "give such a value"
    for name in takes.needed:
        if name not in given:
            place = places.key(step.location, *(path if given else owner))
            yield place, f"{takes.name} needs the {takes.word} {name!r}", f"add `{name}:` to `with`"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
