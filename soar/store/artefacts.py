"""Outputs too large for a fact, kept once by their hash (S8)."""

from __future__ import annotations

import hashlib

from soar.clock import Millis
from soar.errors import NotFound
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.writer import Writer


class Artefacts:
    """Content by its SHA-256, in hex."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def put(self, content: bytes, now: Millis) -> str:
        """Keep it; its hash. The same content again changes nothing."""
        digest = hashlib.sha256(content).hexdigest()
        sql = "INSERT INTO artefacts (sha256, content, at) VALUES (?, ?, ?) ON CONFLICT (sha256) DO NOTHING"
        await self._writer.run(lambda db: db.execute(sql, (digest, content, now)).rowcount)
        return digest

    async def get(self, sha256: str) -> bytes:
        """The content.

        Raises:
            NotFound: there is none of that hash.
        """
        return await self._reader.run(lambda db: _get(db, sha256))


def _get(connection: Connection, sha256: str) -> bytes:
    row = connection.execute("SELECT content FROM artefacts WHERE sha256 = ?", (sha256,)).fetchone()
    if row is None:
        raise NotFound(f"artefact {sha256}: there is none")
    content: bytes = row[0]
    return content
