"""What the store asks of a database beyond statements: to be opened, to begin and end transactions, to say why not.

There are two, one file (`sqlite`) and one server (`postgres`). Both let one transaction write at a time: every rule of
the store is "look, then write", and both see to it that nobody writes in between. So what holds on one holds on both.
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Protocol

from soar.errors import ConfigError, StoreError
from soar.store.connection import Connection
from soar.store.options import PostgresOptions


class Database(Protocol):
    """One database, by its URL."""

    @property
    def label(self) -> str:
        """What people call it: the file, or the URL without its password."""

    @property
    def shared(self) -> bool:
        """Whether several engines may work on it, by jobs of its queue."""

    @property
    def readers(self) -> int:
        """Connections that read, at most."""

    def connect_writer(self) -> Connection:
        """A connection that may write.

        Raises:
            StoreUnavailable: the database does not answer.
        """

    def connect_reader(self) -> Connection:
        """A connection that cannot write."""

    def usable(self, connection: Connection) -> bool:
        """Whether the connection still leads anywhere."""

    def begin(self, connection: Connection) -> None:
        """Start a transaction that is the only one that writes, from its first moment to its end."""

    def commit(self, connection: Connection) -> None:
        """Make the transaction last.

        Raises:
            CommitUnknown: the connection was lost meanwhile; it may have been made, or not.
        """

    def rollback(self, connection: Connection) -> None:
        """End the transaction without a trace; no transaction is no error."""

    def begin_reading(self, connection: Connection) -> None:
        """Start a transaction that sees one state of the database."""

    def ruins(self, error: Exception) -> bool:
        """Whether the error says that the database cannot be used, rather than that these rows are wrong."""

    def unavailable(self, error: Exception) -> StoreError:
        """The same error as a person needs it."""

    def version(self, connection: Connection) -> int | None:
        """A number that others' writes change; None where that cannot be told without looking."""

    @property
    def path(self) -> Path | None:
        """The file; None where there is none."""

    def tables(self, connection: Connection) -> set[str]:
        """The names of all tables there are."""

    def upgrading(self, connection: Connection) -> AbstractContextManager[None]:
        """Be the only one who changes the schema, in one transaction: all of it or nothing."""

    def install(self, connection: Connection) -> None:
        """Make what stands beside the tables."""

    def made(self, connection: Connection) -> None:
        """The tables are there: remember in them what was chosen for good."""

    def prepare(self, connection: Connection) -> None:
        """Give an empty database its tables; refuse one with another schema.

        Raises:
            SchemaOutOfDate: it is older, or newer.
            StoreUnavailable: it is another program's database.
        """

    def probe(self, connection: Connection) -> None:
        """Take some space and give it back, then write one row: inside a transaction.

        Raises:
            StoreUnavailable: there is no room.
        """

    def backup(self, connection: Connection, path: Path) -> None:
        """Copy the database as it stands at this moment into a new file.

        Raises:
            Conflict: there is a file of that name.
            StoreUnavailable: the copy cannot be written.
        """


def is_postgres(url: str) -> bool:
    """Whether the URL names a PostgreSQL server."""
    return url.startswith(("postgresql:", "postgres:"))


def database_of(url: str, synchronous: str = "FULL", options: PostgresOptions | None = None) -> Database:
    """The database a URL names.

    Raises:
        ConfigError: it names none.
    """
    if is_postgres(url):
        # Half a second of every start, for those who have no server.
        from soar.store.postgres import PostgresDatabase

        return PostgresDatabase.of(url, options or PostgresOptions())
    if not url.startswith("sqlite:"):
        raise ConfigError(
            f"database: {url.partition(':')[0]!r} is no kind of database; write sqlite:///soar.db, "
            "or postgresql://user@host/soar"
        )
    from soar.store.sqlite import SqliteDatabase, file_of

    return SqliteDatabase(file_of(url), synchronous)
