"""A configured source: its proof, its mapping, and what makes two of its alerts the same one."""

from __future__ import annotations

import difflib
import hashlib
import ipaddress
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from pydantic import SecretStr

from soar.config import Settings, SourceSettings
from soar.errors import ConfigError, DeliveryMalformed, ExpressionFailed, ExpressionSyntax, Problem
from soar.expression import compile_expression
from soar.ingest.body import write_json
from soar.ingest.kinds import SourceKind
from soar.ingest.paths import MISSING, Path
from soar.ingest.severity import SeverityMap
from soar.ingest.signature import Verifier, make_verifier
from soar.ingest.values import text
from soar.model.alert import ALERT_FIELDS, OURS
from soar.model.playbook import Expression

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Resolve = Callable[[str, str], SecretStr]
"""From a secret's reference and the setting it stands in to the secret."""

RESERVED: Final = "manual"
"""The source name of alerts given by hand."""

_ENVELOPE: Final = "envelope."


@dataclass(frozen=True, slots=True)
class Element:
    """One alert of a delivery before it has an id."""

    body: Any
    envelope: Any = None


@dataclass(frozen=True, slots=True)
class Source:
    """Everything needed to take a delivery and to read its alerts."""

    name: str
    kind: SourceKind
    verifier: Verifier
    networks: tuple[Network, ...] = ()
    mapping: Mapping[str, Expression | None] = field(default_factory=dict)
    """Expressions of the installation by field; None leaves a field empty whatever the body says."""
    paths: Mapping[str, tuple[Path, ...]] = field(default_factory=dict)
    severities: SeverityMap = field(default_factory=lambda: SeverityMap({}))
    splits: tuple[Path, ...] = ()
    unwrap: Path | None = None
    truncated: Path | None = None
    dedupe: tuple[tuple[Path, ...], ...] = ()
    own_dedupe: tuple[Path, ...] = ()
    """Paths the installation chose; they come before everything else."""

    def allows(self, address: Address | None) -> bool:
        """Whether deliveries may come from there; an IPv4 address inside IPv6 is the IPv4 one (A14)."""
        if not self.networks:
            return True
        if address is None:
            return False
        plain = getattr(address, "ipv4_mapped", None) or address
        return any(plain in network for network in self.networks)

    def elements(self, content: Any) -> list[Element]:
        """The alerts of a delivery: one bad element does not lose the others, it becomes a dead letter.

        Raises:
            DeliveryMalformed: it is neither an object nor a list, or lacks the list its kind must have.
        """
        if isinstance(content, list):
            return [element for item in content for element in self._split(item)]
        if not isinstance(content, dict):
            raise DeliveryMalformed("the body must be a JSON object, or a list of them")
        return self._split(content)

    def _split(self, content: Any) -> list[Element]:
        if not self.splits or not isinstance(content, dict):
            return [Element(content)]
        must = self.kind.otherwise == "refuse"
        for split in self.splits:
            listed = split.find(content)
            if isinstance(listed, list) and (listed or must):
                envelope = _without(content, split.text)
                return [Element(item, envelope) for item in listed]
        if must:
            raise DeliveryMalformed(f"the body of a {self.kind.kind} source must have a list '{self.splits[0].text}'")
        return [Element(content)]

    def values(self, name: str, element: Element) -> Any:
        """What the sender says of a field: the mapping's answer, else the first of the kind's paths with a value.

        Raises:
            ExpressionFailed: the mapping's expression gave an error.
        """
        if name in self.mapping:
            expression = self.mapping[name]
            return None if expression is None else expression.evaluate(self.scope(element))
        for path in self.paths.get(name, ()):
            found = self._find(path, element)
            if not _empty(found):
                return found
        return None

    def scope(self, element: Element) -> dict[str, Any]:
        """What a mapping's expression may read: the body's own keys, `body`, `raw` and `envelope`."""
        own = element.body if isinstance(element.body, dict) else {}
        return {**own, "body": element.body, "raw": element.body, "envelope": element.envelope}

    def _find(self, path: Path, element: Element) -> Any:
        if path.text.startswith(_ENVELOPE):
            return Path.find(_inside_envelope(path), element.envelope)
        if self.unwrap is not None:
            found = path.find(self.unwrap.find(element.body))
            if found is not MISSING:
                return found
        return path.find(element.body)

    def key(self, element: Element) -> str:
        """What makes it the same alert as another: chosen paths, the sender's own id, else all of it (A04, A05)."""
        material: list[Any]
        if self.own_dedupe:
            material = ["paths", *(self._told(path, element) for path in self.own_dedupe)]
        elif "source_ref" not in self.mapping and (chosen := self._alternative(element)):
            material = ["paths", *(self._told(path, element) for path in chosen)]
        elif reference := self.reference(element):
            material = ["ref", reference]
        else:
            material = ["body", element.body]
        return hashlib.sha256(write_json(material, canonical=True)).hexdigest()[:40]

    def _told(self, path: Path, element: Element) -> list[Any]:
        """A value so that 0, false, "", null and missing differ."""
        found = self._stands(path, element)
        return [] if found is MISSING else [found]

    def _stands(self, path: Path, element: Element) -> Any:
        """As the path says, from the top of the body; only then inside `unwrap`.

        A row of Splunk's may have a column `result` of its own, and the key needs the whole row.
        """
        found = path.find(element.body)
        return self._find(path, element) if found is MISSING else found

    def _alternative(self, element: Element) -> tuple[Path, ...]:
        for alternative in self.dedupe:
            if text(self._stands(alternative[0], element)) is not None:
                return alternative
        return ()

    def reference(self, element: Element) -> str | None:
        """The sender's own id."""
        try:
            return text(self.values("source_ref", element))
        except ExpressionFailed:
            return None

    def cut_off(self, element: Element) -> int:
        """How many alerts the sender left out of the delivery (A16)."""
        found = self.truncated.find(element.envelope) if self.truncated else None
        return found if isinstance(found, int) and not isinstance(found, bool) and found > 0 else 0


def _empty(found: Any) -> bool:
    """Whether that is how a sender says "not set"."""
    return found is MISSING or found is None or found == [] or (isinstance(found, str) and not found.strip())


def _inside_envelope(path: Path) -> Path:
    return Path.parse(path.text.removeprefix(_ENVELOPE))


def _without(content: Mapping[str, Any], path: str) -> dict[str, Any]:
    """The body without its list of alerts."""
    head, _, rest = path.partition(".")
    if path in content or not rest or not isinstance(content.get(head), dict):
        return {key: value for key, value in content.items() if key != path}
    return {key: _without(value, rest) if key == head else value for key, value in content.items()}


def open_sources(settings: Settings, kinds: Mapping[str, SourceKind], resolve: Resolve) -> dict[str, Source]:
    """Every configured source, ready to take deliveries.

    Raises:
        ConfigError: with every problem of every source, a missing secret among them.
    """
    sources: dict[str, Source] = {}
    problems: list[Problem] = []
    for name, entry in settings.sources.items():
        if faults := _problems(settings, name, kinds):
            problems.extend(faults)
            continue
        try:
            secrets = [resolve(reference, f"sources.{name}.auth.secret") for reference in entry.auth.secret]
            verifier = make_verifier(name, entry.auth, [secret.get_secret_value() for secret in secrets])
        except ConfigError as error:
            location = settings.place("sources", name, "auth", "secret")
            problems.append(Problem(location, str(error), "set the secret, then start again"))
        else:
            sources[name] = make_source(name, kinds[entry.kind], verifier, entry)
    if problems:
        raise ConfigError("\n".join(map(str, problems)), problems)
    return sources


def check_sources(settings: Settings, kinds: Mapping[str, SourceKind]) -> list[Problem]:
    """Everything wrong with the sources that can be told without their secrets."""
    return [problem for name in settings.sources for problem in _problems(settings, name, kinds)]


def _problems(settings: Settings, name: str, kinds: Mapping[str, SourceKind]) -> list[Problem]:
    return [
        Problem(settings.place("sources", name, *path), f"source '{name}': {message}", remedy)
        for path, message, remedy in _faults(name, settings.sources[name], kinds)
    ]


def _faults(
    name: str, entry: SourceSettings, kinds: Mapping[str, SourceKind]
) -> Iterable[tuple[Sequence[str], str, str]]:
    kind = kinds.get(entry.kind)
    if name == RESERVED:
        yield (), "that name is taken: alerts given by hand have it", "take another name"
    if kind is None:
        near = difflib.get_close_matches(entry.kind, kinds, 1)
        yield ("kind",), f"there is no kind '{entry.kind}'", f"use one of {', '.join(near or sorted(kinds))}"
    elif entry.auth.scheme not in kind.auth:
        message = f"a {kind.kind} sender cannot use scheme {entry.auth.scheme}"
        yield ("auth", "scheme"), message, f"use one of {', '.join(kind.auth)}"
    for target, written in entry.mapping.items():
        if fault := _mapping_fault(target, written):
            yield ("mapping", target), *fault
    for path in (*entry.dedupe, *([entry.split] if entry.split else [])):
        try:
            Path.parse(path)
        except ValueError as error:
            yield ("dedupe" if path in entry.dedupe else "split",), str(error), "write keys with dots between them"
    try:
        SeverityMap(entry.severity_map)
    except ValueError as error:
        yield ("severity_map",), str(error), "use one of our words"


def _mapping_fault(name: str, written: Any) -> tuple[str, str] | None:
    if name in OURS:
        return f"mapping: '{name}' is always ours, whatever a body says", "remove it"
    if name not in ALERT_FIELDS:
        near = difflib.get_close_matches(name, ALERT_FIELDS - OURS, 1)
        known = ", ".join(sorted(ALERT_FIELDS - OURS))
        return (
            f"mapping: there is no alert field '{name}'",
            f"did you mean '{near[0]}'?" if near else f"use one of {known}",
        )
    try:
        _compiled(written)
    except ExpressionSyntax as error:
        return f"mapping: {name}: {error}", 'write an expression, such as data.srcip or body["event.id"]'
    return None


def make_source(name: str, kind: SourceKind, verifier: Verifier, entry: SourceSettings | None = None) -> Source:
    """A source of that kind, with the installation's own rules over those of the kind; they were checked before."""
    splits = (entry.split,) if entry and entry.split else kind.alerts
    source = Source(
        name=name,
        kind=kind,
        verifier=verifier,
        paths={target: tuple(map(Path.parse, paths)) for target, paths in kind.fields.items()},
        severities=SeverityMap({**kind.severity_map, **(entry.severity_map if entry else {})}),
        splits=tuple(map(Path.parse, splits)),
        unwrap=Path.parse(kind.unwrap) if kind.unwrap else None,
        truncated=Path.parse(kind.truncated) if kind.truncated else None,
        dedupe=tuple(tuple(map(Path.parse, paths)) for paths in kind.dedupe),
    )
    if entry is None:
        return source
    return replace(
        source,
        networks=tuple(map(plain_network, entry.allow)),
        mapping={target: _compiled(written) for target, written in entry.mapping.items()},
        own_dedupe=tuple(map(Path.parse, entry.dedupe)),
    )


def plain_network(text: str) -> Network:
    """A network; one of IPv4 addresses inside IPv6 is the IPv4 one."""
    network = ipaddress.ip_network(text, strict=False)
    mapped = getattr(network.network_address, "ipv4_mapped", None)
    if mapped is None or network.prefixlen < 96:
        return network
    return ipaddress.IPv4Network((mapped, network.prefixlen - 96))


def _compiled(written: Any) -> Expression | None:
    """A mapping's value: an expression, bare or wholly in `{{ }}`; a number or null stands for itself."""
    if written is None:
        return None
    source = written.strip() if isinstance(written, str) else write_json(written).decode()
    if source.startswith("{{") and source.endswith("}}"):
        source = source[2:-2].strip()
    return compile_expression(source, any_name=True)
