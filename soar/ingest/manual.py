"""A playbook run by hand: its alert is kept and opened the same way as any other, so a crash loses neither."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import orjson

from soar.clock import Millis
from soar.errors import NormalizeFailed
from soar.ids import derived_id, new_id
from soar.ingest.body import write_json
from soar.ingest.kinds import SourceKind
from soar.ingest.signature import Evidence
from soar.ingest.source import RESERVED, Source, make_source
from soar.model.actor import Actor
from soar.model.alert import RawAlert

MANUAL: Final = RESERVED


@dataclass(frozen=True, slots=True)
class ManualRun:
    """What was asked for: which playbook, and by whom."""

    playbook_id: str
    actor: str


class _NeverByWebhook:
    """There is no delivery to verify: the request's own token was checked."""

    needs_body = False

    def verify(self, evidence: Evidence, now: Millis) -> None:  # noqa: ARG002 # one shape for all schemes
        raise AssertionError(f"the source '{MANUAL}' takes no deliveries")


def manual_source(kinds: Mapping[str, SourceKind]) -> Source:
    """The source of alerts given by hand; they are read as kind `generic` is."""
    return make_source(MANUAL, kinds["generic"], _NeverByWebhook())


def by_hand(playbook_id: str, alert: Mapping[str, Any], actor: Actor, now: Millis) -> RawAlert:
    """The raw alert of a run by hand: never a duplicate, for a person asked for it."""
    alert_id = new_id()
    asked = {"playbook": playbook_id, "actor": str(actor)}
    return RawAlert(alert_id, MANUAL, f"run:{alert_id}", now, write_json(dict(alert)), orjson.dumps(asked))


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
        return ManualRun(asked["playbook"], asked["actor"])
    except (orjson.JSONDecodeError, KeyError, TypeError):
        raise NormalizeFailed("the alert was given by hand, and does not say for which playbook") from None
