"""One test of a trigger, compiled: what it says of one alert, in Sigma's own meaning."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from soar.expression.patterns import compiled
from soar.model.alert import Alert
from soar.model.severity import RANKS
from soar.model.trigger import FieldTest, Scalar

MISSING: Final = object()
_COMPARISONS: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "lt": lambda a, b: a < b,
    "lte": lambda a, b: a <= b,
    "gt": lambda a, b: a > b,
    "gte": lambda a, b: a >= b,
}


class Incomparable(Exception):
    """Two types that cannot be compared: an error of the selection, never a quiet no."""


def lookup(alert: Alert, field: str) -> Any:
    """The value of an alert field or `raw.path`; MISSING when there is none. A list stands for its elements."""
    head, _, rest = field.partition(".")
    if head == "raw":
        return _below(alert.raw, rest)
    if head == "observables":
        return [getattr(one, rest) for one in alert.observables] or MISSING
    value = getattr(alert, field)
    return MISSING if value is None else value


def _below(data: Any, path: str) -> Any:
    """A path in the sender's body: the whole name first, then part by part; both `a.b` and nested are found."""
    if isinstance(data, list):
        found = [value for item in data if (value := _below(item, path)) is not MISSING]
        return found or MISSING
    if not isinstance(data, dict):
        return MISSING
    if path in data:
        return MISSING if data[path] is None else data[path]
    parts = path.split(".")
    for cut in range(len(parts) - 1, 0, -1):
        head = ".".join(parts[:cut])
        if head in data and (found := _below(data[head], ".".join(parts[cut:]))) is not MISSING:
            return found
    return MISSING


@dataclass(frozen=True, slots=True)
class CompiledTest:
    """A test with its values made ready."""

    test: FieldTest
    predicates: tuple[Callable[[Any, Alert], bool], ...]

    @classmethod
    def of(cls, test: FieldTest) -> CompiledTest:
        return cls(test, tuple(_predicate(test, value) for value in test.values))

    def holds(self, alert: Alert) -> bool:
        """Whether it holds; raises Incomparable when that cannot be said."""
        test = self.test
        value = lookup(alert, test.field)
        if test.operator == "exists":
            return all((value is not MISSING) is wanted for wanted in test.values) is not test.negated
        if value is MISSING or value == []:
            return (None in test.values and test.operator == "equals") is not test.negated
        elements = list(_elements(value))
        results = (any(predicate(one, alert) for one in elements) for predicate in self.predicates)
        return (all(results) if test.every else any(results)) is not test.negated

    def trace(self, alert: Alert) -> dict[str, Any]:
        """What was asked of which value, and the answer, for people."""
        value = lookup(alert, self.test.field)
        told: dict[str, Any] = {"test": self.test.key, "wanted": list(self.test.values)}
        if value is MISSING:
            told["missing"] = True
        else:
            told["value"] = value if len(str(value)) <= 500 else f"{str(value)[:500]}..."
        try:
            told["held"] = self.holds(alert)
        except Incomparable as error:
            told["error"] = str(error)
        return told


def _elements(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item)
    else:
        yield value


def _predicate(test: FieldTest, value: Scalar) -> Callable[[Any, Alert], bool]:
    operator = test.operator
    if operator in _COMPARISONS:
        return _comparison(test, value)
    if operator == "cidr":
        network = ipaddress.ip_network(str(value), strict=False)
        return lambda found, _: _inside(found, network)
    if operator == "re":
        pattern = compiled(str(value))
        return lambda found, _: pattern.search(_text(found)) is not None
    if operator == "fieldref":
        return lambda found, alert: _refers(found, lookup(alert, str(value)), cased=test.cased)
    if operator == "exists":
        return lambda *_: True
    return _equality(test, value)


def _equality(test: FieldTest, value: Scalar) -> Callable[[Any, Alert], bool]:
    """`equals`, `contains`, `startswith`, `endswith`, with `*` and `?`, whatever the case unless `cased`."""
    if isinstance(value, bool) or value is None:
        word = _text(value)
        return lambda found, _: value is not None and _text(found).casefold() == word
    if isinstance(value, int | float):
        return lambda found, _: not isinstance(found, bool) and (found == value or found == str(value))
    parts = wildcard_parts(value)
    before = test.operator in ("contains", "endswith")
    after = test.operator in ("contains", "startswith")
    fold = (lambda text: text) if test.cased else str.casefold
    if all(isinstance(part, str) for part in parts):
        literal = fold("".join(part for part in parts if isinstance(part, str)))
        match (before, after):
            case (True, True):
                return lambda found, _: literal in fold(_text(found))
            case (False, True):
                return lambda found, _: fold(_text(found)).startswith(literal)
            case (True, False):
                return lambda found, _: fold(_text(found)).endswith(literal)
        return lambda found, _: fold(_text(found)) == literal
    body = "".join(re.escape(fold(part)) if isinstance(part, str) else part.pattern for part in parts)
    pattern = compiled(f"(?s)^{'.*' if before else ''}{body}{'.*' if after else ''}$")
    return lambda found, _: pattern.search(fold(_text(found))) is not None


@dataclass(frozen=True, slots=True)
class Wildcard:
    """`*` or `?` as a regular expression."""

    pattern: str


def wildcard_parts(text: str) -> list[str | Wildcard]:
    r"""Literal stretches and wildcards: `*`, `?`; `\*`, `\?`, `\\` before a wildcard are the characters (Sigma)."""
    parts: list[str | Wildcard] = []
    literal: list[str] = []
    position = 0
    while position < len(text):
        character = text[position]
        following = text[position + 1 : position + 2]
        if character == "\\" and following in ("*", "?", "\\"):
            literal.append(following)
            position += 2
            continue
        if character in "*?":
            if literal:
                parts.append("".join(literal))
                literal = []
            parts.append(Wildcard(".*" if character == "*" else "."))
        else:
            literal.append(character)
        position += 1
    if literal or not parts:
        parts.append("".join(literal))
    return parts


def _comparison(test: FieldTest, wanted: Scalar) -> Callable[[Any, Alert], bool]:
    compare = _COMPARISONS[test.operator]
    if test.field == "severity":
        rank = RANKS[str(wanted)]
        return lambda found, _: compare(RANKS.get(str(found).lower(), 0), rank)

    def holds(found: Any, _: Alert) -> bool:
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Incomparable(f"{test.key}: {found!r:.80} is {_kind(found)} and cannot be compared with {wanted!r}")
        return compare(found, wanted)  # type: ignore[arg-type]

    return holds


def _inside(found: Any, network: ipaddress.IPv4Network | ipaddress.IPv6Network) -> bool:
    """Membership; an IPv4 address inside an IPv6 one (`::ffff:192.0.2.9`) is the IPv4 address."""
    try:
        address = ipaddress.ip_address(str(found).partition("%")[0])
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address) in network if (mapped or address).version == network.version else False


def _refers(found: Any, other: Any, *, cased: bool) -> bool:
    if other is MISSING:
        return False
    others: Sequence[Any] = list(_elements(other))
    one = _text(found)
    return any(one == _text(two) if cased else one.casefold() == _text(two).casefold() for two in others)


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return value if isinstance(value, str) else str(value)


def _kind(value: Any) -> str:
    names = {str: "text", bool: "true or false", dict: "an object", list: "a list"}
    return names.get(type(value), type(value).__name__)
