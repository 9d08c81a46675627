"""What both queues do alike in a process: run until they are stopped, whatever their library makes of it."""

from __future__ import annotations

import asyncio
import contextlib
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Final

import structlog

from soar.queue.line import PAUSE, QUIET, Line
from soar.queue.port import HEARTBEAT, Handler

log = structlog.get_logger(__name__)

_LAST: Final = 2.0
"""Seconds that a stop takes beyond its grace, at most: what ended is written down."""


class Returned(Exception):
    """A job goes back: it was not begun, or not given the time to end."""

    def __init__(self, delay: float) -> None:
        super().__init__("the queue was stopped")
        self.delay = delay
        """Seconds until it may be handed out again. What was cut has the time that a dead worker's jobs have, for
        something of it may go on for a while."""


class Hands:
    """The handlers under way in this process."""

    def __init__(self, handler: Handler) -> None:
        self._handler = handler
        self._tasks: dict[asyncio.Task[None], int] = {}
        self._closing = False
        self._cut = False

    @property
    def jobs(self) -> set[int]:
        """What they work on."""
        return set(self._tasks.values())

    async def work(self, execution_id: str, job_id: int) -> None:
        """One job, to its end.

        Raises:
            Returned: it is to be handed out again.
        """
        if self._closing:
            raise Returned(0.0)
        task = asyncio.ensure_future(self._handler(execution_id, job_id))
        self._tasks[task] = job_id
        try:
            await task
        except asyncio.CancelledError:
            if not self._cut:
                raise
            raise Returned(HEARTBEAT) from None
        except Exception:
            log.exception("a job failed", execution=execution_id, job=job_id)
            raise
        finally:
            self._tasks.pop(task, None)

    async def drain(self, grace: float) -> None:
        """Begin nothing more, and wait for what is under way; after the grace that is cut."""
        self._closing = True
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        self._cut = True
        for task in self._tasks:
            task.cancel()


class Serving(ABC):
    """The side of a queue that hands out."""

    def __init__(self) -> None:
        self._stopping = asyncio.Event()
        self._ended = asyncio.Event()
        self._line: Line | None = None
        self._hands: Hands | None = None

    async def run(self, url: str, zones: Sequence[str], handler: Handler, room: int) -> None:
        self._line, self._hands = Line(url), Hands(handler)
        loop = asyncio.get_running_loop()
        said = -QUIET
        try:
            while not self._stopping.is_set():
                try:
                    await self._serve(self._line, self._hands, zones, room)
                except Exception as error:  # noqa: BLE001 # whatever ended it: it is begun again
                    if loop.time() - said >= QUIET and not self._stopping.is_set():
                        said = loop.time()
                        log.warning("the queue is begun again", reason=f"{type(error).__name__}: {error}")
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._stopping.wait(), PAUSE)
        finally:
            await self._line.close()
            self._ended.set()

    async def stop(self, grace: float) -> None:
        self._stopping.set()
        self._halt()
        if self._line is None or self._hands is None:
            return
        await self._hands.drain(grace)
        self._line.wait_no_more()
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._ended.wait(), _LAST)

    @abstractmethod
    async def _serve(self, line: Line, hands: Hands, zones: Sequence[str], room: int) -> None:
        """Hand out jobs until halted; back when what was handed out has ended."""

    @abstractmethod
    def _halt(self) -> None:
        """Hand out nothing more."""
