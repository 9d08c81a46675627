"""Units of many executions in one go: checked by epoch, then written in bulk.

A unit that also changes the ledger is written by itself behind a savepoint, after the plain ones:
it may turn out to be refused (`TargetBusy`) when part of it is written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

import orjson

from soar.errors import Conflict, LeaseLost
from soar.model.execution import FINAL, Fact
from soar.store import changes, related, rows
from soar.store.connection import Connection
from soar.store.events import subscribe
from soar.store.questions import insert_questions
from soar.store.signals import awake
from soar.store.text import dumps, loads, whole
from soar.store.units import ExecutionUnit
from soar.store.writer import guarded

_STANDING: Final = (
    "SELECT json_group_array(json_array(id, seq, epoch, state)) FROM executions"
    " WHERE id IN (SELECT value FROM json_each(?))"
)
_MOVE: Final = (
    "UPDATE executions SET epoch = v.column2, state = v.column3, awaiting = v.column4,"
    " due_at = CAST(v.column5 AS BIGINT), started_at = coalesce(CAST(v.column6 AS BIGINT), started_at),"
    " finished_at = coalesce(CAST(v.column7 AS BIGINT), finished_at),"
    " error = coalesce(v.column8, error), message = coalesce(v.column9, message),"
    " outputs = coalesce(v.column10, outputs),"
    " job_id = CASE v.column3 WHEN 'running' THEN job_id END FROM (VALUES "
)
_ROW: Final = f"({', '.join('?' * 10)})"
_SAME_ROW: Final = ") AS v WHERE executions.seq = v.column1"


@dataclass(frozen=True, slots=True)
class _Owned:
    """A unit whose execution is still its writer's."""

    unit: ExecutionUnit
    seq: int


def write_units(connection: Connection, units: Sequence[ExecutionUnit]) -> Sequence[Any]:
    """Write each unit or refuse it; True for one whose parking was overtaken by a signal."""
    results: list[Any] = [None] * len(units)
    left = list(range(len(units)))
    while left:
        ids: set[str] = set()
        turn: list[int] = []
        for place in left:  # two units of one execution see each other's work
            if units[place].execution_id not in ids:
                ids.add(units[place].execution_id)
                turn.append(place)
        for place, result in zip(turn, _write_distinct(connection, [units[place] for place in turn]), strict=True):
            results[place] = result
        done = set(turn)
        left = [place for place in left if place not in done]
    return results


def _write_distinct(connection: Connection, units: Sequence[ExecutionUnit]) -> list[Any]:
    checked = _check(connection, units)
    plain = [one for one in checked if isinstance(one, _Owned) and not _special(one.unit)]
    woken = _write(connection, plain)
    return [_conclude(connection, one, woken) for one in checked]


def _conclude(connection: Connection, one: _Owned | LeaseLost, woken: set[str]) -> Any:
    if isinstance(one, LeaseLost):
        return one
    if _special(one.unit):
        return guarded(connection, lambda: _write_with_ledger(connection, one))
    return one.unit.execution_id in woken


def _check(connection: Connection, units: Sequence[ExecutionUnit]) -> list[_Owned | LeaseLost]:
    (found,) = connection.execute(_STANDING, (rows.ids_json(unit.execution_id for unit in units),)).fetchone()
    standing = {row[0]: row[1:] for row in orjson.loads(found)}
    return [_owned(unit, standing.get(unit.execution_id)) for unit in units]


def _owned(unit: ExecutionUnit, standing: Sequence[Any] | None) -> _Owned | LeaseLost:
    name = f"execution {unit.execution_id}"
    if standing is None:
        return LeaseLost(f"{name}: there is no such execution")
    seq, epoch, state = standing
    if epoch != unit.epoch:
        return LeaseLost(f"{name}: written for epoch {unit.epoch}, but it is owned under epoch {epoch}")
    if state in FINAL:
        return LeaseLost(f"{name}: it is {state} already")
    return _Owned(unit, seq)


def _special(unit: ExecutionUnit) -> bool:
    """What also changes rows of others, or may be refused when part of it is written."""
    return bool(
        unit.ledger
        or unit.children
        or unit.cancel
        or unit.approvals
        or unit.withdrawals
        or unit.subscriptions
        or unit.events
        or unit.audit
        or unit.related
    )


def _write_with_ledger(connection: Connection, one: _Owned) -> bool:
    unit = one.unit
    for change in unit.ledger:
        changes.write(connection, unit.execution_id, change)
    related.write(connection, unit)
    woken = bool(_write(connection, [one]))
    if unit.change is not None and unit.change.state in FINAL:
        related.ended(connection, unit.execution_id, unit.change)
    if unit.subscriptions and subscribe(connection, unit.execution_id, unit.subscriptions):
        return awake(connection, unit.execution_id) or woken
    return woken


def _write(connection: Connection, owned: Sequence[_Owned]) -> set[str]:
    """All rows of the units but the ledger's; the ids of those that a signal keeps from parking."""
    if len(owned) == 1:
        _insert_facts_once(connection, owned[0])
    else:
        _insert_facts(connection, [(one.seq, fact) for one in owned for fact in one.unit.facts])
    rows.many(connection, _MOVE, _ROW, _SAME_ROW, [_move(one) for one in owned if one.unit.take or one.unit.change])
    insert_questions(connection, [question for one in owned for question in one.unit.questions])
    read = [signal for one in owned for signal in one.unit.read_signals]
    if read:
        connection.execute(
            "UPDATE signals SET taken = 1 WHERE id IN (SELECT value FROM json_each(?))", (rows.ids_json(read),)
        )
    return _keep_awake(connection, [one.unit.execution_id for one in owned if _parks(one.unit)])


def _parks(unit: ExecutionUnit) -> bool:
    return unit.change is not None and unit.change.state == "parked"


def _move(one: _Owned) -> tuple[Any, ...]:
    unit, change = one.unit, one.unit.change
    epoch = unit.epoch + 1 if unit.take else unit.epoch
    if change is None:
        return one.seq, epoch, "running", None, None, None, None, None, None, None
    error = None if change.error is None else dumps(change.error)
    message = None if change.message is None else whole(change.message)
    times = (change.due_at, change.started_at, change.finished_at)
    outputs = None if change.outputs is None else dumps(change.outputs)
    return one.seq, epoch, change.state, change.awaiting, *times, error, message, outputs


def _keep_awake(connection: Connection, ids: Sequence[str]) -> set[str]:
    """Queue those of the parked ones that have unread signals: a wake-up is never lost to a parking (S38)."""
    if not ids:
        return set()
    waiting = connection.execute(
        "SELECT DISTINCT execution_id FROM signals WHERE taken = 0"
        " AND execution_id IN (SELECT value FROM json_each(?))",
        (rows.ids_json(ids),),
    )
    woken = {row[0] for row in waiting}
    for execution_id in woken:
        awake(connection, execution_id)
    return woken


def _insert_facts(connection: Connection, facts: Iterable[tuple[int, Fact]], conflict: str = "") -> int:
    given = [(seq, fact.path, fact.kind, fact.attempt, fact.at, dumps(fact.data)) for seq, fact in facts]
    return rows.insert(connection, "facts", rows.FACT, given, conflict)


def _insert_facts_once(connection: Connection, one: _Owned) -> None:
    """The same, where a fact that is there already is met: the same again is harmless, another is refused."""
    facts = one.unit.facts
    new = _insert_facts(connection, [(one.seq, fact) for fact in facts], "ON CONFLICT DO NOTHING")
    if new == len(facts):
        return
    known = {(path, kind, attempt): data for path, kind, attempt, data in _known(connection, one.seq)}
    for fact in facts:
        if known[fact.path, fact.kind, fact.attempt] != loads(dumps(fact.data)):
            raise Conflict(
                f"execution {one.unit.execution_id}: {fact.path!r} has another {fact.kind} for attempt "
                f"{fact.attempt} on record; facts are never changed"
            )


def _known(connection: Connection, seq: int) -> list[tuple[str, str, int, Any]]:
    found = connection.execute("SELECT path, kind, attempt, data FROM facts WHERE execution_seq = ?", (seq,))
    return [(path, kind, attempt, loads(data)) for path, kind, attempt, data in found]
