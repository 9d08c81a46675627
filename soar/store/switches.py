"""The stop buttons: set and released by people, seen by every process within a second."""

from __future__ import annotations

from typing import Any, Final

from soar.clock import Millis
from soar.errors import NotFound
from soar.model.switch import Switch
from soar.store import audit
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.text import whole
from soar.store.units import Audit
from soar.store.writer import Writer

_SELECT: Final = "SELECT scope, by, reason, at FROM switches WHERE state = 'stopped' ORDER BY scope"
_SET: Final = (
    "INSERT INTO switches (scope, state, by, reason, at) VALUES (?, ?, ?, ?, ?) ON CONFLICT (scope) DO UPDATE SET"
    " state = excluded.state, by = excluded.by, reason = excluded.reason, at = excluded.at"
)


class Switches:
    """One row a scope."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def list(self) -> list[Switch]:
        """Those that are set."""
        return await self._reader.run(lambda db: [Switch(*row) for row in db.execute(_SELECT)])

    async def set(self, scope: str, by: str, reason: str, now: Millis) -> Switch:
        """Hold everything in that scope back; set again, the newer reason stands."""
        return await self._writer.run(lambda db: _set(db, scope, "stopped", (by, reason, now)))

    async def clear(self, scope: str, by: str, reason: str, now: Millis) -> Switch:
        """Release it.

        Raises:
            NotFound: it is not set.
        """
        return await self._writer.run(lambda db: _clear(db, scope, (by, reason, now)))


def _clear(connection: Connection, scope: str, told: tuple[str, str, Millis]) -> Switch:
    found = connection.execute("SELECT 1 FROM switches WHERE scope = ? AND state = 'stopped'", (scope,)).fetchone()
    if found is None:
        raise NotFound(f"the stop switch {scope!r} is not set; `soar stop --list` shows those that are")
    return _set(connection, scope, "clear", told)


def _set(connection: Connection, scope: str, state: str, told: tuple[str, str, Millis]) -> Switch:
    by, reason, now = told
    row: tuple[Any, ...] = (whole(scope), state, whole(by), whole(reason), now)
    connection.execute(_SET, row)
    action = "switch.stopped" if state == "stopped" else "switch.released"
    audit.write(connection, [Audit(by, action, f"switch:{scope}", now, {"reason": reason})])
    return Switch(scope, by, reason, now)
