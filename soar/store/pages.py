"""Lists, a page at a time: newest first, found again by the last row seen, never by counting rows.

Rows that arrive while somebody turns pages stand before the first page, so no row comes twice and
none is left out; the hundredth page costs what the first did.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Generic, TypeVar

import orjson

from soar.clock import Millis
from soar.errors import CursorInvalid
from soar.model.containment import ContainmentState
from soar.model.execution import ExecutionKind, ExecutionState
from soar.model.severity import Severity
from soar.store.connection import Connection
from soar.store.units import AlertState

T = TypeVar("T")

LIMIT: Final = 200
"""Rows on a page, at most."""


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Some rows, and where the next ones begin; None at the end."""

    items: list[T]
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class AlertFilter:
    """Which alerts; None is any. `since` is the first instant of interest, `until` the first after it."""

    source: str | None = None
    status: AlertState | None = None
    severity: Severity | None = None
    since: Millis | None = None
    until: Millis | None = None


@dataclass(frozen=True, slots=True)
class ExecutionFilter:
    """Which executions; None is any. Times are of their opening."""

    status: ExecutionState | None = None
    playbook: str | None = None
    severity: Severity | None = None
    alert: str | None = None
    since: Millis | None = None
    until: Millis | None = None
    kind: ExecutionKind | None = None


@dataclass(frozen=True, slots=True)
class ContainmentFilter:
    """Which containments; None is any. `current`: those that are not over, or only those that are."""

    status: ContainmentState | None = None
    connection: str | None = None
    target: str | None = None
    current: bool | None = None


@dataclass(slots=True)
class Listing:
    """One question for a page, as it is put together."""

    table: str
    columns: Sequence[str]
    instant: str
    """The column that says how new a row is; `seq` decides between equals."""

    terms: list[str] = field(default_factory=list)
    values: list[Any] = field(default_factory=list)

    def where(self, term: str, *values: Any) -> None:
        """Only rows for which the term holds."""
        self.terms.append(term)
        self.values.extend(values)

    def equal(self, column: str, value: Any, *, steers: bool = True) -> None:
        """Only rows with that value, when there is one; `steers=False` keeps the planner off the column's index."""
        if value is not None:
            self.where(f"{column} = ?" if steers else f"+{column} = ?", value)

    def between(self, since: Millis | None, until: Millis | None) -> None:
        """Only rows from `since` on and before `until`."""
        if since is not None:
            self.where(f"{self.instant} >= ?", since)
        if until is not None:
            self.where(f"{self.instant} < ?", until)

    def sql(self, cursor: str | None, limit: int) -> tuple[str, list[Any]]:
        """The statement and its values."""
        terms, values = list(self.terms), list(self.values)
        if cursor is not None:
            terms.append(f"({self.instant}, seq) < (?, ?)")
            values.extend(_place(cursor))
        where = f" WHERE {' AND '.join(terms)}" if terms else ""
        columns = ", ".join((*self.columns, self.instant, "seq"))
        order = f" ORDER BY {self.instant} DESC, seq DESC LIMIT {_bounded(limit) + 1}"
        return f"SELECT {columns} FROM {self.table}{where}{order}", values

    def page(
        self, connection: Connection, cursor: str | None, limit: int, make: Callable[[Sequence[Any]], T]
    ) -> Page[T]:
        """The page after the cursor."""
        rows = connection.execute(*self.sql(cursor, limit)).fetchall()
        more = len(rows) > _bounded(limit)
        rows = rows[: _bounded(limit)]
        return Page([make(row[:-2]) for row in rows], _cursor(rows[-1][-2:]) if more else None)


def _bounded(limit: int) -> int:
    return max(1, min(limit, LIMIT))


def _cursor(place: Sequence[int]) -> str:
    return base64.urlsafe_b64encode(orjson.dumps(list(place))).decode().rstrip("=")


def _place(cursor: str) -> tuple[int, int]:
    try:
        at, seq = orjson.loads(base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except (binascii.Error, ValueError, TypeError):
        raise CursorInvalid(f"{cursor[:80]!r} is no cursor; use next_cursor of the page before, as it is") from None
    if type(at) is not int or type(seq) is not int or max(abs(at), abs(seq)) >= 1 << 63:
        raise CursorInvalid(f"{cursor[:80]!r} is no cursor; use next_cursor of the page before, as it is")
    return at, seq
