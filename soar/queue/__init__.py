"""The queue under several workers on one PostgreSQL: which job is whose turn, and who has died with one.

A port of few functions, and the queues behind it. A queue wakes and hands out; it owns nothing: what an execution is,
whose it is and which job may take it up stands in its own row, so a queue may lose or double a job without harm.
"""

from __future__ import annotations

from soar.errors import ConfigError
from soar.queue.port import Depth, Handler, Job, JobQueue

__all__ = ["QUEUES", "Depth", "Handler", "Job", "JobQueue", "queue_of"]

QUEUES = ("pgqueuer", "procrastinate")
"""Those there are; the first is the one that is used unless another is asked for."""


def queue_of(name: str) -> JobQueue:
    """A queue by its name; its library is loaded with it.

    Raises:
        ConfigError: there is none of that name, or its library is not installed.
    """
    if name == "pgqueuer":
        from soar.queue.pgqueuer import PgQueuerQueue

        return PgQueuerQueue()
    if name == "procrastinate":
        try:
            from soar.queue.procrastinate import ProcrastinateQueue
        except ImportError:
            raise ConfigError(
                "postgres.queue: Procrastinate is not installed; pip install 'soar-engine[procrastinate]'"
            ) from None
        return ProcrastinateQueue()
    raise ConfigError(f"postgres.queue: {name!r} is no queue; it is one of {', '.join(QUEUES)}")
