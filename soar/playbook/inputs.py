"""`inputs:` and `outputs:` of a playbook: what it takes from its caller, and what it gives back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from soar.errors import ExpressionFailed
from soar.expression import compile_value
from soar.expression.patterns import compiled
from soar.model.playbook import Input, Value
from soar.playbook import keys
from soar.playbook.literals import misfits
from soar.playbook.reading import Reading, said
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode, plain_data

_FITS: Final[Mapping[str, frozenset[str]]] = {
    "format": frozenset({"string"}),
    "pattern": frozenset({"string"}),
    "minLength": frozenset({"string"}),
    "maxLength": frozenset({"string"}),
    "minimum": frozenset({"integer", "number"}),
    "maximum": frozenset({"integer", "number"}),
    "items": frozenset({"array"}),
    "minItems": frozenset({"array"}),
    "maxItems": frozenset({"array"}),
    "properties": frozenset({"object"}),
}
"""Keys that say something of one type only."""


def read_inputs(reading: Reading, node: Node | None) -> tuple[Input, ...]:
    """The declared inputs that could be read."""
    found = []
    for name, below in _named(reading, node, "inputs", "name: {type: string}").items():
        if not name.isidentifier():
            reading.note(below, f"the input {name!r} cannot be read as inputs.{name}", "use letters, digits and '_'")
            continue
        fields = reading.fields(below, keys.INPUT)
        if fields is not None:
            found.append(_input(reading, name, fields))
    return tuple(found)


def _input(reading: Reading, name: str, fields: MapNode) -> Input:
    schema = _schema(reading, fields, f"inputs.{name}")
    required = reading.flag(fields.get("required"), f"inputs.{name}.required") or False
    default = fields.get("default")
    if default is None:
        return Input(name, schema, required)
    if required:
        message = f"the input {name!r} is required, and has a default"
        reading.note(default, message, "remove one of them: an input with a default is never missing")
    value = plain_data(default)
    for path, _, taken in misfits(schema, value, {}, literal=True):
        reading.note(default, f"inputs.{name}.default: it takes {taken}, not {_at(value, path)!r}", "give such a value")
    return Input(name, schema, required, value)


def _at(value: Any, path: tuple[str | int, ...]) -> Any:
    for key in path:
        value = value[key]
    return value


def _schema(reading: Reading, fields: MapNode, what: str) -> dict[str, Any]:
    """The JSON Schema of a value, made of the keys that are checked."""
    kind = reading.choice(fields.get("type"), f"{what}.type", keys.INPUT_TYPES)
    schema: dict[str, Any] = {"type": kind} if kind else {}
    for key, types in _FITS.items():
        if key in fields.entries and kind is not None and kind not in types:
            place = fields.entries[key].location
            message = f"{what}: {key!r} says nothing of a value of type {kind}"
            reading.source.note(place, message, f"it is for {' and '.join(sorted(types))}; remove it")
    for key in keys.INPUT_PART.known:
        node = fields.get(key)
        if node is not None and key != "type":
            value = _keyword(reading, key, node, f"{what}.{key}")
            if value is not None:
                schema[key] = value
    _check_enum(reading, fields.get("enum"), schema, what)
    _check_bounds(reading, fields, schema, what)
    return schema


def _keyword(reading: Reading, key: str, node: Node, what: str) -> Any:
    """The value of one keyword of JSON Schema."""
    kind = keys.INPUT.known[key].kind
    if isinstance(kind, range):
        return reading.whole(node, what, kind)
    if isinstance(kind, tuple):
        return reading.choice(node, what, kind)
    if key in ("minimum", "maximum"):
        return _number(reading, node, what)
    if key == "enum":
        return [plain_data(item) for item in reading.items(node, what)] or None
    if key == "items":
        fields = reading.fields(node, keys.INPUT_PART)
        return _schema(reading, fields, what) if fields is not None else None
    if key == "properties":
        return _properties(reading, node, what)
    text = reading.text(node, what)
    if key == "pattern" and text is not None:
        try:
            compiled(text)
        except ExpressionFailed as error:
            reading.note(node, f"{what}: {error}", "check brackets and repetitions; RE2 has no look-around")
    return text


def _properties(reading: Reading, node: Node, what: str) -> dict[str, Any]:
    found = {}
    for name, below in _named(reading, node, what, "name: {type: string}").items():
        fields = reading.fields(below, keys.INPUT_PART)
        if fields is not None:
            found[name] = _schema(reading, fields, f"{what}.{name}")
    return found


def _number(reading: Reading, node: Node, what: str) -> int | float | None:
    value = node.value if isinstance(node, ScalarNode) else None
    if isinstance(value, int | float) and not isinstance(value, bool):
        return value
    reading.note(node, f"{what} must be a number, not {said(node)}", "write a number without quotes")
    return None


def _check_enum(reading: Reading, node: Node | None, schema: dict[str, Any], what: str) -> None:
    if not isinstance(node, ListNode):
        return
    plain = {"type": schema["type"]} if "type" in schema else {}
    for item in node.items:
        for _, found, taken in misfits(plain, plain_data(item), {}, literal=True):
            reading.note(item, f"{what}.enum: {found!r} does not fit; it takes {taken}", "give such a value")


def _check_bounds(reading: Reading, fields: MapNode, schema: dict[str, Any], what: str) -> None:
    for low, high in (("minimum", "maximum"), ("minLength", "maxLength"), ("minItems", "maxItems")):
        if low in schema and high in schema and schema[low] > schema[high]:
            place = fields.entries[high].location
            message = f"{what}: {high} {schema[high]} is below {low} {schema[low]}"
            reading.source.note(place, message, "no value could fit; raise it")


def read_outputs(reading: Reading, node: Node | None) -> dict[str, Value]:
    """What the playbook gives its caller, by name."""
    outputs: dict[str, Value] = {}
    for name, below in _named(reading, node, "outputs", "name: value").items():
        if not name.isidentifier():
            remedy = "use letters, digits and '_'"
            reading.note(below, f"the output {name!r} cannot be read as output.{name}", remedy)
        outputs[name] = reading.value(below, f"outputs.{name}") or compile_value(None)
    return outputs


def _named(reading: Reading, node: Node | None, what: str, remedy: str) -> dict[str, Node]:
    """A map from names of the author's own."""
    if node is None:
        return {}
    if not isinstance(node, MapNode) or not node.entries:
        held = "an empty map" if isinstance(node, MapNode) else said(node)
        reading.note(node, f"{what} must be a map of names, not {held}", f"write {remedy}")
        return {}
    return {name: entry.value for name, entry in node.entries.items()}
