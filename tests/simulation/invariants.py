"""What must hold in every simulated week, whatever happens.

After each event, when nothing is under way:

0. The engine itself has not failed.
1. Nothing is lost: every alert that was kept is processed, and every execution that was opened is there.
2. Nothing is made twice: of each step of an execution a system outside has made the change once at most, under one key;
   more only where a person who had looked said to make it again.
3. Every state has an owner, a due time or a person: nothing runs without an engine, nothing is ready and left, what is
   parked has a due time, or waits for a request that can still be answered, a question that is open, a person who
   paused it or pressed a stop button, a sub-playbook that goes on, or a slot that somebody else has.
4. Nobody is deaf: no parked execution has unread signals, but those that wait for their slot.
5. What is contained is held for a reason: of each target that is blocked outside there is a containment in the ledger
   that is not over.
6. What was denied was not done: below a request that was denied or has expired no call went out after it.

At the end, when the faults are over, everybody has answered, and all the time that was needed has passed:

7. Every execution has ended, and no question or request is open.
8. Every containment is lifted or was void, and outside nothing is blocked any more.
9. The counts add up: alerts kept = alerts processed; executions opened = executions that ended, sub-playbooks and lifts
   besides; a step that says it succeeded has its change outside, once.
"""

from __future__ import annotations

import sqlite3
from collections import Counter
from typing import TYPE_CHECKING, Any

from soar.model.execution import FINAL

if TYPE_CHECKING:
    from tests.simulation.week import Week


class Broken(AssertionError):
    """An invariant does not hold."""


async def check(week: Week) -> None:
    """The invariants that hold at any time.

    Raises:
        Broken: one does not; the message says which, and the seed.
    """
    if week.failures:
        raise _broken(week, 0, week.failures[0])
    await _read(week, _lost)
    _twice(week)
    await _read(week, _owned)
    await _read(week, _deaf)
    await _read(week, _contained)
    await _read(week, _denied)


async def check_end(week: Week) -> None:
    """Those that hold when everything is over.

    Raises:
        Broken: one does not.
    """
    await check(week)
    await _read(week, _ended)
    await _read(week, _lifted)
    await _read(week, _counts)


async def _read(week: Week, look: Any) -> None:
    await week.store._reader.run(lambda db: look(week, db))


def _broken(week: Week, number: int, what: str) -> Broken:
    return Broken(f"seed {week.seed}, at {week.clock.now()}: invariant {number}: {what}")


def _lost(week: Week, db: sqlite3.Connection) -> None:
    (alerts,) = db.execute("SELECT count(*) FROM alerts").fetchone()
    if alerts != week.kept:
        raise _broken(week, 1, f"{week.kept} alerts were kept, and {alerts} are there")
    there = {row[0] for row in db.execute("SELECT id FROM executions")}
    gone = set(week.opened) - there
    if gone:
        raise _broken(week, 1, f"executions are gone: {sorted(gone)}")


def _twice(week: Week) -> None:
    effects = week.outside.effects
    for what, counted in (
        ("key", Counter(effect.key for effect in effects)),
        ("step", Counter((effect.execution_id, effect.path) for effect in effects)),
    ):
        for place, times in counted.items():
            if times > 1 and not _meant(week, place):
                raise _broken(week, 2, f"the change of {what} {place} was made {times} times")


def _meant(week: Week, place: Any) -> bool:
    """A containment that was taken back in between may be made again under the same key: it was gone."""
    return place in week.outside.allowed_again


_OPEN = (
    "SELECT id, kind, state, awaiting, due_at, slot_key, parent_id FROM executions"
    " WHERE state IN ('queued', 'running', 'parked')"
)


def _owned(week: Week, db: sqlite3.Connection) -> None:
    stopped = db.execute("SELECT 1 FROM switches WHERE state = 'stopped'").fetchone() is not None
    for identity, kind, state, awaiting, due_at, slot_key, _ in db.execute(_OPEN).fetchall():
        if state != "parked":
            raise _broken(week, 3, f"{kind} {identity} is {state}, and nobody works on it")
        if due_at is not None and due_at <= week.clock.now():
            raise _broken(week, 3, f"{kind} {identity} was due at {due_at}, and nothing happened")
        if not _waits_for_something(db, identity, awaiting, slot_key, due_at, stopped):
            raise _broken(week, 3, f"{kind} {identity} waits for {awaiting}, and nothing will ever wake it")


def _waits_for_something(
    db: sqlite3.Connection, identity: str, awaiting: str | None, slot_key: str | None, due_at: int | None, stopped: bool
) -> bool:
    def there(sql: str, *values: Any) -> bool:
        return db.execute(sql, values).fetchone() is not None

    if awaiting == "approval":
        return there("SELECT 1 FROM approvals WHERE execution_id = ? AND state IN ('asking', 'asked')", identity)
    if awaiting == "child":
        children = "SELECT 1 FROM executions WHERE parent_id = ? AND state IN ('queued', 'running', 'parked')"
        lifts = (
            "SELECT 1 FROM lift_waiters JOIN executions ON executions.id = lift_id"
            " WHERE lift_waiters.execution_id = ? AND executions.state IN ('queued', 'running', 'parked')"
        )
        return there(children, identity) or there(lifts, identity)
    if awaiting == "slot":
        others = "SELECT 1 FROM executions WHERE slot_key = ? AND id <> ? AND state IN ('queued', 'running', 'parked')"
        return there(others, slot_key, identity)
    if awaiting == "person":
        asked = there("SELECT 1 FROM questions WHERE execution_id = ? AND state = 'open'", identity)
        return asked or stopped or _paused(db, identity)
    return due_at is not None


def _paused(db: sqlite3.Connection, identity: str) -> bool:
    sql = "SELECT facts.kind FROM facts JOIN executions ON facts.execution_seq = executions.seq WHERE executions.id = ?"
    kinds = Counter(row[0] for row in db.execute(sql, (identity,)))
    return kinds["pause"] > kinds["resume"]


def _deaf(week: Week, db: sqlite3.Connection) -> None:
    sql = (
        "SELECT executions.id, signals.kind FROM signals JOIN executions ON executions.id = signals.execution_id"
        " WHERE taken = 0 AND executions.state = 'parked' AND coalesce(awaiting, '') <> 'slot'"
    )
    deaf = db.execute(sql).fetchall()
    if deaf:
        raise _broken(week, 4, f"signals are not read: {deaf[:3]}")


def _contained(week: Week, db: sqlite3.Connection) -> None:
    sql = "SELECT connection, target FROM containments WHERE state NOT IN ('lifted', 'voided')"
    held = {(row[0], row[1]) for row in db.execute(sql)}
    loose = week.outside.blocked.keys() - held
    if loose:
        raise _broken(week, 5, f"{sorted(loose)} is blocked, and the ledger knows of nobody who holds it")


def _denied(week: Week, db: sqlite3.Connection) -> None:
    sql = "SELECT execution_id, path, state FROM approvals WHERE state IN ('denied', 'expired')"
    denied = {(row[0], row[1]) for row in db.execute(sql)}
    for effect in week.outside.effects:
        above = effect.path.rpartition("/")[0]
        if (effect.execution_id, above) in denied or (effect.execution_id, effect.path) in denied:
            raise _broken(week, 6, f"{effect.path} of {effect.execution_id} was denied, and done")


def _ended(week: Week, db: sqlite3.Connection) -> None:
    left = db.execute(_OPEN).fetchall()
    if left:
        raise _broken(week, 7, f"{len(left)} executions never end: {left[:3]}")
    for table, still in (("questions", "state = 'open'"), ("approvals", "state IN ('asking', 'asked')")):
        (number,) = db.execute(f"SELECT count(*) FROM {table} WHERE {still}").fetchone()
        if number:
            raise _broken(week, 7, f"{number} {table} are open for ever")


def _lifted(week: Week, db: sqlite3.Connection) -> None:
    sql = "SELECT id, target, state FROM containments WHERE state NOT IN ('lifted', 'voided')"
    held = db.execute(sql).fetchall()
    if held:
        raise _broken(week, 8, f"containments are never lifted: {held[:3]}")
    if week.outside.blocked:
        raise _broken(week, 8, f"still blocked: {sorted(week.outside.blocked)}")


def _counts(week: Week, db: sqlite3.Connection) -> None:
    states = Counter(dict(db.execute("SELECT state, count(*) FROM executions GROUP BY state").fetchall()))
    (others,) = db.execute("SELECT count(*) FROM executions WHERE parent_id IS NOT NULL OR kind = 'lift'").fetchone()
    ended = sum(states[state] for state in FINAL) - others
    if ended != len(week.opened):
        raise _broken(week, 9, f"{len(week.opened)} executions were opened, and {ended} have ended")
    made = Counter((effect.execution_id, effect.path) for effect in week.outside.effects)
    sql = (
        "SELECT executions.id, facts.path FROM facts JOIN executions ON facts.execution_seq = executions.seq"
        " WHERE facts.kind = 'outcome' AND executions.kind = 'run'"
        " AND json_extract(facts.data, '$.result') = 'done' AND json_extract(facts.data, '$.sent') = 1"
        " AND json_extract(facts.data, '$.inherited') IS NULL AND json_extract(facts.data, '$.joined') IS NULL"
    )
    written = (
        "SELECT executions.id, facts.path FROM facts JOIN executions ON facts.execution_seq = executions.seq"
        " WHERE facts.kind = 'attempt'"
    )
    attempted = {(row[0], row[1]) for row in db.execute(written)}
    for identity, path in db.execute(sql).fetchall():
        if (identity, path) in attempted and made[identity, path] != 1:
            raise _broken(week, 9, f"{path} of {identity} says it succeeded; outside {made[identity, path]} were made")
