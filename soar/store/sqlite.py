"""One SQLite file: where it is, how connections to it are opened, and what its errors mean.

The file has one writer at a time by SQLite's own lock; each process has one connection that writes.
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from soar.errors import ConfigError, Conflict, StoreError, StoreUnavailable
from soar.store import schema

T = TypeVar("T")

_PREFIX: Final = "sqlite:///"
_MODES: Final = frozenset({"FULL", "NORMAL", "OFF", "EXTRA"})
_PROBE_BYTES: Final = 65_536
_FREE_BYTES: Final = 1 << 20
BUSY_SECONDS: Final = 5.0
"""How long a writer waits for another process's write."""
_PAUSE: Final = 0.002
"""Seconds between two looks of a writer that waits. SQLite's own wait grows to 100 ms, and would
starve beside an engine whose pauses between two commits are short."""
_LASTING: Final = ("SQLITE_FULL", "SQLITE_IOERR", "SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_CORRUPT")
_LASTING_TOO: Final = ("SQLITE_NOTADB", "SQLITE_BUSY", "SQLITE_LOCKED", "SQLITE_PERM", "SQLITE_NOMEM")


def file_of(url: str) -> Path:
    """The file a `sqlite:///...` URL names.

    Raises:
        ConfigError: it is no such URL.
    """
    name = url.removeprefix(_PREFIX)
    if not url.startswith(_PREFIX) or not name or name == ":memory:":
        raise ConfigError(
            f"database: {url!r} names no file; write sqlite:///soar.db or sqlite:////var/lib/soar/soar.db"
        )
    return Path(os.path.realpath(name))


class SqliteDatabase:
    """One file; any number of processes may have it open, one of them is its engine."""

    shared = False
    readers = 3

    def __init__(self, path: Path, synchronous: str = "FULL") -> None:
        self.path = path
        self._synchronous = synchronous

    @property
    def label(self) -> str:
        return str(self.path)

    def connect_writer(self) -> sqlite3.Connection:
        return connect_writer(self.path, self._synchronous)

    def connect_reader(self) -> sqlite3.Connection:
        connection = _connect(self.path)
        connection.execute("PRAGMA query_only = ON")
        return connection

    def usable(self, connection: Any) -> bool:  # noqa: ARG002 # a file does not go away
        return True

    def begin(self, connection: Any) -> None:
        """Take the write lock at once.

        A transaction that reads first and writes later would be refused when another
        process wrote in between, whatever the busy timeout says.
        """
        patiently(lambda: connection.execute("BEGIN IMMEDIATE"))

    def commit(self, connection: Any) -> None:
        connection.execute("COMMIT")

    def rollback(self, connection: Any) -> None:
        """SQLite has ended it by itself after some errors."""
        if connection.in_transaction:
            connection.execute("ROLLBACK")

    def begin_reading(self, connection: Any) -> None:
        connection.execute("BEGIN")

    def ruins(self, error: Exception) -> bool:
        name = getattr(error, "sqlite_errorname", "") or ""
        return isinstance(error, sqlite3.Error) and name.startswith((*_LASTING, *_LASTING_TOO))

    def unavailable(self, error: Exception) -> StoreError:
        return unavailable(self.path, error)

    def version(self, connection: Any) -> int | None:
        version: int = patiently(lambda: connection.execute("PRAGMA data_version").fetchone()[0])
        return version

    def prepare(self, connection: Any) -> None:
        schema.prepare(self, connection)

    def tables(self, connection: Any) -> set[str]:
        sql = "SELECT name FROM sqlite_master WHERE type = 'table'"
        return {row[0] for row in patiently(lambda: connection.execute(sql).fetchall())}

    @contextmanager
    def upgrading(self, connection: Any) -> Iterator[None]:
        self.begin(connection)
        try:
            yield
            connection.execute("COMMIT")
        finally:
            self.rollback(connection)

    def install(self, connection: Any) -> None:
        """There is nothing beside the tables."""

    def made(self, connection: Any) -> None:
        """There was nothing to choose."""

    def probe(self, connection: Any) -> None:
        free = os.statvfs(self.path.parent)
        if free.f_bavail * free.f_frsize < _FREE_BYTES:
            raise StoreUnavailable(f"{self.path}: less than 1 MiB is free on its disk; free some space")
        connection.execute("SAVEPOINT probe")
        connection.execute("INSERT INTO raw_alerts (id, body) VALUES ('probe', zeroblob(?))", (_PROBE_BYTES,))
        connection.execute("ROLLBACK TO probe")
        connection.execute("RELEASE probe")
        connection.execute(
            "INSERT INTO probe (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = 1 - value"
        )

    def backup(self, connection: Any, path: Path) -> None:
        """The copy is there whole or not at all."""
        copy(connection, path)


def connect_writer(path: Path, synchronous: str = "FULL") -> sqlite3.Connection:
    """A connection that may write; transactions are begun and ended by hand."""
    if synchronous not in _MODES:
        raise ConfigError(f"database: synchronous is {synchronous!r}; it is one of {', '.join(sorted(_MODES))}")
    connection = _connect(path)
    tuned = f"synchronous = {synchronous}", "wal_autocheckpoint = 4000", "journal_size_limit = 67108864"
    for pragma in ("journal_mode = WAL", *tuned, "cache_size = -16384", "busy_timeout = 0"):
        try:
            patiently(partial(connection.execute, f"PRAGMA {pragma}"))
        except sqlite3.Error as error:
            connection.close()
            raise unavailable(path, error) from error
    return connection


def create_file(path: Path) -> None:
    """An empty database file that only its owner can read: alerts are nobody else's business."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot be created ({error.strerror}); check `database` in soar.yaml"
        ) from error


def patiently(work: Callable[[], T]) -> T:
    """Do it, and again while another process is in the way."""
    deadline = time.monotonic() + BUSY_SECONDS
    while True:
        try:
            return work()
        except sqlite3.OperationalError as error:
            if not _is_busy(error) or time.monotonic() > deadline:
                raise
            time.sleep(_PAUSE)


def unavailable(path: Path, error: Exception) -> StoreError:
    """The same error as a person needs it."""
    name = getattr(error, "sqlite_errorname", "") or ""
    remedies = {
        "SQLITE_FULL": "free some space on its disk",
        "SQLITE_BUSY": "another process holds it for long; end that one",
        "SQLITE_READONLY": "make the file and its folder writable",
        "SQLITE_CANTOPEN": "check that the file exists and may be opened",
        "SQLITE_NOTADB": "it is no SQLite database; check `database` in soar.yaml",
        "SQLITE_CORRUPT": "restore a backup",
    }
    remedy = next((text for key, text in remedies.items() if name.startswith(key)), "check its disk")
    return StoreUnavailable(f"{path}: {error}; nothing was written: {remedy}")


def copy(connection: sqlite3.Connection, path: Path) -> None:
    """Copy what the connection sees, while it is in use, into a new file."""
    if path.exists():
        raise Conflict(f"{path}: there is a file of that name; choose another")
    partial = path.with_name(path.name + ".partial")
    try:
        os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
    except OSError as error:
        raise StoreUnavailable(f"{partial}: cannot be created ({error.strerror}); choose another place") from error
    try:
        target = sqlite3.connect(partial)
        try:
            connection.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")
        finally:
            target.close()
        os.link(partial, path)
    except FileExistsError:
        raise Conflict(f"{path}: there is a file of that name; choose another") from None
    except (OSError, sqlite3.Error) as error:
        raise StoreUnavailable(f"{path}: the backup cannot be written ({error})") from error
    finally:
        partial.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    uri = f"file:{_quoted(path)}?mode=rw"
    try:
        connection = sqlite3.connect(
            uri,
            uri=True,
            timeout=BUSY_SECONDS,
            isolation_level=None,
            check_same_thread=False,
            cached_statements=512,
        )
        patiently(lambda: connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone())
    except sqlite3.Error as error:
        raise unavailable(path, error) from error
    return connection


def _is_busy(error: sqlite3.Error) -> bool:
    return (getattr(error, "sqlite_errorname", "") or "").startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _quoted(path: Path) -> str:
    return str(path).replace("%", "%25").replace("?", "%3f").replace("#", "%23")
