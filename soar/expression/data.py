"""Plain data as expressions see it: what it is called, where a path leads, how it reads as text."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from types import GeneratorType
from typing import Any

from jinja2 import StrictUndefined
from jinja2.runtime import LoopContext, Undefined
from jinja2.utils import missing

from soar.errors import ExpressionFailed
from soar.expression.budget import DEPTH_LIMIT, allow_text, spend, spend_whole, weight

_LOOP_FIELDS = frozenset({"index", "index0", "revindex", "revindex0", "first", "last", "length", "depth", "depth0"})
_TIME_FIELDS = frozenset({"year", "month", "day", "hour", "minute", "second"})
_NOTHING = object()


class Missing(StrictUndefined):
    """What is not there: anything but `default`, `is defined` and `is undefined` fails on it and names its path."""

    __slots__ = ()

    @property
    def _undefined_message(self) -> str:
        if self._undefined_hint:
            return self._undefined_hint
        if self._undefined_obj is missing:
            return f"{self._undefined_name} is not there"
        return f"{describe(self._undefined_obj)} has no {self._undefined_name!r}"


def kind(value: Any) -> str:
    """The kind of a value, as messages name it."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true/false"
    if isinstance(value, int | float):
        return "number"
    if isinstance(value, str):
        return "text"
    if isinstance(value, datetime):
        return "time"
    if isinstance(value, Mapping):
        return "object"
    return "list" if isinstance(value, list | tuple) else type(value).__name__


def describe(value: Any) -> str:
    """A value for a message: short, and with its kind."""
    what = kind(value)
    if what == "null":
        return "null"
    if what in ("object", "list"):
        return f"{'an' if what == 'object' else 'a'} {what}"
    shown = json.dumps(value, ensure_ascii=False) if isinstance(value, str) else as_text(value, "it")
    if len(shown) > 60:
        shown = f"{shown[:57]}..."
    return shown if what == "true/false" else f"{shown} ({what})"


def demand(value: Any) -> Any:
    """The value, or the error of what is not there."""
    if isinstance(value, Undefined):
        str(value)
    return value


def part(value: Any, key: Any) -> Any:
    """One step down into data; only data can be read, never a Python attribute."""
    if isinstance(value, Mapping):
        return value.get(key, _NOTHING)
    if isinstance(value, list | tuple | str) and isinstance(key, int) and not isinstance(key, bool):
        return value[key] if -len(value) <= key < len(value) else _NOTHING
    if isinstance(value, LoopContext) and key in _LOOP_FIELDS:
        return getattr(value, key)
    if isinstance(value, datetime) and key in _TIME_FIELDS:
        return getattr(value, key)
    return _NOTHING


def follow(value: Any, label: str, *keys: Any) -> Any:
    """Where a path leads from a value; Missing, with the whole path, where it leads nowhere."""
    if isinstance(value, Undefined):
        return value
    for count, key in enumerate(keys, start=1):
        below = part(value, key)
        if below is _NOTHING:
            return Missing(hint=_nowhere(value, label, keys, count))
        value = below
    return value


def _nowhere(value: Any, label: str, keys: tuple[Any, ...], count: int) -> str:
    whole = label + spell(keys)
    above = label + spell(keys[: count - 1])
    what = kind(value)
    if isinstance(value, Mapping):
        return f"{whole} is not there: {above} has no {keys[count - 1]!r}"
    return f"{whole} is not there: {above} is {what if what == 'null' else describe(value)}"


def spell(keys: tuple[Any, ...]) -> str:
    """Keys as a path continues with them: `.raw.items[0]`."""
    return "".join(f".{key}" if isinstance(key, str) and key.isidentifier() else f"[{key!r}]" for key in keys)


def as_text(value: Any, label: str) -> str:
    """A value inside a text. Null is an error, never the word None (B14); lists and objects read as JSON."""
    if isinstance(value, str):
        return value
    demand(value)
    if value is None:
        raise ExpressionFailed(f"{label} is null; give it a value for that case, such as `| default('unknown')`")
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float):
        return str(plain(value))
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    return to_json(value)


def to_json(value: Any) -> str:
    """JSON text of a value, in one line."""
    text = json.dumps(plain(value), ensure_ascii=False)
    allow_text(len(text))
    return text


def plain(value: Any, depth: int = 0) -> Any:
    """A value as JSON-shaped data of its own: nothing lazy, nothing missing, nothing shared with the scope."""
    if value is None or isinstance(value, str | bool | int):
        return value
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ExpressionFailed(f"it gives {value}, which is no number JSON can hold")
        return value
    if isinstance(value, datetime):
        return as_text(value, "it")
    spend(weight(value))
    if depth > DEPTH_LIMIT:
        raise ExpressionFailed(f"its lists and objects are nested deeper than {DEPTH_LIMIT} levels")
    if isinstance(value, Mapping):
        return {_key(key): plain(item, depth + 1) for key, item in value.items()}
    if isinstance(value, list | tuple | GeneratorType):
        return [plain(item, depth + 1) for item in value]
    demand(value)
    raise ExpressionFailed(f"it gives a {type(value).__name__}, which is not data")


def _key(key: Any) -> str:
    if not isinstance(key, str):
        raise ExpressionFailed(f"the keys of an object are text; {describe(key)} is not")
    return key


def each(value: Any, label: str) -> Iterator[Any]:
    """The items of a list, or the keys of an object, each turn paid for; a text is never taken apart."""
    demand(value)
    if not isinstance(value, list | tuple | Mapping):
        raise ExpressionFailed(f"{label} is {describe(value)}, not a list to loop over")
    for item in list(value):
        spend(1)
        yield item


def made(value: Any) -> Any:
    """A list or object that an expression put together, paid for with all it holds."""
    spend_whole(value)
    return value
