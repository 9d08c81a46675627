"""JSON in text columns: fast for what is usual, exact for what is not.

orjson refuses integers over 64 bits, keys that are not text and lone surrogates, all of which an
alert or an answer from outside may carry. Such values are written by the standard library with a
space in front, and the space tells the reader to use it too: a number of 30 digits stays exact.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, is_dataclass
from typing import Any

import orjson


def dumps(value: Any) -> str:
    """JSON text for a column."""
    try:
        return orjson.dumps(value, default=_plain).decode()
    except (TypeError, ValueError):
        return " " + whole(json.dumps(value, default=_plain, ensure_ascii=False, separators=(",", ":")))


def loads(text: str | None) -> Any:
    """What a column's text says; None for an empty column."""
    if text is None:
        return None
    return json.loads(text) if text.startswith(" ") else orjson.loads(text)


def whole(text: str) -> str:
    """The text with every lone surrogate replaced, so that it has an encoding."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, AbstractSet):
        return sorted(value)
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    raise TypeError(f"a {type(value).__name__} is not JSON")
