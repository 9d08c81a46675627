"""Blast-radius budgets: how many changes of a class were made within a window (S19)."""

from __future__ import annotations

from dataclasses import dataclass

from soar.clock import Millis
from soar.errors import OverBudget
from soar.store.connection import Connection
from soar.store.reader import Reader
from soar.store.units import GiveBack, Reserve
from soar.store.writer import Writer


@dataclass(frozen=True, slots=True)
class BudgetView:
    """A budget as people see it."""

    budget: str
    used: int
    limit: int
    window: float
    full_since: Millis | None


class Budgets:
    """What is used, for people."""

    def __init__(self, writer: Writer, reader: Reader) -> None:
        self._writer = writer
        self._reader = reader

    async def list(self, now: Millis) -> list[BudgetView]:
        """Every budget that was ever claimed, by name."""
        return await self._reader.run(lambda db: _list(db, now))


def reserve(connection: Connection, execution_id: str, change: Reserve) -> None:
    """Take one use.

    Raises:
        OverBudget: it is full, or has not fallen to where it opens again.
    """
    place = (execution_id, change.path, change.attempt, change.budget)
    there = "SELECT 1 FROM budget_uses WHERE execution_id = ? AND path = ? AND attempt = ? AND budget = ?"
    if connection.execute(there, place).fetchone() is not None:
        return
    used = _used(connection, change.budget, change.window, change.at)
    full_since = _full_since(connection, change)
    if full_since is not None and used <= change.resume_at:
        full_since = None
    if full_since is None and used >= change.limit:
        full_since = change.at
    if full_since is not None and not change.forced:
        raise OverBudget(
            change.budget,
            f"the budget '{change.budget}' is full: {used} of {change.limit} within {change.window:g} s; "
            f"it opens again at {change.resume_at}",
        )
    (use,) = connection.execute(
        "INSERT INTO budget_uses (execution_id, path, attempt, budget, at) VALUES (?, ?, ?, ?, ?) RETURNING seq",
        (*place, change.at),
    ).fetchone()
    filled = full_since is None and used + 1 >= change.limit
    _keep_state(connection, change, change.at if filled else full_since, use if filled else None)


def give_back(connection: Connection, execution_id: str, change: GiveBack) -> None:
    """The call changed nothing: its uses do not count."""
    sql = "DELETE FROM budget_uses WHERE execution_id = ? AND path = ? AND attempt = ? RETURNING seq"
    for (use,) in connection.execute(sql, (execution_id, change.path, change.attempt)).fetchall():
        connection.execute("UPDATE budget_states SET full_since = NULL, filled_by = NULL WHERE filled_by = ?", (use,))


def _used(connection: Connection, budget: str, window: float, at: Millis) -> int:
    sql = "SELECT count(*) FROM budget_uses WHERE budget = ? AND at > ? AND at <= ?"
    (used,) = connection.execute(sql, (budget, at - round(window * 1000), at)).fetchone()
    return int(used)


def _full_since(connection: Connection, change: Reserve) -> Millis | None:
    row = connection.execute("SELECT full_since FROM budget_states WHERE budget = ?", (change.budget,)).fetchone()
    return None if row is None else row[0]


def _keep_state(connection: Connection, change: Reserve, full_since: Millis | None, filled_by: int | None) -> None:
    connection.execute(
        'INSERT INTO budget_states (budget, most, "window", resume_at, full_since, filled_by)'
        " VALUES (?, ?, ?, ?, ?, ?)"
        ' ON CONFLICT (budget) DO UPDATE SET most = excluded.most, "window" = excluded."window",'
        " resume_at = excluded.resume_at, full_since = excluded.full_since,"
        " filled_by = coalesce(excluded.filled_by, budget_states.filled_by)",
        (change.budget, change.limit, change.window, change.resume_at, full_since, filled_by),
    )


def _list(connection: Connection, now: Millis) -> list[BudgetView]:
    sql = 'SELECT budget, most, "window", full_since FROM budget_states ORDER BY budget'
    found = connection.execute(sql).fetchall()
    return [BudgetView(row[0], _used(connection, row[0], row[2], now), row[1], row[2], row[3]) for row in found]
