"""Which schema a database file has, and how it gets this version's.

A new file is filled from `tables` at once; an old one is brought up by the migrations, which a test
holds to the same result. Neither SQLAlchemy nor alembic is loaded for a file that is up to date.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Final

from soar.errors import SchemaOutOfDate, StoreUnavailable
from soar.store import database
from soar.store.lock import engine_lock

REVISIONS: Final = ["0001", "0002", "0003"]
"""Every schema there was, oldest first; the last one is this version's. One migration for each."""
MIGRATIONS: Final = Path(__file__).with_name("migrations")


def prepare(connection: sqlite3.Connection, path: Path) -> None:
    """Fill an empty file; refuse one with another schema."""
    if _tables(connection):
        check(connection, path)
        return
    database.begin(connection)
    try:
        if not _tables(connection):  # another process may have been faster
            _create(connection)
        database.patiently(lambda: connection.execute("COMMIT"))
    finally:
        database.rollback(connection)
    check(connection, path)


def check(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file with another schema than this version's.

    Raises:
        SchemaOutOfDate: it is older, or newer.
        StoreUnavailable: it is another program's database.
    """
    found = revision(connection)
    if found == REVISIONS[-1]:
        return
    if found is None:
        raise StoreUnavailable(f"{path}: another program's database; check `database` in soar.yaml")
    if found in REVISIONS:
        raise SchemaOutOfDate(
            f"{path}: it has schema {found}, this version needs {REVISIONS[-1]}; make a backup, "
            "then run `soar db upgrade`"
        )
    raise SchemaOutOfDate(
        f"{path}: it has schema {found}, this version knows none after {REVISIONS[-1]}; it was written by a newer "
        "soar, and `soar db upgrade` of this one cannot read it: install the newer one again, or restore a backup"
    )


def revision(connection: sqlite3.Connection) -> str | None:
    """The schema the file says it has."""
    if "alembic_version" not in _tables(connection):
        return None
    sql = "SELECT version_num FROM alembic_version"
    row = database.patiently(lambda: connection.execute(sql).fetchone())
    return None if row is None else str(row[0])


def upgrade(url: str) -> tuple[str | None, str]:
    """Bring the file to this version's schema, all of it or nothing; (what it had, what it has).

    Raises:
        StoreBusy: an engine runs on it.
        SchemaOutOfDate: it is newer than this version.
    """
    path = database.file_of(url)
    if not path.exists():
        raise StoreUnavailable(f"{path}: there is no such file; check `database` in soar.yaml")
    with engine_lock(url):
        connection = database.connect_writer(path)
        try:
            before = revision(connection)
            if not _tables(connection):
                prepare(connection, path)
            elif before in REVISIONS[:-1]:
                _migrate(path)
            check(connection, path)
        finally:
            connection.close()
    return before, REVISIONS[-1]


def _tables(connection: sqlite3.Connection) -> set[str]:
    sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
    return {row[0] for row in database.patiently(lambda: connection.execute(sql).fetchall())}


def _create(connection: sqlite3.Connection) -> None:
    from sqlalchemy.dialects import sqlite as dialect
    from sqlalchemy.schema import CreateIndex, CreateTable

    from soar.store import tables

    for table in tables.OURS:
        connection.execute(str(CreateTable(table).compile(dialect=dialect.dialect())))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            connection.execute(str(CreateIndex(index).compile(dialect=dialect.dialect())))
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute("INSERT INTO alembic_version VALUES (?)", (REVISIONS[-1],))


def _migrate(path: Path) -> None:
    from alembic import command
    from alembic.config import Config
    from sqlalchemy import create_engine, event
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    engine = create_engine("sqlite://", creator=lambda: database.connect_writer(path), poolclass=NullPool)
    # The driver leaves DDL outside transactions; a migration that fails half way must leave nothing.
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with engine.begin() as connection:
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
    except (SQLAlchemyError, sqlite3.Error) as error:
        cause = getattr(error, "orig", None) or error
        raise StoreUnavailable(f"{path}: the upgrade failed ({cause}) and nothing was changed") from error
