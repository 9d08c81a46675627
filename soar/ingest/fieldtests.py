"""One test of a trigger, compiled: what it says of one alert, in Sigma's own meaning."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
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


Answer = bool | Incomparable
"""True, false, or why it cannot be said."""


def either(answers: Iterable[Answer]) -> Answer:
    """One true answer decides, in whatever order they come; else an error outweighs false."""
    error: Incomparable | None = None
    for answer in answers:
        if answer is True:
            return True
        if isinstance(answer, Incomparable):
            error = error or answer
    return error or False


def both(answers: Iterable[Answer]) -> Answer:
    """One false answer decides, in whatever order they come; else an error outweighs true."""
    return opposite(either(opposite(answer) for answer in answers))


def opposite(answer: Answer) -> Answer:
    """What `not` makes of an answer: an error stays one."""
    return answer if isinstance(answer, Incomparable) else not answer


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


Predicate = Callable[[Any, Alert], bool]


@dataclass(frozen=True, slots=True)
class CompiledTest:
    """A test with its values made ready."""

    test: FieldTest
    predicates: tuple[Predicate, ...]

    @classmethod
    def of(cls, test: FieldTest) -> CompiledTest:
        return cls(test, tuple(_predicate(test, value) for value in test.values))

    def holds(self, alert: Alert) -> Answer:
        """Whether it holds, where that can be said."""
        answer = self._found(lookup(alert, self.test.field), alert)
        return opposite(answer) if self.test.negated else answer

    def _found(self, value: Any, alert: Alert) -> Answer:
        if self.test.operator == "exists":
            return all((value is not MISSING) is wanted for wanted in self.test.values)
        elements = [] if value is MISSING else list(_elements(value))
        join = both if self.test.every else either
        return join(
            either(_answer(predicate, one, alert) for one in elements or (None,)) for predicate in self.predicates
        )

    def trace(self, alert: Alert) -> dict[str, Any]:
        """What was asked of which value, and the answer, for people."""
        value = lookup(alert, self.test.field)
        told: dict[str, Any] = {"test": self.test.key, "wanted": list(self.test.values)}
        if value is MISSING:
            told["missing"] = True
        else:
            told["value"] = value if len(str(value)) <= 500 else f"{str(value)[:500]}..."
        held = self.holds(alert)
        if isinstance(held, Incomparable):
            told["error"] = str(held)
        else:
            told["held"] = held
        return told


def _answer(predicate: Predicate, found: Any, alert: Alert) -> Answer:
    try:
        return predicate(found, alert)
    except Incomparable as error:
        return error


def _elements(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for item in value:
            yield from _elements(item)
    else:
        yield value


def _predicate(test: FieldTest, value: Scalar) -> Predicate:
    """What one value asks of one element. Nothing but null equals null, and an object is no text."""
    if value is None:
        return lambda found, _: found is None
    asked = _asked(test, value)
    if test.operator in _COMPARISONS:
        return lambda found, alert: found is not None and asked(found, alert)
    return lambda found, alert: not (found is None or isinstance(found, dict)) and asked(found, alert)


def _asked(test: FieldTest, value: Scalar) -> Predicate:
    operator = test.operator
    if operator in _COMPARISONS:
        return _comparison(test, value)
    if operator == "cidr":
        network = _network(str(value))
        return lambda found, _: _inside(found, network)
    if operator == "re":
        pattern = compiled(str(value))
        return lambda found, _: pattern.search(_text(found)) is not None
    if operator == "fieldref":
        return lambda found, alert: _refers(found, lookup(alert, str(value)), cased=test.cased)
    if operator == "exists":
        return lambda *_: True
    return _equality(test, value)


def _equality(test: FieldTest, value: Scalar) -> Predicate:
    """`equals`, `contains`, `startswith`, `endswith`, with `*` and `?`, whatever the case unless `cased`."""
    if isinstance(value, bool) or value is None:
        word = _text(value)
        return lambda found, _: _text(found).casefold() == word
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


def _comparison(test: FieldTest, wanted: Scalar) -> Predicate:
    compare = _COMPARISONS[test.operator]
    if test.field == "severity":
        rank = RANKS[str(wanted)]
        return lambda found, _: compare(RANKS.get(str(found).lower(), 0), rank)

    def holds(found: Any, _: Alert) -> bool:
        if isinstance(found, bool) or not isinstance(found, int | float):
            raise Incomparable(f"{test.key}: {found!r:.80} is {_kind(found)} and cannot be compared with {wanted!r}")
        return compare(found, wanted)  # type: ignore[arg-type]

    return holds


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network:
    """A network; one of IPv4 addresses inside IPv6 ones (`::ffff:192.0.2.0/120`) is that of the IPv4 addresses."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - 96))


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
