"""A playbook run by hand: its alert is kept and opened the same way as any other, so a crash loses neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import orjson

from soar.clock import Millis, rfc3339
from soar.errors import NormalizeFailed
from soar.ids import derived_id, new_id
from soar.ingest.body import write_json
from soar.ingest.kinds import SourceKind
from soar.ingest.signature import Evidence
from soar.ingest.source import RESERVED, Source, make_source
from soar.model.actor import Actor
from soar.model.alert import RawAlert
from soar.model.execution import ExecutionMode
from soar.model.playbook import Playbook
from soar.store.units import Event

MANUAL: Final = RESERVED
_SCHEDULE: Final = "timer:schedule"


@dataclass(frozen=True, slots=True)
class ManualRun:
    """What was asked for: which playbook, and by whom."""

    playbook_id: str
    actor: str
    inputs: Mapping[str, Any] = field(default_factory=dict)
    mode: ExecutionMode = "live"

    @property
    def by_schedule(self) -> bool:
        """Whether nobody asked: dates and stop switches hold for it as for every trigger."""
        return self.actor == _SCHEDULE


class _NeverByWebhook:
    """There is no delivery to verify: the request's own token was checked."""

    needs_body = False

    def verify(self, evidence: Evidence, now: Millis) -> None:  # noqa: ARG002 # one shape for all schemes
        raise AssertionError(f"the source '{MANUAL}' takes no deliveries")


def manual_source(kinds: Mapping[str, SourceKind]) -> Source:
    """The source of alerts given by hand; they are read as kind `generic` is."""
    return make_source(MANUAL, kinds["generic"], _NeverByWebhook())


def by_hand(
    playbook_id: str,
    alert: Mapping[str, Any],
    actor: Actor,
    now: Millis,
    inputs: Mapping[str, Any] | None = None,
    mode: ExecutionMode = "live",
    hops: int = 0,
) -> RawAlert:
    """The raw alert of a run by hand: never a duplicate, for a person asked for it."""
    alert_id = new_id()
    asked = {"playbook": playbook_id, "actor": str(actor), "inputs": dict(inputs or {}), "mode": mode}
    return RawAlert(alert_id, MANUAL, f"run:{alert_id}", now, write_json(dict(alert)), orjson.dumps(asked), hops=hops)


def firing(playbook: Playbook, fire_at: Millis, missed: int, now: Millis) -> RawAlert:
    """The raw alert of one firing of a schedule: unique by playbook and fire time, whoever rings (J07, C09)."""
    at = rfc3339(fire_at)
    name = playbook.name or playbook.id
    alert = {"title": f"Scheduled: {name}", "rule_name": playbook.id, "occurred_at": at, "missed_firings": missed}
    asked = {"playbook": playbook.id, "actor": _SCHEDULE}
    key = f"schedule:{playbook.id}:{at}"
    return RawAlert(derived_id(MANUAL, key), MANUAL, key, now, write_json(alert), orjson.dumps(asked))


def of_event(event: Event, now: Millis) -> RawAlert:
    """The raw alert of an event: unique by the event, whoever reads it first."""
    alert = {**dict(event.data), "title": event.name, "rule_name": event.name, "occurred_at": rfc3339(event.at)}
    told = orjson.dumps({"event": event.name})
    key = f"event:{event.id}"
    return RawAlert(derived_id(MANUAL, key), MANUAL, key, now, write_json(alert), told, hops=event.hops + 1)


def event_of(raw: RawAlert) -> str | None:
    """The name of the event it tells of; None when it tells of none."""
    name = _envelope(raw).get("event")
    return name if isinstance(name, str) else None


def _envelope(raw: RawAlert) -> dict[str, Any]:
    try:
        told = orjson.loads(raw.envelope) if raw.envelope else {}
    except orjson.JSONDecodeError:
        return {}
    return told if isinstance(told, dict) else {}


def execution_id(raw: RawAlert, playbook_id: str) -> str:
    """The execution that opens for it, known before it opens."""
    return derived_id(raw.id, playbook_id)


def run_of(raw: RawAlert) -> ManualRun:
    """What was asked for with that raw alert.

    Raises:
        NormalizeFailed: it says nothing of the kind.
    """
    try:
        asked = orjson.loads(raw.envelope or b"")
        return ManualRun(asked["playbook"], asked["actor"], asked.get("inputs", {}), asked.get("mode", "live"))
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise NormalizeFailed("the alert was given by hand, and does not say for which playbook") from None
