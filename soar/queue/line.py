"""The queue's own connections, which outlive an outage: whoever asks waits until the database is back.

The libraries behind the queues end, and lose sight of what they work on, when a statement of theirs fails. So none
fails because the database is away: it is asked again when it is back. That is harmless for everything they ask: a job
that was picked by an answer nobody got shows no sign of life, and is handed out again.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Any, Final

import psycopg
import structlog
from psycopg import sql
from psycopg.rows import dict_row

from soar.queue.port import HEARTBEAT

log = structlog.get_logger(__name__)

PAUSE: Final = 0.5
"""Seconds before the next try when the database is away."""
QUIET: Final = 60.0
"""Seconds in which it is not said again that something fails."""
_SETTINGS: Final[dict[str, Any]] = {
    "application_name": "soar-queue",
    "connect_timeout": 5,
    # A server that is gone without a word is noticed after 5 + 3 * 2 seconds.
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 11_000,
}


class Line:
    """One connection for what is asked, and one for each that listens: psycopg lets nobody ask while it listens."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.AsyncConnection[Any] | None = None
        self._opening = asyncio.Lock()
        self._over = asyncio.Event()
        self._away = False
        self._opened = False
        self._back: float | None = None
        self._refused = -QUIET

    @property
    def settled(self) -> bool:
        """Whether everybody who lives has had the time to say so since the database was away."""
        return self._back is None or asyncio.get_running_loop().time() - self._back > HEARTBEAT

    async def ask(
        self,
        query: str,
        parameters: Sequence[Any] | Mapping[str, Any] | None = None,
        cursor: type[psycopg.AsyncCursor[Any]] = psycopg.AsyncRawCursor,
        *,
        again: bool = True,
    ) -> list[dict[str, Any]]:
        """One statement, by itself: its rows.

        Not `again`: it holds for the connection of now only. Once that was lost there are no rows; ask anew.
        """
        back, before = self._back, False
        while True:
            connection = await self._open()
            if self._back != back and not again:
                return []
            try:
                asked = await cursor(connection, row_factory=dict_row).execute(query.encode(), parameters or None)
                return await asked.fetchall() if asked.description else []
            except psycopg.Error as error:
                if not (isinstance(error, psycopg.OperationalError) or connection.closed) or self._over.is_set():
                    raise
                if before and not connection.closed:  # the first may be the last word of a connection that ends
                    self._say_refused(error)
                before = True
                await self._pause(error)

    async def listen(self, channels: Sequence[str]) -> AsyncIterator[psycopg.Notify]:
        """What is told there. What was told while the connection was lost is not: its users look every now and then."""
        while True:
            async with await self._connect() as connection:
                try:
                    for channel in channels:
                        await connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
                    async for note in connection.notifies():
                        yield note
                except psycopg.OperationalError as error:
                    await self._pause(error)

    def wait_no_more(self) -> None:
        """From here on, an outage is an error."""
        self._over.set()

    async def close(self) -> None:
        self.wait_no_more()
        if self._connection is not None:
            await self._connection.close()

    async def _open(self) -> psycopg.AsyncConnection[Any]:
        async with self._opening:
            if self._connection is None or self._connection.closed:
                if self._connection is not None:
                    await self._connection.close()
                self._connection = await self._connect()
                if self._opened:
                    self._back = asyncio.get_running_loop().time()
                self._opened = True
            return self._connection

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        while True:
            if self._over.is_set():
                raise psycopg.OperationalError("the queue was stopped")
            try:
                connection = await psycopg.AsyncConnection.connect(self._url, autocommit=True, **_SETTINGS)
            except psycopg.OperationalError as error:
                self._opened = True  # it was away: those who live could not say so
                self._say(error)
                await self._pause(error)
            else:
                if self._away:
                    log.info("the queue has its database again")
                self._away = False
                return connection

    def _say(self, error: Exception) -> None:
        """Once for each outage."""
        if not self._away:
            log.warning("the queue waits for its database", reason=" ".join(str(error).split()))
        self._away = True

    def _say_refused(self, error: Exception) -> None:
        """It is there, and yet does not do what is asked: now and then, for every one who asks finds that."""
        now = asyncio.get_running_loop().time()
        if now - self._refused >= QUIET:
            self._refused = now
            log.warning("the database refuses what the queue asks", reason=" ".join(str(error).split()))

    async def _pause(self, error: Exception) -> None:
        if self._over.is_set():
            raise error
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), PAUSE)
