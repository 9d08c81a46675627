"""From a kept raw alert to the alert every playbook sees."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from pydantic import ValidationError

from soar.clock import rfc3339
from soar.errors import DeliveryMalformed, ExpressionFailed, NormalizeFailed
from soar.ingest.body import read_json, storable
from soar.ingest.severity import rank_of
from soar.ingest.source import Element, Source
from soar.ingest.values import ENTITIES, FIELDS, address, text, texts
from soar.model.alert import Alert, Observable, RawAlert
from soar.model.severity import RANKS, SEVERITIES, Severity
from soar.telemetry import FIELDS_UNREAD, logger

_DEPTH: Final = 1000
"""Deeper than any limit: what is read here was within the limit when it was taken."""
_OBSERVABLES: Final = 1000

_TOLD: Final = ("title", "description", "rule_name", "tags", "route")
"""Free text, in which a secret may stand as in `raw`; names and ids are left exact, for actions are taken by them."""

log = logger(__name__)


def normalize(source: Source, raw: RawAlert, mask: Callable[[Any], Any] = lambda data: data) -> Alert:
    """Read an alert by its source's mapping. A value that cannot be read leaves its field empty; `raw` keeps it.

    Raises:
        NormalizeFailed: it is no object, so nothing in it can be found.
    """
    element = Element(_read(raw.body), _read(raw.envelope) if raw.envelope else None)
    if not isinstance(element.body, dict):
        kind = "a list" if isinstance(element.body, list) else "a plain value"
        raise NormalizeFailed(f"the alert is {kind}, not an object; correct what the sender puts in its list")
    reading = _Reading(source, element)
    severity = reading.severity()
    fields: dict[str, Any] = {name: reading.field(name) for name in FIELDS}
    fields["tags"] = [*fields["tags"], *_cut_off(source, element)]
    fields |= mask({name: fields[name] for name in _TOLD})
    try:
        return Alert(
            id=raw.id,
            source=source.name,
            received_at=rfc3339(raw.received_at) or "",
            severity=severity,
            severity_id=RANKS[severity],
            observables=reading.observables(),
            raw=mask(element.body),
            **fields,
        )
    except ValidationError as error:
        names = ", ".join(sorted({str(detail["loc"][0]) for detail in error.errors()}))
        raise NormalizeFailed(f"the fields {names} could not be read; correct the mapping of '{source.name}'") from None


def _read(body: bytes) -> Any:
    try:
        return storable(read_json(body, _DEPTH), body)
    except DeliveryMalformed as error:
        raise NormalizeFailed(str(error)) from None


def _cut_off(source: Source, element: Element) -> list[str]:
    count = source.cut_off(element)
    return [f"truncated-by-sender:{count}"] if count else []


class _Reading:
    """One alert being read: the values found are kept, for they may be observables too."""

    def __init__(self, source: Source, element: Element) -> None:
        self._source = source
        self._element = element
        self._found: dict[str, Any] = {}

    def field(self, name: str) -> Any:
        """A field in its own type."""
        found = self._values(name)
        self._found[name] = found
        value = FIELDS[name](found)
        if value is None and found not in (None, "", []):
            self._unread(name, "cannot be read as this field")
        return value

    def severity(self) -> Severity:
        """The severity: its word, else its OCSF number, else unknown."""
        said = self._values("severity")
        word = self._source.severities.read(said)
        if word == "unknown" and (rank := rank_of(self._values("severity_id"))) is not None:
            return SEVERITIES[rank]
        return word

    def observables(self) -> list[Observable]:
        """What the sender lists, then every value of the fields that name somebody or something."""
        unique: dict[tuple[str, str], Observable] = {}
        for observable in (*self._listed(), *self._derived()):
            unique.setdefault((observable.type, observable.value), observable)
            if len(unique) == _OBSERVABLES:
                break
        return list(unique.values())

    def _listed(self) -> Iterator[Observable]:
        listed = self._values("observables")
        for item in listed if isinstance(listed, list) else []:
            if isinstance(item, dict):
                kind, value = text(item.get("type")), text(item.get("value"))
                if kind and value:
                    yield Observable(type=kind, value=value, role=text(item.get("role")))
            elif value := text(item):
                yield Observable(type="ip" if address(value) else "text", value=address(value) or value)

    def _derived(self) -> Iterator[Observable]:
        for name, (kind, role) in ENTITIES.items():
            for written in texts(self._found.get(name)):
                value = FIELDS[name](written)
                if value:
                    yield Observable(type=kind, value=value, role=role)

    def _values(self, name: str) -> Any:
        try:
            return self._source.values(name, self._element)
        except ExpressionFailed as error:
            self._unread(name, str(error))
            return None

    def _unread(self, name: str, reason: str) -> None:
        FIELDS_UNREAD.labels(self._source.name, name).inc()
        log.debug("alert field left empty", source=self._source.name, field=name, reason=reason)
