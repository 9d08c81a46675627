"""One SQLite file: where it is, how connections to it are opened, and what its errors mean."""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Final, TypeVar

from soar.errors import ConfigError, StoreError, StoreUnavailable

T = TypeVar("T")

_PREFIX: Final = "sqlite:///"
_MODES: Final = frozenset({"FULL", "NORMAL", "OFF", "EXTRA"})
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
    if url.startswith(("postgresql:", "postgres:")):
        raise ConfigError("database: PostgreSQL is not carried out by this version; use sqlite:///soar.db")
    name = url.removeprefix(_PREFIX)
    if not url.startswith(_PREFIX) or not name or name == ":memory:":
        raise ConfigError(
            f"database: {url!r} names no file; write sqlite:///soar.db or sqlite:////var/lib/soar/soar.db"
        )
    return Path(os.path.realpath(name))


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


def connect_reader(path: Path) -> sqlite3.Connection:
    """A connection that cannot write."""
    connection = _connect(path)
    connection.execute("PRAGMA query_only = ON")
    return connection


def begin(connection: sqlite3.Connection) -> None:
    """Start a transaction that holds the write lock from its first moment.

    A transaction that reads first and writes later would be refused at once when
    another process wrote in between, whatever the busy timeout says.
    """
    patiently(lambda: connection.execute("BEGIN IMMEDIATE"))


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


def rollback(connection: sqlite3.Connection) -> None:
    """End the transaction without a trace; SQLite has ended it by itself after some errors."""
    if connection.in_transaction:
        connection.execute("ROLLBACK")


def create_file(path: Path) -> None:
    """An empty database file that only its owner can read: alerts are nobody else's business."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
    except OSError as error:
        raise StoreUnavailable(
            f"{path}: cannot be created ({error.strerror}); check `database` in soar.yaml"
        ) from error


def concerns_the_file(error: Exception) -> bool:
    """Whether the error says that the file cannot be used, rather than that these rows are wrong."""
    name = getattr(error, "sqlite_errorname", "") or ""
    return isinstance(error, sqlite3.Error) and name.startswith((*_LASTING, *_LASTING_TOO))


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
