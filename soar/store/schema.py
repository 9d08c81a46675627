"""Which schema a database has, and how it gets this version's.

A new one is filled from `tables` at once; an old one is brought up by the migrations, which a test
holds to the same result. Neither SQLAlchemy nor alembic is loaded for one that is up to date.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Protocol

from soar.errors import SchemaOutOfDate, StoreUnavailable, UpgradeNeeded
from soar.store.connection import Connection
from soar.store.dialect import FUNCTIONS

if TYPE_CHECKING:
    from sqlalchemy.engine import Connection as MigratingConnection
    from sqlalchemy.engine import Dialect

REVISIONS: Final = ["0001", "0002", "0003", "0004"]
"""Every schema there was, oldest first; the last one is this version's. One migration for each."""
MIGRATIONS: Final = Path(__file__).with_name("migrations")


class Home(Protocol):
    """A database, as far as its schema goes."""

    @property
    def shared(self) -> bool: ...

    @property
    def label(self) -> str: ...

    def tables(self, connection: Any) -> set[str]:
        """The names of all tables there are."""

    def upgrading(self, connection: Any) -> AbstractContextManager[None]:
        """Be the only one who changes the schema, in one transaction: all of it or nothing."""

    def install(self, connection: Any) -> None:
        """Make what stands beside the tables."""

    def made(self, connection: Any) -> None:
        """The tables are there: remember in them what was chosen for good."""


def prepare(home: Home, connection: Connection) -> None:
    """Fill an empty database; refuse one with another schema."""
    if not home.tables(connection):
        with home.upgrading(connection):
            if not home.tables(connection):  # another process may have been faster
                _create(home, connection)
    check(home, connection)


def check(home: Home, connection: Connection) -> None:
    """Refuse a database with another schema than this version's.

    Raises:
        SchemaOutOfDate: it is older, or newer.
        StoreUnavailable: it is another program's database.
    """
    found, name = revision(home, connection), home.label
    if found == REVISIONS[-1]:
        return
    if found is None:
        raise StoreUnavailable(f"{name}: another program's database; check `database` in soar.yaml")
    if found in REVISIONS:
        raise UpgradeNeeded(
            f"{name}: it has schema {found}, this version needs {REVISIONS[-1]}; make a backup, "
            "then run `soar db upgrade`"
        )
    raise SchemaOutOfDate(
        f"{name}: it has schema {found}, this version knows none after {REVISIONS[-1]}; it was written by a newer "
        "soar, and `soar db upgrade` of this one cannot read it: install the newer one again, or restore a backup"
    )


def revision(home: Home, connection: Connection) -> str | None:
    """The schema the database says it has."""
    if "alembic_version" not in home.tables(connection):
        return None
    row = connection.execute("SELECT version_num FROM alembic_version").fetchone()
    return None if row is None else str(row[0])


def upgrade(home: Home, connection: Connection) -> tuple[str | None, str]:
    """Bring it to this version's schema, all of it or nothing; (what it had, what it has).

    Raises:
        SchemaOutOfDate: it is newer than this version.
        StoreUnavailable: a migration failed; nothing was changed.
    """
    with home.upgrading(connection):
        before = revision(home, connection)
        if not home.tables(connection):
            _create(home, connection)
        elif before in REVISIONS[:-1]:
            _migrate(home, connection)
        check(home, connection)
    return before, REVISIONS[-1]


def _create(home: Home, connection: Connection) -> None:
    for statement in statements(shared=home.shared):
        connection.execute(statement)
    home.install(connection)
    home.made(connection)
    connection.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.execute(f"INSERT INTO alembic_version VALUES ('{REVISIONS[-1]}')")


def statements(*, shared: bool) -> list[str]:
    """All that makes the tables, for one database or the other."""
    from sqlalchemy.schema import CreateIndex, CreateTable

    from soar.store import tables

    dialect, made = _dialect(shared=shared), list(FUNCTIONS) if shared else []
    for table in tables.OURS:
        made.append(str(CreateTable(table).compile(dialect=dialect)))
        for index in sorted(table.indexes, key=lambda one: str(one.name)):
            if shared or not index.info.get("shared"):
                made.append(str(CreateIndex(index).compile(dialect=dialect)))
    return made


def _dialect(*, shared: bool) -> Dialect:
    from sqlalchemy.dialects import postgresql, sqlite

    make: Callable[[], Dialect] = postgresql.dialect if shared else sqlite.dialect
    return make()


def _migrate(home: Home, connection: Connection) -> None:
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    try:
        with _as_sqlalchemy(getattr(connection, "raw", connection), shared=home.shared) as migrating:
            config.attributes["connection"] = migrating
            command.upgrade(config, "head")
    except Exception as error:
        cause = getattr(error, "orig", None) or error
        raise StoreUnavailable(f"{home.label}: the upgrade failed ({cause}) and nothing was changed") from error


@contextmanager
def _as_sqlalchemy(raw: Any, *, shared: bool) -> Iterator[MigratingConnection]:
    """The driver's connection, for the migrations; the transaction it is in stays ours to end."""
    from sqlalchemy import create_engine
    from sqlalchemy.pool import StaticPool

    url = "postgresql+psycopg://" if shared else "sqlite://"
    engine = create_engine(url, creator=lambda: raw, poolclass=StaticPool, pool_reset_on_return=None)
    for name in ("do_begin", "do_commit", "do_rollback"):
        setattr(engine.dialect, name, lambda _connection: None)
    try:
        with engine.connect() as connection:
            yield connection
    finally:
        engine.dispose(close=False)
