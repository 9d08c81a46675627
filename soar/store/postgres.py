"""One PostgreSQL database: how connections to it are opened, who writes, and what its errors mean.

Any number of processes work on it. One transaction writes at a time, by an advisory lock that is taken with the
BEGIN and let go of with the end: the rules of the store look first and write then, and numbers (`seq`) are given in
the order of commit, as with one file. What arrives meanwhile in a process goes into its next transaction together, so
the lock is taken once for many units. A process that freezes in the middle loses its connection, and with it the lock,
after IDLE milliseconds.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, Final, Self

import psycopg
from psycopg import errors
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8Dumper

from soar.errors import CommitUnknown, ConfigError, Conflict, StoreError, StoreUnavailable
from soar.queue import queue_of
from soar.store import schema
from soar.store.dialect import for_postgres
from soar.store.jobs import Jobs
from soar.store.options import PostgresOptions

WRITES: Final = 0x50A_0001
"""The advisory lock of whoever writes; such locks belong to one database."""
CONNECT: Final = 5
"""Seconds for a connection to be opened."""
MIGRATION: Final = 600_000
"""Milliseconds that an upgrade of the schema may take."""
IDLE: Final = 2_000
"""Milliseconds in which a transaction has to go on: who is frozen for longer has written nothing."""
_QUEUE: Final = "queue: "
_PREPARED: Final = 512
_PROBE_BYTES: Final = 65_536
_REMEDIES: Final = (
    (errors.InvalidPassword, "check the user and password in `database`, PGPASSWORD or PGPASSFILE"),
    (errors.InvalidAuthorizationSpecification, "check the user in `database`, and the server's pg_hba.conf"),
    (errors.InvalidCatalogName, "make the database first: createdb"),
    (errors.InsufficientPrivilege, "let its user write there"),
    (errors.DiskFull, "free some space on the server's disk"),
    (errors.OutOfMemory, "give the server more memory"),
    (errors.TooManyConnections, "raise max_connections, or start fewer processes"),
    (errors.LockNotAvailable, "another process writes for long; see pg_stat_activity"),
    (errors.QueryCanceled, "a statement took too long; see pg_stat_activity"),
    (errors.ReadOnlySqlTransaction, "it is a standby; name the primary in `database`"),
)
_RUINED: Final = (
    psycopg.OperationalError,
    psycopg.InterfaceError,
    psycopg.InternalError,
    errors.InsufficientPrivilege,
    errors.ReadOnlySqlTransaction,
    errors.InvalidCatalogName,
    errors.UndefinedTable,
)


class PostgresConnection:
    """A connection that takes the store's own words."""

    def __init__(self, raw: psycopg.Connection[Any]) -> None:
        self.raw = raw

    @property
    def in_transaction(self) -> bool:
        return self.raw.info.transaction_status != TransactionStatus.IDLE

    def execute(self, sql: str, parameters: Sequence[Any] = (), /) -> psycopg.Cursor[Any]:
        cursor = psycopg.RawCursor(self.raw)
        return cursor.execute(for_postgres(sql).encode(), parameters or None)

    def close(self) -> None:
        self.raw.close()


class _Numbers(Int8Dumper):
    """All integers are sent alike, so that a statement is planned once and not by the size of its numbers."""

    def dump(self, obj: Any) -> bytes:
        return str(int(obj)).encode()


class _Text(psycopg.adapt.Dumper):
    """A text column holds every character but NUL, which stands for nothing there."""

    def dump(self, obj: str) -> bytes:
        return obj.replace("\0", "\N{SYMBOL FOR NULL}").encode()


class PostgresDatabase:
    """One database on a server; any number of engines work on it."""

    shared = True
    path = None

    def __init__(self, conninfo: str, label: str, options: PostgresOptions) -> None:
        self._conninfo = conninfo
        self._label = label
        self._options = options
        self.jobs = Jobs(queue_of(options.queue))

    @classmethod
    def of(cls, url: str, options: PostgresOptions) -> Self:
        """The database of a `postgresql://` URL.

        Raises:
            ConfigError: it cannot be read, or names no database.
        """
        label = re.sub(r"(://[^/@:]*):[^/@]*@", r"\1@", url)
        try:
            parts = psycopg.conninfo.conninfo_to_dict(url)
        except psycopg.Error as error:
            raise ConfigError(f"database: {label}: {str(error).strip()}; write postgresql://user@host/soar") from None
        if not parts.get("dbname"):
            raise ConfigError(f"database: {label} names no database; write postgresql://user@host/soar")
        defaults = {"connect_timeout": CONNECT, "application_name": "soar", "keepalives_idle": 10}
        told: dict[str, Any] = {**defaults, **{key: value for key, value in parts.items() if value is not None}}
        return cls(psycopg.conninfo.make_conninfo(**told), re.sub(r"\?.*", "", label), options)

    @property
    def conninfo(self) -> str:
        """How the queue reaches it, with a connection of its own."""
        return self._conninfo

    @property
    def label(self) -> str:
        return self._label

    @property
    def readers(self) -> int:
        return self._options.readers

    def connect_writer(self) -> PostgresConnection:
        return self._connect(f"SET idle_in_transaction_session_timeout = {IDLE}; SET synchronous_commit = on")

    def connect_reader(self) -> PostgresConnection:
        return self._connect("SET default_transaction_read_only = on; SET idle_in_transaction_session_timeout = 60000")

    def usable(self, connection: Any) -> bool:
        return not (connection.raw.closed or connection.raw.broken)

    def begin(self, connection: Any) -> None:
        # Both in one message: the lock is held as briefly as can be.
        connection.raw.execute(f"BEGIN; SELECT pg_advisory_xact_lock({WRITES})")

    def commit(self, connection: Any) -> None:
        self.jobs.enqueue(connection)
        try:
            connection.raw.execute("COMMIT")
        except psycopg.Error as error:
            if self.usable(connection):
                raise
            raise CommitUnknown(
                f"{self.label}: the connection was lost while it committed; whether that was written shows when it is "
                "read again"
            ) from error

    def rollback(self, connection: Any) -> None:
        if self.usable(connection) and connection.in_transaction:
            connection.raw.execute("ROLLBACK")

    def begin_reading(self, connection: Any) -> None:
        connection.raw.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")

    def ruins(self, error: Exception) -> bool:
        return isinstance(error, _RUINED)

    def unavailable(self, error: Exception) -> StoreError:
        if isinstance(error, StoreError):
            return error
        said = " ".join(str(error).split()) or type(error).__name__
        remedy = next((words for kind, words in _REMEDIES if isinstance(error, kind)), "check that the server is up")
        return StoreUnavailable(f"{self.label}: {said}; nothing was written: {remedy}")

    def version(self, connection: Any) -> int | None:  # noqa: ARG002 # only a look can tell
        return None

    def prepare(self, connection: Any) -> None:
        """All processes of a database have the same queue: the one that was named when its tables were made."""
        schema.prepare(self, connection)
        asked = self._options.queue
        found = connection.execute("SELECT name FROM counters WHERE name LIKE ? LIMIT 1", (f"{_QUEUE}%",)).fetchone()
        made = asked if found is None else str(found[0]).removeprefix(_QUEUE)
        if made != asked:
            raise ConfigError(
                f"postgres.queue: {self.label} was made with '{made}', not '{asked}': write that, or take a new one"
            )

    def tables(self, connection: Any) -> set[str]:
        sql = "SELECT tablename FROM pg_catalog.pg_tables WHERE schemaname = current_schema()"
        return {row[0] for row in connection.execute(sql)}

    @contextmanager
    def upgrading(self, connection: Any) -> Iterator[None]:
        """One does it, whoever comes meanwhile waits and finds it done."""
        connection.raw.execute(
            f"BEGIN; SET LOCAL lock_timeout = {MIGRATION}; SET LOCAL statement_timeout = {MIGRATION}"
        )
        try:
            connection.raw.execute(f"SELECT pg_advisory_xact_lock({WRITES})")
            yield
            connection.raw.execute("COMMIT")
        finally:
            self.rollback(connection)

    def install(self, connection: Any) -> None:
        """Whatever stands beside the tables: the queue's."""
        self.jobs.queue.install(connection.raw)

    def made(self, connection: Any) -> None:
        connection.execute("INSERT INTO counters (name, value) VALUES (?, 1)", (f"{_QUEUE}{self.jobs.queue.name}",))

    def probe(self, connection: Any) -> None:
        connection.raw.execute("SAVEPOINT probe")
        connection.execute("INSERT INTO raw_alerts (id, body) VALUES ('probe', ?)", (bytes(_PROBE_BYTES),))
        connection.raw.execute("ROLLBACK TO probe; RELEASE probe")
        connection.execute(
            "INSERT INTO probe (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = 1 - probe.value"
        )

    def backup(self, connection: Any, path: Path) -> None:  # noqa: ARG002 # the server's own tools do that
        raise Conflict(f"{self.label}: a PostgreSQL database is copied with its own tools: pg_dump -Fc > {path}")

    def _connect(self, settings: str) -> PostgresConnection:
        try:
            raw: psycopg.Connection[Any] = psycopg.connect(self._conninfo, autocommit=True)
        except psycopg.Error as error:
            raise self.unavailable(error) from error
        try:
            raw.prepared_max = _PREPARED
            for kind in (int, bool):
                raw.adapters.register_dumper(kind, _Numbers)
            raw.adapters.register_dumper(str, _Text)
            statement = round(1000 * self._options.statement_timeout)
            wait = round(1000 * self._options.lock_timeout)
            raw.execute(f"SET statement_timeout = {statement}; SET lock_timeout = {wait}; SET timezone = 'UTC'")
            raw.execute(settings)
        except psycopg.Error as error:
            with suppress(psycopg.Error):
                raw.close()
            raise self.unavailable(error) from error
        return PostgresConnection(raw)
