"""What a unit changes in the ledger and the budgets, each in its own module."""

from __future__ import annotations

from soar.store import budgets, ledger, releases
from soar.store.connection import Connection
from soar.store.units import Apply, GiveBack, LedgerChange, LiftEnded, Release, Reserve, Settle


def write(connection: Connection, execution_id: str, change: LedgerChange) -> None:
    """One change of a unit of that execution."""
    match change:
        case Apply():
            ledger.apply(connection, execution_id, change)
        case Settle():
            ledger.settle(connection, change)
        case LiftEnded():
            ledger.end_lift(connection, change)
        case Release():
            releases.release(connection, execution_id, change)
        case Reserve():
            budgets.reserve(connection, execution_id, change)
        case GiveBack():
            budgets.give_back(connection, execution_id, change)
