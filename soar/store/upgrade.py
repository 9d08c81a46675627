"""Bring a database to this version's schema, by its URL."""

from __future__ import annotations

from soar.errors import StoreUnavailable
from soar.store import schema
from soar.store.database import database_of
from soar.store.lock import engine_lock
from soar.store.options import PostgresOptions


def upgrade(url: str, postgres: PostgresOptions | None = None) -> tuple[str | None, str]:
    """Bring the database to this version's schema, all of it or nothing; (what it had, what it has).

    One file must have no engine meanwhile; on a server, whoever comes at the same time waits.

    Raises:
        StoreBusy: an engine runs on that file.
        SchemaOutOfDate: it is newer than this version.
        StoreUnavailable: there is no such database, or a migration failed.
    """
    database = database_of(url, options=postgres)
    if database.path is not None and not database.path.exists():
        raise StoreUnavailable(f"{database.label}: there is no such file; check `database` in soar.yaml")
    with engine_lock(url):
        connection = database.connect_writer()
        try:
            return schema.upgrade(database, connection)
        finally:
            connection.close()
