"""What the store's SQL runs on: as much of a database connection as both databases have.

The statements are written once, in the words SQLite has; `dialect` says what PostgreSQL calls the few
that it calls otherwise. Parameters are `?`, rows are tuples.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol


class Cursor(Protocol):
    """What a statement answered."""

    @property
    def rowcount(self) -> int:
        """Rows it changed."""

    def fetchone(self) -> Any: ...

    def fetchall(self) -> list[Any]: ...

    def __iter__(self) -> Iterator[Any]: ...


class Connection(Protocol):
    """One connection, used by one thread at a time; transactions are begun and ended by its database."""

    @property
    def in_transaction(self) -> bool: ...

    def execute(self, sql: str, parameters: Sequence[Any] = ..., /) -> Cursor: ...

    def close(self) -> None: ...
