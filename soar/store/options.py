"""What can be set of a PostgreSQL database, besides its URL."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class PostgresOptions:
    """Of one process; times in seconds."""

    queue: str = "pgqueuer"
    """Which queue hands out what is to be done; the same for all processes of a database."""
    readers: int = 3
    """Connections that read, at most; one more writes, and the queue has its own."""
    statement_timeout: float = 30.0
    """How long the server lets one statement take."""
    lock_timeout: float = 10.0
    """How long the server lets one wait for a lock, that of whoever writes among them."""
