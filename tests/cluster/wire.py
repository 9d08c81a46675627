"""A wire between processes and their database that can be cut at the worst moment."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

COMMITTED = b"COMMIT\0"
"""The tag with which the server says that a transaction is committed."""


class Wire:
    """Hands bytes on in both directions; armed, it swallows the next words that a commit is done, and hangs up."""

    def __init__(self, port: int) -> None:
        self.port = 0
        self.cut = 0
        """How many connections were cut between a commit and its answer."""
        self._to = port
        self._armed = 0
        self._lines: set[asyncio.Task[None]] = set()

    def arm(self, times: int = 1) -> None:
        self._armed = times

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._lines.add(task)
        try:
            from_server, to_server = await asyncio.open_connection("127.0.0.1", self._to)
        except OSError:
            writer.close()
            return
        both = [
            asyncio.create_task(self._pass(reader, to_server, swallows=False)),
            asyncio.create_task(self._pass(from_server, writer, swallows=True)),
        ]
        try:
            with suppress(asyncio.CancelledError):  # the wire is taken away; streams do not expect it of a callback
                await asyncio.wait(both, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in both:
                one.cancel()
            await asyncio.gather(*both, return_exceptions=True)
            for end in (to_server, writer):
                end.transport.abort()
            self._lines.discard(task)

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, swallows: bool) -> None:
        with suppress(ConnectionError):
            while data := await source.read(65_536):
                if swallows and self._armed and COMMITTED in data:
                    self._armed -= 1
                    self.cut += 1
                    return
                sink.write(data)
                await sink.drain()


@asynccontextmanager
async def wire(port: int) -> AsyncIterator[Wire]:
    """A wire to the server at that port."""
    one = Wire(port)
    listener = await asyncio.start_server(one.carry, "127.0.0.1", 0)
    one.port = listener.sockets[0].getsockname()[1]
    try:
        yield one
    finally:
        listener.close()
        for line in list(one._lines):
            line.cancel()
        await asyncio.gather(*one._lines, return_exceptions=True)
