"""An output made from its schema: what an action answers in a test without a network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

_FORMATS: Final = {
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "ipv4network": "192.0.2.0/24",
    "ipv6network": "2001:db8::/32",
    "uri": "https://api.example.com/",
    "date-time": "2026-01-01T00:00:00Z",
    "date": "2026-01-01",
    "time": "00:00:00Z",
    "duration": "PT1H",
    "uuid": "00000000-0000-4000-8000-000000000000",
    "email": "ana@example.com",
}


def inlined(schema: Mapping[str, Any]) -> dict[str, Any]:
    """The schema with its `$ref`s replaced by what they name, so that readers need no lookup."""
    definitions = schema.get("$defs", {})
    whole = _inline({key: value for key, value in schema.items() if key != "$defs"}, definitions, ())
    return dict(whole)


def _inline(node: Any, definitions: Mapping[str, Any], open_names: tuple[str, ...]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions, open_names) for item in node]
    if not isinstance(node, dict):
        return node
    name = str(node.get("$ref", "")).rpartition("/")[2]
    if not name:
        return {key: _inline(value, definitions, open_names) for key, value in node.items()}
    if name in open_names:
        return {}  # a type that holds itself: anything may stand at the inner place
    beside = {key: value for key, value in node.items() if key != "$ref"}
    return {**_inline(definitions[name], definitions, (*open_names, name)), **beside}


def example_of(schema: Mapping[str, Any]) -> Any:
    """A value that fits an inlined schema; its own examples and defaults first."""
    if schema.get("examples"):
        return schema["examples"][0]
    for key in ("const", "default"):
        if key in schema:
            return schema[key]
    if schema.get("enum"):
        return schema["enum"][0]
    for key in ("anyOf", "oneOf", "allOf"):
        if schema.get(key):
            return example_of(schema[key][0])
    return _by_type(schema)


def _by_type(schema: Mapping[str, Any]) -> Any:
    kind = schema.get("type")
    if kind == "object":
        return {name: example_of(part) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [example_of(schema.get("items", {})) for _ in range(schema.get("minItems", 0))]
    if kind in ("integer", "number"):
        return _number(schema)
    if kind == "boolean":
        return True
    if kind == "string":
        return _FORMATS.get(str(schema.get("format")), "example"[: schema.get("maxLength", 7)])
    return None


def _number(schema: Mapping[str, Any]) -> int | float:
    number: int | float = schema.get("minimum", 1)
    if "exclusiveMinimum" in schema:
        number = schema["exclusiveMinimum"] + 1
    highest: int | float = schema.get("maximum", number)
    return min(number, highest)
