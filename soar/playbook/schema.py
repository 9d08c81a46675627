"""`soar schema`: the language as JSON Schema, for editors; made of the keys that the reader takes."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, Final
from zoneinfo import available_timezones

from soar.expression import NAMES
from soar.model.action import ActionSpec
from soar.model.alert import ALERT_FIELDS
from soar.model.playbook import Playbook
from soar.playbook import keys
from soar.playbook.detection import FLAGS, OBSERVABLE, OPERATORS, REGEX_FLAGS
from soar.playbook.keys import Either, Key, Kind, Named, Several, Shape

Schema = dict[str, Any]
_NAME: Final = r"^[^\W\d]\w*$"
_TEMPLATE: Final = r"\{\{|\{%"
_KEPT: Final = frozenset(
    "type enum const description title default examples minimum maximum minLength maxLength minItems maxItems".split()
)
"""What is taken over from the schema of a parameter: what the check at load looks at, and what people read."""


def playbook_schema(
    specs: Mapping[str, ActionSpec] | None = None, playbooks: Mapping[str, Playbook] | None = None
) -> Schema:
    """The JSON Schema (draft 2020-12) of a playbook file.

    With `specs` it knows the actions of the connections, with `playbooks` those that can be called.
    """
    definitions: Schema = {**_plain(specs, playbooks), "case": _shape(keys.CASE), "part": _part()}
    step = _shape(keys.STEP)
    step["allOf"] += _step_rules()
    for name, spec in sorted((specs or {}).items()):
        definitions[f"with {name}"] = _parameters(spec, name, definitions)
        step["allOf"].append(_chosen("action", name, f"with {name}", bool(spec.params.get("required"))))
    for name, playbook in sorted((playbooks or {}).items()):
        definitions[f"inputs of {name}"] = _inputs(playbook)
        needs = any(one.required for one in playbook.inputs)
        step["allOf"].append(_chosen("playbook", name, f"inputs of {name}", needs))
    definitions["step"] = step
    whole = _shape(keys.PLAYBOOK)
    whole["properties"]["trigger"]["dependentRequired"] = {"source": ["match"]}
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "A playbook"}
    return {**head, **whole, "$defs": definitions}


# -- shapes and kinds -------------------------------------------------------------------------


def _shape(shape: Shape) -> Schema:
    """An object with these keys and no others."""
    rules: list[Schema] = [
        {"if": {"required": [key]}, "then": {"anyOf": [{"required": [owner]} for owner in owners]}}
        for key, owners in shape.belongs.items()
    ]
    if shape.needs_one:
        rules.append({"oneOf": [{"required": [key]} for key in shape.needs_one]})
    return {
        "type": "object",
        "properties": {name: _key(key) for name, key in shape.known.items()},
        "required": list(shape.needed),
        "additionalProperties": False,
        "minProperties": shape.least,
        "allOf": rules,
    }


def _key(key: Key) -> Schema:
    return {**_kind(key.kind), "description": key.says}


def _kind(kind: Kind) -> Schema:
    if isinstance(kind, str):
        return {"$ref": f"#/$defs/{kind}"}
    if isinstance(kind, range):
        return {"type": "integer", "minimum": kind[0], "maximum": kind[-1]}
    if isinstance(kind, tuple):
        return {"enum": list(kind)}
    if isinstance(kind, Shape):
        return {"$ref": "#/$defs/case"} if kind is keys.CASE else _shape(kind)
    if isinstance(kind, Several):
        listed: Schema = {"type": "array", "items": _kind(kind.kind), "minItems": 1}
        return {"anyOf": [_kind(kind.kind), listed]} if kind.one else listed
    if isinstance(kind, Named):
        names = {"pattern": _NAME}
        return {
            "type": "object",
            "minProperties": 1,
            "propertyNames": names,
            "additionalProperties": _kind(kind.kind),
        }
    assert isinstance(kind, Either)
    return {"anyOf": [_kind(one) for one in kind.kinds]}


def _plain(specs: Mapping[str, ActionSpec] | None, playbooks: Mapping[str, Playbook] | None) -> Schema:
    """A definition for each kind of value that has a name."""
    hidden = "|".join(sorted({*NAMES} - {"item"}))
    text = {"type": "string", "pattern": r"\S"}
    word = {"type": "string", "pattern": f"^{keys.WORD}$"}
    return {
        "text": text,
        "template": {"type": "string", "pattern": _TEMPLATE},
        "word": word,
        "step id": {"type": "string", "pattern": rf"^(?!({keys.RESERVED})$){keys.STEP_ID}$"},
        "alias": {"type": "string", "pattern": rf"^(?!({hidden}|true|false|none)$)[A-Za-z_][A-Za-z0-9_]{{0,99}}$"},
        "duration": {"type": "string", "pattern": f"^{keys.DURATION}$", "examples": ["30s", "15m", "24h", "7d"]},
        "expression": {"type": ["string", "boolean", "number"], "pattern": r"^(?!\s*(\{\{|\{%))\s*\S"},
        "value": {},
        "values": {"type": "object"},
        "variables": {"type": "object", "minProperties": 1, "propertyNames": {"pattern": _NAME}},
        "steps": {"type": "array", "items": {"$ref": "#/$defs/step"}, "minItems": 1},
        "ids": {"type": "array", "items": word, "minItems": 1},
        "flag": {"type": "boolean"},
        "number": {"type": "number"},
        "moment": {"type": "string", "pattern": f"^{keys.MOMENT}$", "examples": ["2026-01-31"]},
        "cron": {"type": "string", "pattern": r"^\s*\S+(\s+\S+){4,5}\s*$", "examples": ["0 6 * * 1"]},
        "zone": {"enum": sorted(available_timezones())},
        "event": {"type": "string", "pattern": f"^{keys.EVENT}$"},
        "action": _named(specs, r"^[^.\s]+\.[^.\s]+$"),
        "playbook": _named(playbooks, f"^{keys.WORD}$"),
        "match": _match(),
        "list": {"type": "array", "minItems": 1},
        "part": {},
        "parts": {"type": "object", "minProperties": 1, "additionalProperties": {"$ref": "#/$defs/part"}},
    }


def _named(known: Collection[str] | None, pattern: str) -> Schema:
    """One of the names that are known; any that looks like one where nothing is."""
    return {"type": "string", "pattern": pattern} if known is None else {"enum": sorted(known)}


def _part() -> Schema:
    """A value inside an input: described as an input is, but neither required nor with a default."""
    return _shape(keys.INPUT_PART)


def _match() -> Schema:
    """Selections: alert fields with modifiers, and values."""
    fields = sorted(ALERT_FIELDS - {"raw", "observables"}) + [f"observables.{name}" for name in OBSERVABLE]
    names = "|".join([*map(_escaped, fields), r"raw\.[^|]+"])
    modifiers = "|".join(sorted({*OPERATORS, *FLAGS, *REGEX_FLAGS}))
    scalar = {"type": ["string", "number", "boolean", "null"]}
    values: Schema = {"anyOf": [scalar, {"type": "array", "items": scalar, "minItems": 1}]}
    tests = {
        "type": "object",
        "minProperties": 1,
        "properties": dict.fromkeys(fields, values),
        "patternProperties": {rf"^({names})(\|({modifiers}))*$": values},
        "additionalProperties": False,
    }
    selection = {"anyOf": [tests, {"type": "array", "items": tests, "minItems": 1}]}
    return {
        "type": "object",
        "minProperties": 1,
        "properties": {"condition": {"type": "string", "pattern": r"\S"}},
        "additionalProperties": selection,
    }


def _escaped(name: str) -> str:
    return name.replace(".", r"\.")


# -- steps ------------------------------------------------------------------------------------


def _step_rules() -> list[Schema]:
    """A step does exactly one thing, and only some of them can be guarded."""
    alone: dict[str, Schema] = {name: {"required": [name]} for name in keys.BODIES}
    alone["steps"]["not"] = {"anyOf": [{"required": [name]} for name in ("for_each", "while")]}
    alone["undo"] |= {"properties": {"undo": {"type": "array"}}, "not": {"required": ["action"]}}
    others = [{"required": [name]} for name in keys.BODIES if name != "approval"]
    alone["approval"]["not"] = {"anyOf": others}
    rules: list[Schema] = [{"oneOf": list(alone.values())}]
    unguarded = [alone[name] for name in keys.BODIES if name not in (*keys.GUARDED, "approval")]
    rules.append({"if": {"required": ["approval"]}, "then": {"not": {"anyOf": unguarded}}})
    listed: Schema = {"properties": {"undo": {"type": "array"}}}
    called: Schema = {"properties": {"undo": {"not": {"type": "array"}}}}
    rules.append({"if": {"required": ["action"]}, "then": called, "else": listed})
    for owner, needed in keys.BESIDE.items():
        rules.append({"if": {"required": [owner]}, "then": {"required": list(needed)}})
    return rules


def _chosen(key: str, name: str, definition: str, needs: bool) -> Schema:
    """What `with` holds beside one action or playbook."""
    then: Schema = {"properties": {"with": {"$ref": f"#/$defs/{_pointer(definition)}"}}}
    if needs:
        then["required"] = ["with"]
    return {"if": {"properties": {key: {"const": name}}, "required": [key]}, "then": then}


def _parameters(spec: ActionSpec, name: str, definitions: Schema) -> Schema:
    """The parameters of an action, each of which may be a template too."""
    for inner, schema in spec.params.get("$defs", {}).items():
        definitions[f"{name} {inner}"] = _value(schema, name)
    return {
        "type": "object",
        "description": spec.summary,
        "properties": {key: _value(schema, name) for key, schema in spec.params.get("properties", {}).items()},
        "required": list(spec.params.get("required", ())),
        "additionalProperties": False,
    }


def _inputs(playbook: Playbook) -> Schema:
    return {
        "type": "object",
        "properties": {one.name: _value(one.schema, "") for one in playbook.inputs},
        "required": [one.name for one in playbook.inputs if one.required],
        "additionalProperties": False,
    }


def _value(schema: Mapping[str, Any], name: str) -> Schema:
    """What a parameter takes, or a template that gives it."""
    return {"anyOf": [_literal(schema, name), {"$ref": "#/$defs/template"}]}


def _literal(schema: Mapping[str, Any], name: str) -> Schema:
    if "$ref" in schema:
        inner = str(schema["$ref"]).rpartition("/")[2]
        return {"$ref": f"#/$defs/{_pointer(f'{name} {inner}')}"}
    kept: Schema = {key: value for key, value in schema.items() if key in _KEPT}
    for key in ("anyOf", "oneOf"):
        if schema.get(key):
            kept["anyOf"] = [_literal(one, name) for one in schema[key]]
    if isinstance(schema.get("items"), Mapping):
        kept["items"] = _value(schema["items"], name)
    if isinstance(schema.get("properties"), Mapping):
        kept["properties"] = {key: _value(below, name) for key, below in schema["properties"].items()}
    return kept


def _pointer(name: str) -> str:
    """A name inside a JSON pointer of a URI."""
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace(" ", "%20")
