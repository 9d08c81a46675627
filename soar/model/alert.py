"""An alert as every playbook sees it, and the raw alert it was made from."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from soar.clock import Millis
from soar.model.severity import Severity


class Observable(BaseModel):
    """A typed value worth pivoting on (OCSF `observable`)."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    type: str
    value: str
    role: str | None = None


class Alert(BaseModel):
    """One detection, flat, with the meanings of OCSF Detection Finding (class 2004).

    The same path serves a trigger and a template: `alert.src_ip`. Instants are
    RFC 3339 text in UTC. A field the sender did not give is None, never "".
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    """Ours; the sender's own is `source_ref`."""
    source: str
    """The name of the source in `soar.yaml`."""
    source_ref: str | None = None
    """The sender's own id of this detection."""
    tenant: str | None = None
    tags: list[str] = Field(default_factory=list)
    title: str | None = None
    description: str | None = None
    rule_id: str | None = None
    rule_name: str | None = None
    attacks: list[str] = Field(default_factory=list)
    """MITRE ATT&CK ids, such as `T1528`."""
    severity: Severity = "unknown"
    severity_id: int = 0
    """The rank of `severity`, 0 to 6."""
    risk_score: float | int | None = None
    """0 to 100."""
    confidence: float | int | None = None
    """0 to 100."""
    status: str | None = None
    """What the sender says of its life: `new`, `resolved`, ..."""
    verdict: str | None = None
    disposition: str | None = None
    """What the sensor already did about it."""
    occurred_at: str | None = None
    detected_at: str | None = None
    received_at: str
    src_ip: str | None = None
    country: str | None = None
    asn: str | None = None
    host: str | None = None
    user: str | None = None
    account_id: str | None = None
    client_id: str | None = None
    """An API or OAuth client."""
    token_id: str | None = None
    """The jti or handle of a token, never the token."""
    api_key_id: str | None = None
    session_id: str | None = None
    method: str | None = None
    route: str | None = None
    request_id: str | None = None
    observables: list[Observable] = Field(default_factory=list)
    raw: Any = None
    """The parsed body as it came."""


ALERT_FIELDS: frozenset[str] = frozenset(Alert.model_fields)
"""Every name a trigger may test and a template may read below `alert`."""

OURS: frozenset[str] = frozenset({"id", "source", "tenant", "received_at", "raw"})
"""Fields a body can never set, whatever it says."""


@dataclass(frozen=True, slots=True)
class RawAlert:
    """One alert of a delivery as it came: verified, split, kept before the 202.

    `body` is the JSON text of this one alert (bytes in UTF-8), `envelope` that
    of what the delivery said about all of them (a batch's receiver, group,
    number of alerts the sender cut off), or None.
    """

    id: str
    source: str
    dedupe_key: str
    received_at: Millis
    body: bytes
    envelope: bytes | None = None
    state: Literal["received", "processed", "failed"] = "received"
    error: str | None = None
    hops: int = 0
    """How many executions led to it: said by the event it tells of, or by a delivery of our own (M01)."""


@dataclass(frozen=True, slots=True)
class KeptAlert:
    """What the sender is told of one alert: its id, and whether we had it already."""

    id: str
    duplicate: bool


@dataclass(frozen=True, slots=True)
class Match:
    """Why one playbook did or did not fire on one alert."""

    playbook_id: str
    playbook_digest: str
    outcome: Literal["matched", "unmatched", "error"]
    trace: dict[str, Any] = field(default_factory=dict)
    """JSON: which selections held, which test failed on which value, or the error."""
