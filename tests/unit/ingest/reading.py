"""From a body to alerts the way the server takes it, without a server."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import orjson

from soar.clock import Millis
from soar.config import SourceSettings
from soar.ingest.body import read_json, write_json
from soar.ingest.kinds import load_kinds
from soar.ingest.normalize import normalize
from soar.ingest.signature import Evidence
from soar.ingest.source import Element, Source, make_source
from soar.model.alert import Alert, RawAlert

SAMPLES = Path(__file__).parents[3] / "connectors"
KINDS = load_kinds()
RECEIVED: Millis = 1_767_225_600_000


class _Anybody:
    needs_body = False

    def verify(self, evidence: Evidence, now: Millis) -> None:
        """Believe it."""


def source_of(kind: str, **entry: Any) -> Source:
    """A source of that kind; `mapping`, `severity_map`, `split` and `dedupe` as in soar.yaml."""
    auth = {"scheme": "bearer", "secret": "env:TOKEN"}
    settings = SourceSettings.model_validate({"kind": kind, "auth": auth, **entry})
    return make_source("siem", KINDS[kind], _Anybody(), settings)


def sample(kind: str, name: str) -> bytes:
    """A body as that sender sends it."""
    return (SAMPLES / kind / "samples" / name).read_bytes()


def elements(source: Source, body: Any) -> list[Element]:
    """A delivery, split."""
    return source.elements(read_json(body if isinstance(body, bytes) else orjson.dumps(body), 64))


def read(source: Source, body: Any) -> list[Alert]:
    """Every alert of a body (bytes, or data)."""
    return [normalize(source, _raw(source, element)) for element in elements(source, body)]


def keys(source: Source, *bodies: Any) -> list[str]:
    """What tells one alert from another, for every alert of the bodies."""
    return [source.key(element) for body in bodies for element in elements(source, body)]


def _raw(source: Source, element: Element) -> RawAlert:
    envelope = write_json(element.envelope) if element.envelope else None
    return RawAlert("a-1", source.name, source.key(element), RECEIVED, write_json(element.body), envelope)
