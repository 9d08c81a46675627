"""The values a playbook is given, held against its typed `inputs`: all that does not fit is told at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from ipaddress import ip_address
from typing import Any, Final

import re2

from soar.expression import near
from soar.model.playbook import Input

_TYPES: Final[Mapping[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list, tuple),
    "object": (dict,),
    "null": (type(None),),
}
_WORDS: Final = {"true": True, "false": False}


def fitted(inputs: Sequence[Input], given: Mapping[str, Any], *, text: bool = False) -> dict[str, Any]:
    """The values by name, defaults filled in; with `text`, words become what their type says (a command line's).

    Raises:
        ValueError: the message names each value that is missing, unknown, or does not fit, and what it takes.
    """
    known = {one.name: one for one in inputs}
    complaints = [_unknown(name, known) for name in given if name not in known]
    values: dict[str, Any] = {}
    for one in inputs:
        if one.name not in given:
            if one.required and one.default is None:
                complaints.append(f"input '{one.name}' is missing; it takes {_taken(one.schema)}")
            else:
                values[one.name] = one.default
            continue
        value = given[one.name]
        values[one.name] = _read(one.schema, value) if text and isinstance(value, str) else value
        complaints += [f"input '{one.name}': {problem}" for problem in _problems(one.schema, values[one.name])]
    if complaints:
        raise ValueError("; ".join(complaints))
    return values


def _unknown(name: str, known: Mapping[str, Input]) -> str:
    remedy = near(name, known) or f"it takes {', '.join(known) or 'none'}"
    return f"there is no input '{name}'; {remedy}"


def _read(schema: Mapping[str, Any], text: str) -> Any:
    """A word of a command line as the type it is for; what cannot be read stays text, and is told not to fit."""
    kind = schema.get("type")
    try:
        if kind == "integer":
            return int(text)
        if kind == "number":
            return float(text)
    except ValueError:
        return text
    if kind == "boolean":
        return _WORDS.get(text, text)
    if kind == "array":
        return [_read(schema.get("items", {}), part.strip()) for part in text.split(",") if part.strip()]
    return text


def _problems(schema: Mapping[str, Any], value: Any, where: str = "") -> Iterator[str]:
    kind = schema.get("type")
    if kind is not None and not _is(value, kind):
        yield f"{where}{value!r:.80} does not fit; it takes {_taken(schema)}"
        return
    if "enum" in schema and value not in schema["enum"]:
        yield f"{where}{value!r:.80} is none of {', '.join(map(str, schema['enum']))}"
    yield from _bounds(schema, value, where)
    if isinstance(value, str):
        yield from _texts(schema, value, where)
    if isinstance(value, list | tuple) and isinstance(schema.get("items"), Mapping):
        for place, item in enumerate(value):
            yield from _problems(schema["items"], item, f"{where}[{place}] ")


def _bounds(schema: Mapping[str, Any], value: Any, where: str) -> Iterator[str]:
    size = value if isinstance(value, int | float) and not isinstance(value, bool) else None
    length = len(value) if isinstance(value, str | list | tuple) else None
    for low, high, number in (("minimum", "maximum", size), ("minLength", "maxLength", length)):
        if number is None:
            continue
        if low in schema and number < schema[low]:
            yield f"{where}{number} is less than {schema[low]}"
        if high in schema and number > schema[high]:
            yield f"{where}{number} is more than {schema[high]}"


def _texts(schema: Mapping[str, Any], value: str, where: str) -> Iterator[str]:
    if "pattern" in schema and re2.search(schema["pattern"], value) is None:
        yield f"{where}{value!r:.80} does not match {schema['pattern']!r}"
    form = schema.get("format")
    try:
        if form in ("ip", "ipv4", "ipv6"):
            ip_address(value)
        elif form == "date-time":
            datetime.fromisoformat(value)
    except ValueError:
        yield f"{where}{value!r:.80} is no {'address' if form != 'date-time' else 'time such as 2026-03-01T12:00:00Z'}"


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    return isinstance(value, _TYPES.get(kind, (object,)))


def _taken(schema: Mapping[str, Any]) -> str:
    if "enum" in schema:
        return f"one of {', '.join(map(str, schema['enum']))}"
    return str(schema.get("type", "any value"))
