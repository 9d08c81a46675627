"""The bells of a process: what it does again and again, and the one for the earliest due time (S43)."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any, Final

import structlog
from apscheduler.schedulers.asyncio import AsyncIOScheduler
from apscheduler.triggers.interval import IntervalTrigger

from soar.clock import Millis
from soar.errors import StoreError

log = structlog.get_logger(__name__)

Job = Callable[[], Awaitable[Any]]
_RINGING: Final = 100
"""A bell that is set while one rings may come due before that one has ended; it must not be left out."""


class Bells:
    """Rings jobs on time; one that fails rings again, and none is torn off in the middle when it stops."""

    def __init__(self) -> None:
        self._scheduler = AsyncIOScheduler(timezone=UTC)
        self._ringing: set[asyncio.Task[Any]] = set()
        self._failing: set[str] = set()
        self._stopped = False

    def every(self, seconds: float, name: str, job: Job) -> None:
        """Ring that often; a turn that comes while the last one is under way is left out."""
        self._scheduler.add_job(
            partial(self._ring, name, job),
            IntervalTrigger(seconds=seconds),
            id=name,
            max_instances=1,
            coalesce=True,
            misfire_grace_time=None,
        )

    def at(self, due: Millis, name: str, job: Job) -> None:
        """Ring once, then; a later word moves the bell of that name."""
        self._scheduler.add_job(
            partial(self._ring, name, job),
            "date",
            run_date=datetime.fromtimestamp(due / 1000, tz=UTC),
            id=name,
            replace_existing=True,
            misfire_grace_time=None,
            max_instances=_RINGING,
        )

    def start(self) -> None:
        self._scheduler.start()

    async def stop(self, grace: float) -> None:
        """Begin nothing more, and let what rings come to its end: the scheduler alone would tear it off."""
        self._stopped = True
        self._scheduler.pause()
        if self._ringing:
            await asyncio.wait(self._ringing, timeout=grace)
        self._scheduler.shutdown(wait=False)

    async def _ring(self, name: str, job: Job) -> None:
        task = asyncio.current_task()
        assert task is not None
        if self._stopped:
            return
        self._ringing.add(task)
        try:
            # Only `stop` cancels one, after its grace: that is no failure to tell of.
            with contextlib.suppress(asyncio.CancelledError):
                await job()
            self._failing.discard(name)
        except StoreError as error:
            if name not in self._failing:  # four times a second would drown the rest
                log.warning("the store does not answer; it is tried again and again", bell=name, reason=str(error))
            self._failing.add(name)
        finally:
            self._ringing.discard(task)
