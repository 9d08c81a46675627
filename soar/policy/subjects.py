"""Which values of a call name somebody or something: found by the parameter's schema and name, not by where they came
from, so that whatever is really passed is what is looked at (I01).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal
from urllib.parse import unquote

from soar.model.action import ActionSpec

Kind = Literal["address", "client", "user", "host", "free"]

_FORMATS: Final[Mapping[str, Kind]] = {
    **dict.fromkeys(("ipv4", "ipv6", "ipv4network", "ipv6network", "ipv4interface", "ipv6interface"), "address"),
    **dict.fromkeys(("hostname", "idn-hostname"), "host"),
    **dict.fromkeys(("email", "idn-email"), "user"),
}
_WORDS: Final[tuple[tuple[Kind, frozenset[str]], ...]] = (
    ("address", frozenset("ip ips ipv4 ipv6 cidr cidrs network networks subnet subnets".split())),
    ("client", frozenset("client clients".split())),
    ("user", frozenset("user users username usernames account accounts principal login email".split())),
    ("host", frozenset("host hosts hostname hostnames fqdn domain domains machine endpoint device".split())),
)
_PROSE: Final = frozenset("reason text title body summary message note notes comment description subject".split())
"""Parameters for people to read: an address mentioned there is not aimed at."""
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_PARTS: Final = re.compile(r"[^A-Za-z0-9]+")
_PATH: Final = re.compile(r"[/?&=#]+")
_ORIGIN: Final = re.compile(r"^https?://[^/?#]*", re.IGNORECASE)
_PATHS: Final = frozenset({"path", "url", "uri"})
MAX_VALUES: Final = 10_000


@dataclass(frozen=True, slots=True)
class Subject:
    """One value that is looked at."""

    kind: Kind
    parameter: str
    """`ip`, `json.targets[2]`: how it is named to people."""
    value: Any
    needed: bool = False
    """The action cannot do without it."""


class TooManyValues(ValueError):
    """More values than can be looked at in good time."""


Kinds = Mapping[str, Kind | None]


def subjects(spec: ActionSpec, inputs: Mapping[str, Any], kinds: Kinds) -> Iterator[Subject]:
    """Every value of the call that names an address, a client, a user or a host, or may.

    Raises:
        TooManyValues: there are more than 10,000.
    """
    needed = frozenset(spec.params.get("required", ()))
    count = 0
    for name, value in inputs.items():
        kind = kinds.get(name, "free")
        if kind is None:
            if not isinstance(value, Mapping | list | tuple):
                continue
            kind = "free"  # a body that is data is read by a system, whatever the parameter is called
        for subject in _leaves(kind, name, value, name in needed, paths=name in _PATHS):
            count += 1
            if count > MAX_VALUES:
                raise TooManyValues(f"more than {MAX_VALUES} values")
            yield subject
    for name in needed - set(inputs):
        kind = kinds.get(name)
        if kind not in (None, "free"):
            yield Subject(kind, name, None, needed=True)


def _leaves(kind: Kind, name: str, value: Any, needed: bool, *, paths: bool) -> Iterator[Subject]:
    if isinstance(value, Mapping):
        for key, item in value.items():
            yield Subject("free", f"{name} (key)", str(key))
            yield from _leaves(kind, f"{name}.{key}", item, False, paths=paths)
    elif isinstance(value, list | tuple | set | frozenset):
        if not value and kind != "free":
            yield Subject(kind, name, None, needed)
        for place, item in enumerate(value):
            yield from _leaves(kind, f"{name}[{place}]", item, True, paths=paths)
    elif kind != "free":
        yield Subject(kind, name, value, needed)
    elif isinstance(value, str) and paths:
        # Where the request goes is the allow-list's to judge; what the path names may be what it is aimed at.
        told = _ORIGIN.sub("", value)
        yield from (Subject("free", name, unquote(part)) for part in _PATH.split(told) if part)
    elif isinstance(value, str):
        yield Subject("free", name, value)


def parameter_kinds(spec: ActionSpec) -> Kinds:
    """The kind of each parameter; None for text that people read."""
    properties = spec.params.get("properties", {})
    return {name: _kind(name, list(_formats(schema))) for name, schema in properties.items()}


def _kind(name: str, formats: list[str]) -> Kind | None:
    for format in formats:
        if format in _FORMATS:
            return _FORMATS[format]
    words = [word.lower() for part in _PARTS.split(name) for word in _CAMEL.split(part) if word]
    for kind, known in _WORDS:
        if known & set(words):
            return kind
    return None if words and words[-1] in _PROSE else "free"


def _formats(schema: Mapping[str, Any]) -> Iterator[str]:
    """The formats that a parameter's schema names, in it, in its alternatives and in its items."""
    if isinstance(schema.get("format"), str):
        yield schema["format"]
    for key in ("anyOf", "oneOf", "allOf"):
        for part in schema.get(key, ()):
            yield from _formats(part)
    items = schema.get("items")
    if isinstance(items, Mapping):
        yield from _formats(items)
