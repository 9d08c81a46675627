"""The two units of intake (S45), written in bulk: raw alerts before the 202, then what opens from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import orjson

from soar.errors import Conflict, NotFound
from soar.model.alert import Alert, KeptAlert, RawAlert
from soar.store import rows
from soar.store.connection import Connection
from soar.store.slots import take_slots
from soar.store.text import dumps, whole
from soar.store.units import Opening

_KEPT: Final = ("id", "source", "dedupe_key", "received_at", "state", "duplicates")
_STANDING: Final = (
    "SELECT json_group_array(json_array(id, seq, state)) FROM alerts WHERE id IN (SELECT value FROM json_each(?))"
)
_PROCESSED: Final = (
    "UPDATE alerts SET state = v.column2, severity_id = CAST(v.column3 AS INTEGER), title = v.column4,"
    ' rule_id = v.column5, src_ip = v.column6, "user" = v.column7, catalog_digest = v.column8,'
    " data = v.column9, matches = v.column10"
    " FROM (VALUES "
)
_ROW: Final = f"({', '.join('?' * 10)})"
_SAME_ROW: Final = ") AS v WHERE alerts.seq = v.column1"


def keep(connection: Connection, deliveries: Sequence[Sequence[RawAlert]]) -> list[list[KeptAlert]]:
    """Insert what is new; the unique constraint over (source, dedupe_key) says what is not."""
    alerts = [alert for delivery in deliveries for alert in delivery]
    (last,) = connection.execute("SELECT coalesce(max(seq), 0) FROM alerts").fetchone()
    given = [(one.id, one.source, whole(one.dedupe_key), one.received_at, "received", 0) for one in alerts]
    if rows.insert(connection, "alerts", _KEPT, given, "ON CONFLICT DO NOTHING") == len(alerts):
        new = {alert.id for alert in alerts}
    else:
        new = {row[0] for row in connection.execute("SELECT id FROM alerts WHERE seq > ?", (last,))}
    fresh: dict[str, RawAlert] = {}
    kept = [[_told(connection, alert, new, fresh) for alert in delivery] for delivery in deliveries]
    bodies = [(alert.id, alert.body, alert.envelope, alert.hops) for alert in fresh.values()]
    rows.insert(connection, "raw_alerts", ("id", "body", "envelope", "hops"), bodies)
    rows.count(connection, {"received": len(fresh), "duplicates": len(alerts) - len(fresh)})
    return kept


def open_alerts(connection: Connection, openings: Sequence[Opening]) -> list[list[str] | NotFound]:
    """Write those whose alert still waits: the alert, its traces, its executions."""
    ids = rows.ids_json(opening.alert.id for opening in openings)
    standing = {row[0]: row[1:] for row in orjson.loads(connection.execute(_STANDING, (ids,)).fetchone()[0])}
    new: dict[str, Opening] = {}
    for opening in openings:
        if standing.get(opening.alert.id, (0, ""))[1] == "received":
            new.setdefault(opening.alert.id, opening)
    given = [_processed(standing[alert_id][0], opening) for alert_id, opening in new.items()]
    rows.many(connection, _PROCESSED, _ROW, _SAME_ROW, given)
    opening_now = [one for opening in new.values() for one in opening.executions]
    opened = set(rows.insert_executions(connection, opening_now))
    limited = [one for one in opening_now if one.slot_key is not None and one.id in opened]
    if limited:
        rules = {key: rule for opening in new.values() for key, rule in opening.when_full.items()}
        opened -= take_slots(connection, limited, rules)
    matched = sum(row[1] == "matched" for row in given)
    rows.count(connection, {"matched": matched, "unmatched": len(given) - matched})
    return [_opened(opening, new.pop(opening.alert.id, None), opened, standing) for opening in openings]


def _opened(
    opening: Opening, written: Opening | None, opened: set[str], standing: Mapping[str, Any]
) -> list[str] | NotFound:
    if opening.alert.id not in standing:
        return NotFound(f"alert {opening.alert.id}: it was not kept; keep the raw alert first")
    return [execution.id for execution in written.executions if execution.id in opened] if written else []


def _told(connection: Connection, alert: RawAlert, new: set[str], fresh: dict[str, RawAlert]) -> KeptAlert:
    if alert.id in new and alert.id not in fresh:
        fresh[alert.id] = alert
        return KeptAlert(alert.id, duplicate=False)
    row = connection.execute(
        "UPDATE alerts SET duplicates = duplicates + 1 WHERE source = ? AND dedupe_key = ? RETURNING id",
        (alert.source, whole(alert.dedupe_key)),
    ).fetchone()
    if row is None:
        raise Conflict(f"alert {alert.id}: another alert has this id")
    return KeptAlert(row[0], duplicate=True)


def _processed(seq: int, opening: Opening) -> tuple[Any, ...]:
    alert = opening.alert
    matched = any(match.outcome == "matched" for match in opening.matches)
    matches = [[one.playbook_id, one.playbook_digest, one.outcome, one.trace] for one in opening.matches]
    texts = (alert.title, alert.rule_id, alert.src_ip, alert.user)
    return (
        seq,
        "matched" if matched else "unmatched",
        alert.severity_id,
        *(None if text is None else whole(text) for text in texts),
        opening.catalog_digest,
        _data(alert),
        dumps(matches),
    )


def _data(alert: Alert) -> str:
    """All fields that say something; what a sender sent as null inside `raw` stays."""
    try:
        return alert.model_dump_json(exclude_none=True)
    except ValueError:  # a lone surrogate
        return " " + dumps(alert.model_dump()).lstrip()
