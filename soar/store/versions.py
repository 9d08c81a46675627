"""Every playbook version that was ever loaded: an execution finds its own after any edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from soar.errors import NotFound
from soar.store import rows
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.text import dumps, loads
from soar.store.writer import Writer


@dataclass(frozen=True, slots=True)
class KeptCatalog:
    """Which versions were loaded together."""

    digest: str
    members: tuple[tuple[str, str], ...]
    """(playbook id, digest)."""
    loaded: int
    """Which loading it was: each one counts on."""


class PlaybookVersions:
    """Texts by digest, and catalogs of them."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def keep(self, playbooks: Sequence[tuple[str, str, str, str]], catalog_digest: str) -> None:
        """Keep what was loaded now: (id, digest, file, text) of each playbook."""
        await self._writer.run(lambda db: _keep(db, playbooks, catalog_digest))

    async def source(self, digest: str) -> tuple[str, str]:
        """The file's name and the text of one version.

        Raises:
            NotFound: no such version was ever loaded into this database.
        """
        return await self._reader.run(lambda db: _source(db, digest))

    async def latest(self) -> KeptCatalog | None:
        """What was loaded last."""
        sql = "SELECT digest, members, loaded FROM catalogs ORDER BY loaded DESC LIMIT 1"
        row = await self._reader.run(lambda db: db.execute(sql).fetchone())
        if row is None:
            return None
        return KeptCatalog(row[0], tuple((one, digest) for one, digest in loads(row[1])), row[2])


def _keep(connection: Connection, playbooks: Sequence[tuple[str, str, str, str]], catalog_digest: str) -> None:
    given = [(digest, playbook_id, file, text) for playbook_id, digest, file, text in playbooks]
    renamed = "ON CONFLICT (digest) DO UPDATE SET file = excluded.file, playbook_id = excluded.playbook_id"
    rows.insert(connection, "playbook_versions", ("digest", "playbook_id", "file", "source"), given, renamed)
    members = dumps([(playbook_id, digest) for playbook_id, digest, _, _ in playbooks])
    connection.execute(
        "INSERT INTO catalogs (digest, members, loaded)"
        " VALUES (?, ?, (SELECT coalesce(max(loaded), 0) + 1 FROM catalogs))"
        " ON CONFLICT (digest) DO UPDATE SET loaded = excluded.loaded",
        (catalog_digest, members),
    )


def _source(connection: Connection, digest: str) -> tuple[str, str]:
    sql = "SELECT file, source FROM playbook_versions WHERE digest = ?"
    row: tuple[str, str] | None = connection.execute(sql, (digest,)).fetchone()
    if row is None:
        raise NotFound(f"playbook version {digest[:12]}: it was never loaded into this database")
    return row
