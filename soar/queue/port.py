"""What is asked of a queue."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from soar.clock import Millis

if TYPE_CHECKING:
    import psycopg

HEARTBEAT = 6.0
"""Seconds without a sign of life after which a job's worker counts as dead (S40)."""

Handler = Callable[[str, int], Awaitable[None]]
"""Takes up what a job names, by (execution, job); back when that rests. It never raises for an execution's fault."""


@dataclass(frozen=True, slots=True)
class Job:
    """A wake-up: it carries no data, only a name."""

    execution_id: str
    due_at: Millis | None
    """None: at once."""
    zone: str
    """Empty: the default zone."""
    priority: int
    """Higher goes first."""


@dataclass(frozen=True, slots=True)
class Depth:
    """What waits in one zone."""

    zone: str
    waiting: int
    """Jobs that are due, and that nobody has picked."""
    oldest: Millis | None
    """Since when the longest of them could have been picked."""


class JobQueue(Protocol):
    """On one PostgreSQL; an object of it belongs to one process."""

    name: str
    live: str
    """SQL: the ids (`id`) of jobs that will be handed out, or are worked on."""

    def install(self, connection: psycopg.Connection[Any]) -> None:
        """Make its tables, in the caller's transaction."""

    def enqueue(self, connection: psycopg.Connection[Any], jobs: Sequence[Job]) -> list[int]:
        """Add jobs in the caller's transaction; their ids, in the same order."""

    def depths(self, connection: psycopg.Connection[Any]) -> list[Depth]:
        """What waits, by zone."""

    def prune(self, connection: psycopg.Connection[Any], before: Millis, limit: int) -> int:
        """Forget what its log says of jobs before then, some rows at a time; how many those were."""

    async def run(self, url: str, zones: Sequence[str], handler: Handler, room: int) -> None:
        """Hand out jobs of these zones, up to `room` at once, until stopped.

        A database that is away is waited for: it never ends by itself.
        """

    async def stop(self, grace: float) -> None:
        """Hand out nothing more, and wait for those handed out; after the grace, in seconds, they are cut."""
