"""Alerts: what came in, what became of it, and why."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from soar.errors import NotFound, PlaybookError
from soar.ingest.body import read_json, storable
from soar.ingest.match import explain
from soar.model.alert import Alert, Match
from soar.model.severity import Severity
from soar.runtime import Runtime
from soar.store import AlertFilter
from soar.store.units import AlertState
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Cursor, Limit, Served, Since, Until, listed, millis

router = APIRouter(prefix="/alerts", tags=["alerts"])

ENVELOPE_DEPTH = 1000
"""Deeper than any limit: it was within the limit when it was taken."""

EXPLAINED = 200
"""Playbooks the index had left out that are weighed again for one answer."""


@router.get("", summary="Alerts, newest first")
async def alerts(
    runtime: Served,
    state: AlertState | None = None,
    status: AlertState | None = None,
    source: str | None = None,
    severity: Severity | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """`state` is what became of an alert here; `status` is another name for it."""
    filters = AlertFilter(
        source=source, status=state or status, severity=severity, since=millis(since), until=millis(until)
    )
    return listed(await runtime.store.alerts.page(filters, cursor, limit), views.alert_line)


@router.get("/{alert_id}", summary="One alert with all its fields")
async def alert(runtime: Served, alert_id: str) -> Response:
    """A dead letter has `error` and the raw body instead of fields."""
    stored = await runtime.store.alerts.get(alert_id)
    raw = await runtime.store.alerts.raw(alert_id)
    whole = views.alert_whole(stored)
    whole["envelope"] = _envelope(runtime, raw.envelope)
    if stored.alert is None:
        whole["raw"] = runtime.masker.text(raw.body.decode("utf-8", "replace"))
    return answer(whole)


def _envelope(runtime: Runtime, envelope: bytes | None) -> Any:
    """What the delivery said of all its alerts, with every number exact."""
    return runtime.masker.mask(storable(read_json(envelope, ENVELOPE_DEPTH), envelope)) if envelope else None


@router.get("/{alert_id}/raw", summary="The body as it came")
async def raw(runtime: Served, alert_id: str) -> Response:
    """The sender's own text, secrets masked and nothing else changed (B01)."""
    found = await runtime.store.alerts.raw(alert_id)
    text = runtime.masker.text(found.body.decode("utf-8", "replace"))
    return Response(text, media_type="application/json")


@router.get("/{alert_id}/matches", summary="Why each playbook did or did not fire")
async def matches(runtime: Served, alert_id: str) -> Response:
    """Playbooks that the index left out are weighed again, with the version of that moment."""
    found = await runtime.store.alerts.matches(alert_id)
    weighed = await runtime.store.alerts.catalog(alert_id)
    stored = await runtime.store.alerts.get(alert_id)
    known = {one.playbook_id for one in found}
    left_out = [member for member in weighed if member[0] not in known] if stored.alert else []
    items = [views.match(one) for one in found]
    if stored.alert is not None:
        items += [await _explained(runtime, stored.alert, member) for member in left_out[:EXPLAINED]]
    return answer({"items": items, "not_shown": max(0, len(left_out) - EXPLAINED), "next_cursor": None})


async def _explained(runtime: Runtime, alert: Alert, member: tuple[str, str]) -> dict[str, Any]:
    playbook_id, digest = member
    try:
        found = explain(alert, await runtime.pinned.get(digest))
    except (NotFound, PlaybookError):
        reason = "its index left it out; this version can no longer be read to say why"
        found = Match(playbook_id, digest, "unmatched", {"reason": reason})
    return views.match(found)
