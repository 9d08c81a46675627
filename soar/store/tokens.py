"""API tokens, by their hashes. Whoever reads the database learns no token."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from soar.clock import Millis
from soar.errors import Conflict, NotFound
from soar.ids import new_id
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.writer import Writer

_SELECT: Final = "SELECT id, name, role, created_at, revoked_at, person FROM tokens"


@dataclass(frozen=True, slots=True)
class Token:
    """What is known of a token; neither it nor its hash is shown."""

    id: str
    name: str
    role: str
    created_at: Millis
    revoked_at: Millis | None = None
    person: str | None = None
    """Whose it is; None is a program's."""


class Tokens:
    """Created once, verified on every request, revoked for good."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def create(self, name: str, role: str, sha256: str, now: Millis, person: str | None = None) -> Token:
        """Keep a new token's hash.

        Raises:
            Conflict: there is one of that name.
        """
        token = Token(new_id(), name, role, now, person=person)
        await self._writer.run(lambda db: _create(db, token, sha256))
        return token

    async def verify(self, sha256: str) -> Token | None:
        """The token with that hash, unless it was revoked."""
        sql = f"{_SELECT} WHERE sha256 = ? AND revoked_at IS NULL"
        row: Sequence[Any] | None = await self._reader.run(lambda db: db.execute(sql, (sha256,)).fetchone())
        return None if row is None else Token(*row)

    async def list(self) -> list[Token]:
        """All of them, the revoked ones too, oldest first."""
        sql = f"{_SELECT} ORDER BY created_at, id"
        return await self._reader.run(lambda db: [Token(*row) for row in db.execute(sql)])

    async def revoke(self, name: str, now: Millis) -> Token:
        """End a token, by its name or id; one that was revoked before stays as it is.

        Raises:
            NotFound: there is none of that name.
        """
        return await self._writer.run(lambda db: _revoke(db, name, now))


def _create(connection: Connection, token: Token, sha256: str) -> None:
    made = connection.execute(
        "INSERT INTO tokens (id, name, role, sha256, created_at, person) VALUES (?, ?, ?, ?, ?, ?)"
        " ON CONFLICT DO NOTHING",
        (token.id, token.name, token.role, sha256, token.created_at, token.person),
    )
    if not made.rowcount:
        raise Conflict(f"token {token.name!r}: there is one of that name; choose another name")


def _revoke(connection: Connection, name: str, now: Millis) -> Token:
    connection.execute(
        "UPDATE tokens SET revoked_at = coalesce(revoked_at, ?) WHERE name = ? OR id = ?", (now, name, name)
    )
    row = connection.execute(f"{_SELECT} WHERE name = ? OR id = ?", (name, name)).fetchone()
    if row is None:
        raise NotFound(f"token {name!r}: there is none; `soar token list` shows those there are")
    return Token(*row)
