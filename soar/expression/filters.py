"""The filters an expression may use, and no other; each pays for its work and its result."""

from __future__ import annotations

import base64
import binascii
import functools
import hashlib
import json
import math
from collections.abc import Callable, Iterator, KeysView, Mapping, ValuesView
from datetime import datetime
from types import GeneratorType
from typing import Any, Final
from urllib.parse import quote

from jinja2 import filters as stock
from jinja2.runtime import Undefined
from markupsafe import Markup

from soar.errors import ExpressionFailed
from soar.expression.budget import allow_number, allow_text, spend, weight
from soar.expression.data import as_text, demand, describe, follow, kind, to_json
from soar.expression.patterns import compiled

_REQUIRED: Any = object()


def default(value: Any, otherwise: Any = "", boolean: bool = False) -> Any:
    """`otherwise` where the value is missing or null; with `true`, also where it is empty."""
    if isinstance(value, Undefined) or value is None or (boolean and not value):
        return otherwise
    return value


def to_int(value: Any, otherwise: Any = _REQUIRED) -> Any:
    """A whole number from a number or a text; anything else is an error, or `otherwise`."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        return allow_number(int(_digits(value) if isinstance(value, str) else value))
    except (ValueError, OverflowError):
        return _instead(value, otherwise, "whole number")


def to_float(value: Any, otherwise: Any = _REQUIRED) -> Any:
    """A number from a number or a text; anything else is an error, or `otherwise`."""
    try:
        if isinstance(value, bool) or not isinstance(value, int | float | str):
            raise ValueError
        number = float(_digits(value) if isinstance(value, str) else value)
    except (ValueError, OverflowError):
        return _instead(value, otherwise, "number")
    return number if math.isfinite(number) else _instead(value, otherwise, "number")


def _digits(text: str) -> str:
    """A text as a number may be written: no `1_000`, no digits of other scripts."""
    if "_" in text or not text.isascii():
        raise ValueError(text)
    return text.strip()


def _instead(value: Any, otherwise: Any, wanted: str) -> Any:
    if otherwise is _REQUIRED:
        raise ExpressionFailed(f"{describe(value)} is no {wanted}; say what to take instead, such as `| int(0)`")
    return otherwise


def rounded(value: Any, precision: int = 0) -> Any:
    """A number rounded to so many places."""
    if kind(value) != "number" or not -15 <= precision <= 15:
        raise ExpressionFailed(f"cannot round {describe(value)} to {precision} places")
    return round(value, precision) if precision else round(value)


def absolute(value: Any) -> Any:
    """A number without its sign."""
    if kind(value) != "number":
        raise ExpressionFailed(f"{describe(value)} is no number")
    return abs(value)


def total(value: Any, attribute: str | None = None) -> Any:
    """The sum of numbers, or of one field of objects."""
    items = _fields(value, attribute)
    for item in items:
        if kind(item) != "number":
            raise ExpressionFailed(f"cannot add up {describe(item)}")
    return sum(items)


def join(value: Any, separator: str = "", attribute: str | None = None) -> str:
    """The items of a list as one text."""
    if isinstance(value, str) or kind(value) not in ("list", "object"):
        raise ExpressionFailed(f"cannot join {describe(value)}; only a list can be joined")
    items = _fields(value, attribute)
    parts = [as_text(item, f"item {number}") for number, item in enumerate(items, start=1)]
    allow_text(sum(map(len, parts)) + len(separator) * len(parts))
    return separator.join(parts)


def _fields(value: Any, attribute: str | None) -> list[Any]:
    if attribute is None:
        return list(value)
    return [demand(follow(item, "the item", *attribute.split("."))) for item in value]


def replace(value: Any, old: str, new: str) -> str:
    """A text with one piece exchanged for another."""
    text = _text(value)
    if not old:
        raise ExpressionFailed("the text to replace is empty")
    allow_text(len(text) + text.count(old) * max(len(new) - len(old), 0))
    return text.replace(old, new)


def indent(value: Any, width: int = 4, first: bool = False) -> str:
    """A text with its lines moved to the right."""
    if not 0 <= width <= 80:
        raise ExpressionFailed(f"cannot indent by {width}; use 0 to 80")
    lines = _text(value).splitlines(keepends=True)
    allow_text(sum(map(len, lines)) + width * len(lines))
    pad = " " * width
    return "".join(line if (number == 0 and not first) else pad + line for number, line in enumerate(lines))


def split(value: Any, separator: str | None = None) -> list[str]:
    """A text cut at a separator, or at white space."""
    return _text(value).split(separator)


def b64encode(value: Any) -> str:
    """A text in base64."""
    return base64.b64encode(_text(value).encode()).decode()


def b64decode(value: Any) -> str:
    """The text in a base64 text."""
    try:
        return base64.b64decode(_text(value), validate=True).decode()
    except (binascii.Error, UnicodeDecodeError):
        raise ExpressionFailed(f"{describe(value)} is no base64 of a text") from None


def sha256(value: Any) -> str:
    """The SHA-256 of a text, in hex."""
    return hashlib.sha256(_text(value).encode()).hexdigest()


def defang(value: Any) -> str:
    """An address or link that no chat or mail program turns into a link."""
    text = _text(value)
    allow_text(3 * len(text))
    return text.replace("http", "hxxp").replace(".", "[.]").replace(":", "[:]")


def from_json(value: Any) -> Any:
    """What a text of JSON says; some senders put one inside their own JSON."""
    try:
        return json.loads(_text(value), parse_constant=_no_json)
    except (ValueError, RecursionError):
        raise ExpressionFailed(f"{describe(value)} is no JSON") from None


def _no_json(word: str) -> Any:
    raise ValueError(word)


def timestamp(value: Any) -> float:
    """Seconds since 1970 of a time, or of a text as alerts give it (RFC 3339)."""
    try:
        moment = value if isinstance(value, datetime) else datetime.fromisoformat(_text(value))
    except ValueError:
        raise ExpressionFailed(f"{describe(value)} is no RFC 3339 time, such as 2026-01-31T09:30:00Z") from None
    if moment.tzinfo is None:
        raise ExpressionFailed(f"{describe(value)} has no time zone")
    return moment.timestamp()


def regex_search(value: Any, pattern: str) -> str | None:
    """The first piece that fits (its first group, where it has one), or null."""
    found = compiled(pattern).search(_text(value))
    if found is None:
        return None
    piece = found.group(1 if found.re.groups else 0)
    return piece if isinstance(piece, str) else None


def regex_findall(value: Any, pattern: str) -> list[Any]:
    """Every piece that fits."""
    text = _text(value)
    spend(len(text))
    return [list(piece) if isinstance(piece, tuple) else piece for piece in compiled(pattern).findall(text)]


def regex_replace(value: Any, pattern: str, new: str) -> str:
    r"""A text with every piece that fits exchanged; `\1` in `new` is the first group."""
    text = _text(value)
    allow_text((len(text) + 1) * (len(new) + 1) + new.count("\\") * len(text))
    result = compiled(pattern).sub(new, text)
    return str(result)


def text(value: Any) -> str:
    """Any value as text, the way it reads inside one."""
    return as_text(value, "the value")


def urlencode(value: Any) -> str:
    """A text (or an object, as a query) made safe for a URL."""
    if isinstance(value, Mapping):
        return "&".join(f"{quote(key, safe='')}={quote(as_text(one, key), safe='')}" for key, one in value.items())
    return quote(as_text(value, "the value"), safe="/")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise ExpressionFailed(f"this filter takes a text, not {describe(value)}")
    return value


def textual(name: str) -> Callable[..., Any]:
    """A filter of Jinja2 that takes text, given what a value reads as inside one: never the word None (B14)."""
    function = stock.FILTERS[name]
    place = 0 if getattr(function, "jinja_pass_arg", None) is None else 1

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return function(*args[:place], as_text(args[place], "the value"), *args[place + 1 :], **kwargs)

    return wrapper


def paid(name: str, function: Callable[..., Any]) -> Callable[..., Any]:
    """A filter that pays for going over its subject and for what it gives; a lazy result is made at once."""
    passed = getattr(function, "jinja_pass_arg", None)
    place = 0 if passed is None else 1

    @functools.wraps(function)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        if args[place] is None and name not in TAKE_NOTHING:
            raise ExpressionFailed(f"null cannot go through `| {name}`; put such as `| default('unknown')` before it")
        spend(weight(demand(args[place])))
        for argument in (*args[place + 1 :], *kwargs.values()):
            if demand(argument) is None and name not in _GIVEN_NULL:
                raise ExpressionFailed(f"null cannot be given to `| {name}`")
        result = function(*args, **kwargs)
        if isinstance(result, GeneratorType | Iterator | KeysView | ValuesView):
            result = list(result)
        spend(weight(result))
        return str(result) if isinstance(result, Markup) else result

    return wrapper


_OURS: Final[Mapping[str, Callable[..., Any]]] = {
    "abs": absolute,
    "b64decode": b64decode,
    "b64encode": b64encode,
    "defang": defang,
    "float": to_float,
    "from_json": from_json,
    "indent": indent,
    "int": to_int,
    "join": join,
    "regex_findall": regex_findall,
    "regex_replace": regex_replace,
    "regex_search": regex_search,
    "replace": replace,
    "round": rounded,
    "sha256": sha256,
    "split": split,
    "string": text,
    "sum": total,
    "timestamp": timestamp,
    "tojson": to_json,
    "urlencode": urlencode,
}
_STOCK: Final = (
    "count dictsort first groupby items last length list map max min reject rejectattr"
    " reverse select selectattr sort unique"
).split()
_TEXTUAL: Final = "capitalize lower title trim truncate upper wordcount".split()
TAKE_NOTHING: Final = frozenset({"d", "default", "float", "int", "tojson"})
"""Filters that have an answer to null."""
_GIVEN_NULL: Final = frozenset("float int map reject rejectattr select selectattr split".split())
"""Filters to which null may be given beside their subject."""

FILTERS: Final[Mapping[str, Callable[..., Any]]] = {
    "default": default,
    "d": default,
    **{name: paid(name, function) for name, function in _OURS.items()},
    **{name: paid(name, stock.FILTERS[name]) for name in _STOCK},
    **{name: paid(name, textual(name)) for name in _TEXTUAL},
}
