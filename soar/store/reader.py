"""Reading beside the writer: a few threads, each with a connection of its own that cannot write."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final, TypeVar

from soar.store import database

T = TypeVar("T")

_THREADS: Final = 3


class Reader:
    """Answers questions from what is committed."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._pool = ThreadPoolExecutor(_THREADS, thread_name_prefix="soar-store-reader")

    async def run(self, work: Callable[[sqlite3.Connection], T]) -> T:
        """The function's result, on a connection of a reading thread; it sees one state of the database."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._answer, work)

    async def close(self) -> None:
        """End the threads, then their connections."""
        await asyncio.get_running_loop().run_in_executor(None, self._pool.shutdown)
        for connection in self._connections:
            connection.close()
        self._connections.clear()

    def _answer(self, work: Callable[[sqlite3.Connection], T]) -> T:
        connection = self._connection()
        connection.execute("BEGIN")
        try:
            return work(connection)
        except sqlite3.Error as error:
            if database.concerns_the_file(error):
                raise database.unavailable(self._path, error) from error
            raise
        finally:
            database.rollback(connection)

    def _connection(self) -> sqlite3.Connection:
        connection: sqlite3.Connection | None = getattr(self._local, "connection", None)
        if connection is None:
            connection = database.connect_reader(self._path)
            self._local.connection = connection
            self._connections.append(connection)
        return connection
