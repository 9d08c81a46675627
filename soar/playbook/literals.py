"""Values written out in a playbook, held against the JSON schema of a parameter."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any, Final

Schema = Mapping[str, Any]
Path = tuple[str | int, ...]
_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}

_BOUNDS: Final = {
    "minimum": "at least",
    "maximum": "at most",
    "minLength": "a length of at least",
    "maxLength": "a length of at most",
    "minItems": "a count of at least",
    "maxItems": "a count of at most",
}


def misfits(
    schema: Schema, value: Any, definitions: Schema, path: Path = (), *, literal: bool = False
) -> Iterator[tuple[Path, Any, str]]:
    """Every literal that cannot be meant: where, what stands there, and what it takes.

    A template is known only when it runs, unless the value is `literal`: then braces are text like any other.
    """
    if isinstance(value, str) and not literal and ("{{" in value or "{%" in value):
        return
    schema = _followed(schema, definitions)
    if not _fits(schema, value, definitions):
        yield path, value, _taken(schema, definitions)
    elif isinstance(value, Mapping):
        properties = schema.get("properties", {})
        for name in value.keys() & properties.keys():
            yield from misfits(properties[name], value[name], definitions, (*path, name), literal=literal)
    elif isinstance(value, list | tuple) and isinstance(schema.get("items"), Mapping):
        for number, item in enumerate(value):
            yield from misfits(schema["items"], item, definitions, (*path, number), literal=literal)


def _followed(schema: Schema, definitions: Schema) -> Schema:
    if "$ref" in schema:
        found: Schema = definitions.get(str(schema["$ref"]).rpartition("/")[2], {})
        return found
    return schema


def _alternatives(schema: Schema) -> list[Schema]:
    return list(schema.get("anyOf") or schema.get("oneOf") or ())


def _fits(schema: Schema, value: Any, definitions: Schema) -> bool:
    alternatives = _alternatives(schema)
    if alternatives:
        return any(not any(misfits(alternative, value, definitions)) for alternative in alternatives)
    if "enum" in schema:
        return value in schema["enum"]
    if "const" in schema:
        return bool(value == schema["const"])
    kinds = schema.get("type")
    names = [kinds] if isinstance(kinds, str) else kinds or []
    return (not names or any(_is(value, name) for name in names)) and _bounded(schema, value)


def _bounded(schema: Schema, value: Any) -> bool:
    """Whether a value is neither too small nor too large."""
    number = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    length = len(value) if isinstance(value, str) else None
    count = len(value) if isinstance(value, list | tuple) else None
    sizes = ((number, "minimum", "maximum"), (length, "minLength", "maxLength"), (count, "minItems", "maxItems"))
    return all(
        size is None or schema.get(low, -math.inf) <= size <= schema.get(high, math.inf) for size, low, high in sizes
    )


def _is(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return name == "boolean"
    return name not in _TYPES or isinstance(value, _TYPES[name])


def _taken(schema: Schema, definitions: Schema) -> str:
    """What a parameter takes, for people."""
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    if "const" in schema:
        return str(schema["const"])
    alternatives = _alternatives(schema)
    if alternatives:
        return " or ".join(dict.fromkeys(_taken(_followed(one, definitions), definitions) for one in alternatives))
    kinds = schema.get("type", "another type")
    told = kinds if isinstance(kinds, str) else " or ".join(kinds)
    bounds = [f"{word} {schema[key]}" for key, word in _BOUNDS.items() if key in schema]
    return f"{told} with {' and '.join(bounds)}" if bounds else told
