"""One open database: its subjects, and what concerns the file as a whole."""

from __future__ import annotations

import asyncio
import os
import sqlite3
from pathlib import Path
from typing import Final, Self

from soar.errors import Conflict, NotFound, StoreUnavailable
from soar.store import database, schema
from soar.store.alerts import Alerts
from soar.store.approvals import Approvals
from soar.store.artefacts import Artefacts
from soar.store.audit import AuditTrail
from soar.store.budgets import Budgets
from soar.store.containments import Containments
from soar.store.drift import Drift
from soar.store.events import Events
from soar.store.executions import Executions
from soar.store.messages import Messages
from soar.store.questions import Questions
from soar.store.reader import Reader
from soar.store.repeats import Repeats
from soar.store.reviews import Reviews
from soar.store.sessions import Sessions
from soar.store.suspects import Suspects
from soar.store.switches import Switches
from soar.store.tokens import Tokens
from soar.store.versions import PlaybookVersions
from soar.store.writer import Writer

_PROBE_BYTES: Final = 65_536
_FREE_BYTES: Final = 1 << 20


class Store:
    """Opened once per process; any number of processes may have the same file open."""

    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self.path = path
        self._seen = _data_version(connection)
        self._writer = Writer(connection, path)
        self._reader = Reader(path)
        self.alerts = Alerts(self._writer, self._reader)
        self.executions = Executions(self._writer, self._reader)
        self.suspects = Suspects(self._writer, self._reader)
        self.containments = Containments(self._writer, self._reader)
        self.repeats = Repeats(self._reader)
        self.drift = Drift(self._writer, self._reader)
        self.questions = Questions(self._writer, self._reader)
        self.playbooks = PlaybookVersions(self._writer, self._reader)
        self.tokens = Tokens(self._writer, self._reader)
        self.approvals = Approvals(self._writer, self._reader)
        self.messages = Messages(self._writer, self._reader)
        self.reviews = Reviews(self._writer, self._reader)
        self.sessions = Sessions(self._writer, self._reader)
        self.events = Events(self._writer, self._reader)
        self.artefacts = Artefacts(self._writer, self._reader)
        self.switches = Switches(self._writer, self._reader)
        self.budgets = Budgets(self._writer, self._reader)
        self.audit = AuditTrail(self._writer, self._reader)

    @classmethod
    async def open(cls, url: str, *, synchronous: str = "FULL", create: bool = True, upgrade: bool = False) -> Self:
        """Open the database of a `sqlite:///` URL; make it when it is not there and `create` says so.

        Raises:
            ConfigError: the URL names no SQLite file.
            NotFound: there is no file, and none is to be made.
            SchemaOutOfDate: the file has another schema, and is not to be upgraded.
            StoreUnavailable: the file cannot be used.
        """
        path = database.file_of(url)
        if not create and not path.exists():
            raise NotFound(f"{path}: there is no database; `soar serve` makes it, `database` in soar.yaml names it")
        connection = await asyncio.to_thread(_open, url, path, synchronous, upgrade)
        try:
            return cls(path, connection)
        except sqlite3.Error as error:
            connection.close()
            raise database.unavailable(path, error) from error

    async def close(self) -> None:
        """Write what was handed over, then let go of the file."""
        await self._writer.close()
        await self._reader.close()

    async def changed(self) -> bool:
        """Whether another process has written since the last time this was asked (S42)."""
        version = await self._writer.outside(_data_version)
        moved = version != self._seen
        self._seen = version
        return moved

    async def writable(self) -> None:
        """Write something, to know that it can be done.

        Raises:
            StoreUnavailable: the disk is full, or the file cannot be written.
        """
        free = os.statvfs(self.path.parent)
        if free.f_bavail * free.f_frsize < _FREE_BYTES:
            raise StoreUnavailable(f"{self.path}: less than 1 MiB is free on its disk; free some space")
        await self._writer.run(_probe)

    async def backup(self, path: Path) -> None:
        """Copy the database as it stands at this moment, while it is in use; the copy is there whole or not at all.

        Raises:
            Conflict: there is a file of that name.
            StoreUnavailable: the copy cannot be written.
        """
        await self._reader.run(lambda db: _copy(db, path))


def _open(url: str, path: Path, synchronous: str, upgrade: bool) -> sqlite3.Connection:
    if not path.exists():
        database.create_file(path)
    elif upgrade:
        schema.upgrade(url)
    connection = database.connect_writer(path, synchronous)
    try:
        schema.prepare(connection, path)
    except BaseException as error:
        connection.close()
        if isinstance(error, sqlite3.Error):
            raise database.unavailable(path, error) from error
        raise
    return connection


def _data_version(connection: sqlite3.Connection) -> int:
    version: int = database.patiently(lambda: connection.execute("PRAGMA data_version").fetchone()[0])
    return version


def _probe(connection: sqlite3.Connection) -> None:
    """Take some pages and give them back, then write one row."""
    connection.execute("SAVEPOINT probe")
    connection.execute("INSERT INTO raw_alerts (id, body) VALUES ('probe', zeroblob(?))", (_PROBE_BYTES,))
    connection.execute("ROLLBACK TO probe")
    connection.execute("RELEASE probe")
    connection.execute("INSERT INTO probe (id, value) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET value = 1 - value")


def _copy(connection: sqlite3.Connection, path: Path) -> None:
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
