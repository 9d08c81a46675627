"""How often executions about the same thing ended and changed something: what a loop leaves behind (M02)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soar.clock import Millis
from soar.model.alert import Alert
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.text import loads

_FIELDS: Final = (
    "source",
    "title",
    "rule_id",
    "rule_name",
    "user",
    "account_id",
    "client_id",
    "token_id",
    "api_key_id",
    "session_id",
    "src_ip",
    "host",
    "route",
)
"""Two alerts that say the same in all of these are about the same thing."""
_LINGERS: Final[Millis] = 60_000
"""After so long an execution that waits is taken for one that has done what it does."""
_NEWEST: Final = 2_000
"""Executions of one playbook looked at, at most."""
_PATHS: Final = ", ".join(f"'$.{name}'" for name in _FIELDS)
_ENDED: Final = f"coalesce(e.finished_at, e.started_at + {_LINGERS})"
_FULL: Final = (
    "SELECT about, ended FROM (SELECT about, ended, row_number() OVER (PARTITION BY about ORDER BY ended) AS number"
    f" FROM (SELECT coalesce(e.slot_key, json_extract(a.data, {_PATHS})) AS about, {_ENDED} AS ended"
    " FROM (SELECT seq, kind, mode, parent_id, alert_id, slot_key, started_at, finished_at FROM executions"
    " WHERE playbook_id = ? AND opened_at >= ? ORDER BY opened_at DESC LIMIT ?) AS e"
    " JOIN alerts AS a ON a.id = e.alert_id"
    " WHERE e.kind = 'run' AND e.mode = 'live' AND e.parent_id IS NULL AND a.source <> 'manual'"
    " AND EXISTS (SELECT 1 FROM facts AS f WHERE f.execution_seq = e.seq AND f.kind = 'attempt'))"
    " WHERE ended <= ?) WHERE number = ?"
)


class Repeats:
    """Read only: the executions and their alerts tell it."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    async def full(self, playbook_id: str, since: Millis, now: Millis, most: int) -> Mapping[str, Millis]:
        """By what they were about: when the number of ended executions reached `most`."""
        return await self._reader.run(lambda db: _full(db, (playbook_id, since, _NEWEST, now, most)))


def about(alert: Alert, slot_key: str | None) -> str:
    """What an execution on that alert is about: its concurrency key, else who and what the alert names."""
    return slot_key if slot_key is not None else repr([getattr(alert, name) for name in _FIELDS])


def _full(connection: Connection, asked: tuple[str, Millis, int, Millis, int]) -> dict[str, Millis]:
    return {_read(found): ended for found, ended in connection.execute(_FULL, asked)}


def _read(found: str) -> str:
    """A concurrency key starts with the id of its playbook, a list of fields with its bracket."""
    return repr(loads(found)) if found.startswith("[") else found
