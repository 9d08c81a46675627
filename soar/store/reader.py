"""Reading beside the writer: a few threads, each with a connection of its own that cannot write."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from soar.errors import StoreError
from soar.store.connection import Connection
from soar.store.database import Database

T = TypeVar("T")

THREADS: Final = 3
"""Connections that read, at most; each is opened when it is first needed."""


class Reader:
    """Answers questions from what is committed."""

    def __init__(self, database: Database, threads: int = THREADS) -> None:
        self._database = database
        self._local = threading.local()
        self._connections: list[Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="soar-store-reader")

    async def run(self, work: Callable[[Connection], T]) -> T:
        """The function's result, on a connection of a reading thread; it sees one state of the database.

        Raises:
            StoreUnavailable: the database does not answer.
        """
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, work)

    async def close(self) -> None:
        """End the threads, then their connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _answer(self, work: Callable[[Connection], T]) -> T:
        database = self._database
        connection = self._connection()
        try:
            database.begin_reading(connection)
            result = work(connection)
            database.rollback(connection)
            return result
        except StoreError:
            database.rollback(connection)
            raise
        except Exception as error:
            if database.usable(connection):
                database.rollback(connection)
            if database.ruins(error):
                raise database.unavailable(error) from error
            raise

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._local, "connection", None)
        if connection is not None and not self._database.usable(connection):
            self._local.connection = None  # first: the next one may not come up, and this one is gone all the same
            self._connections.remove(connection)
            connection.close()
            connection = None
        if connection is None:
            connection = self._database.connect_reader()
            self._local.connection = connection
            self._connections.append(connection)
        return connection
