"""People signed in to the pages, and the form tokens they have spent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from soar.clock import Millis
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.writer import Writer

_PRUNED: Final = 500
"""Rows that are over and are removed with each sign-in."""


@dataclass(frozen=True, slots=True)
class Session:
    """One sign-in. Of its cookie only the hash is kept."""

    person: str
    token_id: str
    created_at: Millis
    expires_at: Millis


class Sessions:
    """Opened with a person's own token, and over with it."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def open(self, sha256: str, session: Session) -> None:
        """Keep a sign-in, and forget some that are over."""
        await self._writer.run(lambda db: _open(db, sha256, session))

    async def find(self, sha256: str, now: Millis) -> Session | None:
        """The sign-in of that cookie, unless it is over or its token was revoked."""
        sql = (
            "SELECT sessions.person, token_id, sessions.created_at, expires_at FROM sessions"
            " JOIN tokens ON tokens.id = token_id AND tokens.revoked_at IS NULL"
            " WHERE sessions.sha256 = ? AND expires_at > ?"
        )
        row = await self._reader.run(lambda db: db.execute(sql, (sha256, now)).fetchone())
        return None if row is None else Session(*row)

    async def close(self, sha256: str) -> None:
        """Sign out."""
        await self._writer.run(lambda db: db.execute("DELETE FROM sessions WHERE sha256 = ?", (sha256,)).rowcount)

    async def was_spent(self, nonce: str) -> bool:
        """Whether a form's token was used up."""
        sql = "SELECT 1 FROM used_forms WHERE nonce = ?"
        return await self._reader.run(lambda db: db.execute(sql, (nonce,)).fetchone() is not None)

    async def spend(self, nonce: str, expires_at: Millis) -> bool:
        """Use a form's token up; False when it was sent before."""
        sql = "INSERT INTO used_forms (nonce, expires_at) VALUES (?, ?) ON CONFLICT (nonce) DO NOTHING"
        return bool(await self._writer.run(lambda db: db.execute(sql, (nonce, expires_at)).rowcount))


def _open(connection: Connection, sha256: str, session: Session) -> None:
    for table, key in (("sessions", "sha256"), ("used_forms", "nonce")):
        connection.execute(
            f"DELETE FROM {table} WHERE {key} IN (SELECT {key} FROM {table} WHERE expires_at <= ? LIMIT ?)",
            (session.created_at, _PRUNED),
        )
    connection.execute(
        "INSERT INTO sessions (sha256, person, token_id, created_at, expires_at) VALUES (?, ?, ?, ?, ?)",
        (sha256, session.person, session.token_id, session.created_at, session.expires_at),
    )
