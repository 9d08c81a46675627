"""One open database: its subjects, and what concerns it as a whole."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from soar.clock import Millis
from soar.errors import NotFound
from soar.store.alerts import Alerts
from soar.store.approvals import Approvals
from soar.store.artefacts import Artefacts
from soar.store.audit import AuditTrail
from soar.store.budgets import Budgets
from soar.store.calls import Calls
from soar.store.connection import Connection
from soar.store.containments import Containments
from soar.store.database import Database, database_of
from soar.store.drift import Drift
from soar.store.events import Events
from soar.store.executions import Executions
from soar.store.messages import Messages
from soar.store.options import PostgresOptions
from soar.store.processes import Processes
from soar.store.questions import Questions
from soar.store.reader import Reader
from soar.store.repeats import Repeats
from soar.store.reviews import Reviews
from soar.store.sessions import Sessions
from soar.store.sqlite import create_file
from soar.store.suspects import Suspects
from soar.store.switches import Switches
from soar.store.tokens import Tokens
from soar.store.upgrade import upgrade as upgrade_database
from soar.store.versions import PlaybookVersions
from soar.store.writer import Writer

if TYPE_CHECKING:
    from soar.queue import Depth, JobQueue

PRUNED: Final = 5_000
"""Rows of the queue's log that are forgotten in one transaction, at most."""


class Store:
    """Opened once per process; any number of processes may have the same database open."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self.database = database
        self._seen = database.version(connection)
        self._writer = Writer(database, connection)
        self._reader = Reader(database, database.readers)
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
        self.calls = Calls(self._writer, self._reader)
        self.processes = Processes(self._writer, self._reader)

    @classmethod
    async def open(
        cls,
        url: str,
        *,
        synchronous: str = "FULL",
        create: bool = True,
        upgrade: bool = False,
        postgres: PostgresOptions | None = None,
    ) -> Self:
        """Open the database of a URL; make its file when it is not there and `create` says so, and its tables.

        Raises:
            ConfigError: the URL names no database.
            NotFound: there is no file, and none is to be made.
            SchemaOutOfDate: it has another schema, and is not to be upgraded.
            StoreUnavailable: it cannot be used.
        """
        database = database_of(url, synchronous, postgres)
        path = database.path
        if path is not None and not create and not path.exists():
            raise NotFound(f"{path}: there is no database; `soar serve` makes it, `database` in soar.yaml names it")
        connection = await asyncio.to_thread(_open, url, database, upgrade)
        try:
            return cls(database, connection)
        except Exception as error:
            connection.close()
            raise database.unavailable(error) from error

    @property
    def path(self) -> Path:
        """The file of a database that is one."""
        assert self.database.path is not None
        return self.database.path

    async def close(self) -> None:
        """Write what was handed over, then let go of the database."""
        await self._writer.close()
        await self._reader.close()

    async def changed(self) -> bool:
        """Whether another process may have written since the last time this was asked (S42)."""
        version = await self._writer.outside(self.database.version)
        moved = version is None or version != self._seen
        self._seen = version
        return moved

    async def writable(self) -> None:
        """Write something, to know that it can be done.

        Raises:
            StoreUnavailable: the disk is full, or the database cannot be written.
        """
        await self._writer.run(self.database.probe)

    async def now(self) -> Millis:
        """What time it is by the server's clock, which all who work on it go by (S43)."""
        sql = "SELECT CAST(extract(epoch FROM clock_timestamp()) * 1000 AS bigint)"
        return int(await self._reader.run(lambda db: db.execute(sql).fetchone()[0]))

    async def prune_queue(self, before: Millis) -> int:
        """Forget what the queue's own log says of jobs before then, some rows at a time."""
        database = self._shared()
        return await self._writer.run(lambda db: database.jobs.queue.prune(_raw(db), before, PRUNED))

    async def queue_depths(self) -> list[Depth]:
        """What waits in each zone."""
        database = self._shared()
        return await self._reader.run(lambda db: database.jobs.queue.depths(_raw(db)))

    @property
    def queue(self) -> JobQueue:
        """The queue of a database that several engines work on."""
        queue: JobQueue = self._shared().jobs.queue
        return queue

    @property
    def conninfo(self) -> str:
        """How to reach that database."""
        return str(self._shared().conninfo)

    def _shared(self) -> Any:
        assert self.database.shared, "one file has no queue"
        return self.database

    async def backup(self, path: Path) -> None:
        """Copy the database as it stands at this moment, while it is in use; the copy is there whole or not at all.

        Raises:
            Conflict: there is a file of that name.
            StoreUnavailable: the copy cannot be written.
        """
        await self._reader.run(lambda db: self.database.backup(db, path))


def _raw(connection: Any) -> Any:
    """The driver's own connection: what a queue's library knows."""
    return connection.raw


def _open(url: str, database: Database, upgraded: bool) -> Connection:
    if database.path is not None and not database.path.exists():
        create_file(database.path)
    elif upgraded:
        upgrade_database(url)
    connection = database.connect_writer()
    try:
        database.prepare(connection)
    except BaseException as error:
        connection.close()
        if isinstance(error, Exception) and database.ruins(error):
            raise database.unavailable(error) from error
        raise
    return connection
