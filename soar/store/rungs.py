"""Ladders: how often a target was contained before, and how long it is held this time (S32)."""

from __future__ import annotations

from typing import Final

from soar.store.connection import Connection
from soar.store.units import Apply

_NOT_DESERVED: Final = ("false_positive", "benign", "false positive")
"""Verdicts of alerts whose periods do not count."""
_EARLIER: Final = (
    "SELECT count(*) FROM containments LEFT JOIN alerts ON alerts.id = containments.alert_id"
    " WHERE containments.connection = ? AND containments.target = ? AND containments.action = ?"
    " AND containments.state = 'lifted' AND containments.ended_at > ?"
    " AND lower(coalesce(json_extract(alerts.data, '$.verdict'), '')) NOT IN (?, ?, ?)"
)


def earlier_periods(connection: Connection, change: Apply) -> int:
    """Periods of this target, by any playbook, that ended less than `reset` before this start."""
    since = change.at - round(change.reset * 1000)
    asked = (change.connection, change.target, change.action, since, *_NOT_DESERVED)
    (number,) = connection.execute(_EARLIER, asked).fetchone()
    return int(number)
