"""What is contained and who holds it: every change of that state, each inside somebody's transaction.

A containment that somebody's call is open on is nobody else's to change: others wait until the call
has an outcome (`applying`), and neither expiry nor a person's lift touches a hold whose call is
open. So an outcome never meets a containment that was let go of behind its back.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.errors import Conflict, NotFound, TargetBusy
from soar.ids import derived_id
from soar.model.execution import Execution
from soar.store import audit, drift, rows, rungs
from soar.store.connection import Connection
from soar.store.text import dumps, whole
from soar.store.units import Apply, Audit, LiftEnded, Settle

_BUSY: Final = {
    "applying": "another execution's call on it is open",
    "lifting": "it is being lifted",
    "stuck": "its lift did not succeed, and a person is asked to look at it",
}
EXPIRY: Final = "timer:expiry"
"""The actor of what happens because its time has come."""
_LIFT_MILLISECONDS: Final = 7 * 86_400_000
"""A lift gives up by its tries, not by its age; this only bounds it."""


def happened(connection: Connection, execution_id: str, path: str, at: Millis) -> None:
    """A person says that the call of an ended execution was made: what it changed is held from now on."""
    found = connection.execute(
        "SELECT id FROM holds WHERE execution_id = ? AND path = ? AND state = 'pending'", (execution_id, path)
    ).fetchone()
    if found is not None:
        settle(connection, Settle(found[0], "applied", at))


def let_go(
    connection: Connection, containment_id: str, now: Millis, actor: str = EXPIRY, reason: str = "expired"
) -> str | None:
    """Open the lift if nothing holds the containment any more; its execution's id (S33)."""
    state, held, changed = _standing(connection, containment_id)
    if held or state not in ("held", "suspected") or not (changed or state == "suspected"):
        return None
    return open_lift(connection, containment_id, actor, reason, now)


def open_lift(connection: Connection, containment_id: str, actor: str, reason: str, now: Millis) -> str:
    """`lifting`, one round more, and the execution that carries it out."""
    (round_, alert_id) = connection.execute(
        "UPDATE containments SET state = 'lifting', round = round + 1, lifted_by = ?, lift_reason = ?"
        " WHERE id = ? RETURNING round, alert_id",
        (whole(actor), whole(reason), containment_id),
    ).fetchone()
    lift = Execution(
        id=derived_id(containment_id, "lift", round_),
        kind="lift",
        playbook_id="lift",
        playbook_digest="",
        state="queued",
        epoch=0,
        opened_at=now,
        deadline_at=now + _LIFT_MILLISECONDS,
        alert_id=alert_id,
        containment_id=containment_id,
        actor=actor,
    )
    rows.insert_executions(connection, [lift])
    told = {"reason": reason, "round": round_}
    audit.write(connection, [Audit(actor, "containment.lifting", f"containment:{containment_id}", now, told)])
    return lift.id


def has_open_call(connection: Connection, containment_id: str) -> bool:
    """Whether some hold's call was started and has no outcome, not even an unknown one."""
    sql = "SELECT 1 FROM holds WHERE containment_id = ? AND state = 'pending' AND suspected = 0"
    return connection.execute(sql, (containment_id,)).fetchone() is not None


def apply(connection: Connection, execution_id: str, change: Apply) -> None:
    """A call on the target is about to be made: its containment, and a pending hold on it."""
    hold = connection.execute("SELECT state FROM holds WHERE id = ?", (change.hold_id,)).fetchone()
    if hold is not None and hold[0] != "released":
        # Its call is open again: until the new outcome, neither expiry nor a person may let it go.
        connection.execute("UPDATE holds SET suspected = 0 WHERE id = ? AND state = 'pending'", (change.hold_id,))
        return
    containment_id = _held(connection, change) or _join(connection, change) or _start(connection, change)
    connection.execute(
        "INSERT INTO holds (id, containment_id, execution_id, path, state, suspected, undo_after, called_at, changed,"
        " undo) VALUES (?, ?, ?, ?, 'pending', 0, ?, ?, 0, ?)"
        " ON CONFLICT (id) DO UPDATE SET containment_id = excluded.containment_id, state = 'pending', suspected = 0,"
        " undo_after = excluded.undo_after, called_at = excluded.called_at, expires_at = NULL, changed = 0,"
        " undo = excluded.undo",
        (
            change.hold_id,
            containment_id,
            execution_id,
            change.path,
            _lasts(connection, containment_id, change),
            change.at,
            None if change.joins is not None else dumps(change.undo),
        ),
    )


def _join(connection: Connection, change: Apply) -> str | None:
    """The containment of the target that is not over, if there is one and it can be joined (S30)."""
    found = connection.execute(
        "SELECT id, state FROM containments WHERE connection = ? AND family = ? AND target = ?"
        " AND state NOT IN ('lifted', 'voided')",
        (change.connection, change.family, change.target),
    ).fetchone()
    if found is None:
        return None
    if found[1] in _BUSY:
        raise TargetBusy(f"{change.target} on {change.connection} (containment {found[0]}): {_BUSY[found[1]]}")
    joined: str = found[0]
    return joined


def _held(connection: Connection, change: Apply) -> str | None:
    """The containment it joins without a call of its own, or makes again: it must still be held."""
    wanted = change.within or change.joins
    if wanted is None:
        return None
    row = connection.execute("SELECT state FROM containments WHERE id = ?", (wanted,)).fetchone()
    if row is None or row[0] != "held":
        raise TargetBusy(f"{change.target} on {change.connection}: it is no longer held; look again")
    return wanted


def _lasts(connection: Connection, containment_id: str, change: Apply) -> float | None:
    """How long this hold lasts: the duration of the period's rung, the last one from there on (S32)."""
    if not change.undo_after:
        return None
    (rung,) = connection.execute("SELECT rung FROM containments WHERE id = ?", (containment_id,)).fetchone()
    lasts: float = change.undo_after[min(int(rung), len(change.undo_after)) - 1]
    return lasts


def _start(connection: Connection, change: Apply) -> str:
    columns = ("id", "connection", "family", "target", "action", "state", "started_at", "round", "playbook_id")
    row = (
        change.containment_id,
        change.connection,
        change.family,
        change.target,
        change.action,
        "applying",
        change.at,
        0,
        change.playbook_id,
        change.alert_id,
        None if change.reason is None else whole(change.reason),
    )
    rows.insert(connection, "containments", (*columns, "alert_id", "reason"), [row])
    if len(change.undo_after) > 1:
        earlier = rungs.earlier_periods(connection, change)
        connection.execute("UPDATE containments SET rung = ? WHERE id = ?", (1 + earlier, change.containment_id))
    return change.containment_id


def settle(connection: Connection, change: Settle) -> None:
    """What became of that call."""
    hold = connection.execute(
        "SELECT containment_id, state, undo_after, called_at FROM holds WHERE id = ?", (change.hold_id,)
    ).fetchone()
    if hold is None:
        raise NotFound(f"hold {change.hold_id}: there is none; it comes with the attempt's unit")
    containment_id, state, undo_after, called_at = hold
    if change.undo is not None:
        connection.execute("UPDATE holds SET undo = ? WHERE id = ?", (dumps(change.undo), change.hold_id))
    if state != "pending":
        return  # said before, or let go of by a person since: the lift has its undo call
    lasts = None if undo_after is None else round(undo_after * 1000)
    match change.result:
        case "applied" if drift.is_reapplied(connection, change.hold_id):
            _update_hold(connection, change.hold_id, ("released", 0, 1, None))
            drift.restored(connection, containment_id, change.at)
        case "applied":
            expires_at = None if lasts is None else change.at + lasts
            _update_hold(connection, change.hold_id, ("live", 0, 1, expires_at))
            _audit_held(connection, change, expires_at)
        case "unknown":
            _update_hold(connection, change.hold_id, ("pending", 1, 0, None if lasts is None else called_at + lasts))
        case "absent":
            _update_hold(connection, change.hold_id, ("released", 0, 0, None))
            connection.execute("UPDATE holds SET undo = NULL WHERE id = ?", (change.hold_id,))
    _follow(connection, containment_id, change.at)


def _audit_held(connection: Connection, change: Settle, expires_at: Millis | None) -> None:
    sql = "SELECT containment_id, execution_id, path FROM holds WHERE id = ?"
    containment, execution, path = connection.execute(sql, (change.hold_id,)).fetchone()
    told = {"step": path, "expires_at": expires_at}
    subject = f"containment:{containment}"
    audit.write(connection, [Audit(f"execution:{execution}", "containment.held", subject, change.at, told)])


def _update_hold(connection: Connection, hold_id: str, row: Sequence[Any]) -> None:
    sql = "UPDATE holds SET state = ?, suspected = ?, changed = ?, expires_at = ? WHERE id = ?"
    connection.execute(sql, (*row, hold_id))


def _follow(connection: Connection, containment_id: str, now: Millis) -> None:
    """Give the containment the state that its holds make."""
    _, held, changed = _standing(connection, containment_id)
    live, suspected, pending = held.get("live", 0), held.get("suspected", 0), held.get("pending", 0)
    if live:
        _set(connection, containment_id, "held")
    elif suspected and not changed:
        _set(connection, containment_id, "suspected")
    elif not (suspected or pending or changed):
        connection.execute(
            "UPDATE containments SET state = 'voided', ended_at = ?, expires_at = NULL"
            " WHERE id = ? AND state IN ('applying', 'suspected')",
            (now, containment_id),
        )
    elif changed and not (suspected or pending):
        let_go(connection, containment_id, now)
    reckon_expiry(connection, containment_id)


def _set(connection: Connection, containment_id: str, state: str) -> None:
    sql = "UPDATE containments SET state = ? WHERE id = ? AND state IN ('applying', 'suspected', 'held')"
    connection.execute(sql, (state, containment_id))


def reckon_expiry(connection: Connection, containment_id: str) -> None:
    """The latest expiry among its holds; none when one of them has none or its call is open (S31)."""
    connection.execute(
        "UPDATE containments SET expires_at = (SELECT CASE WHEN count(*) = count(expires_at) THEN max(expires_at) END"
        " FROM holds WHERE containment_id = containments.id"
        " AND (state = 'live' OR state = 'pending' AND suspected = 1))"
        " WHERE id = ? AND state NOT IN ('lifted', 'voided')",
        (containment_id,),
    )


def _standing(connection: Connection, containment_id: str) -> tuple[str, dict[str, int], bool]:
    """Its state, how many holds there are of each kind, and whether a change was ever made."""
    state = connection.execute("SELECT state FROM containments WHERE id = ?", (containment_id,)).fetchone()
    if state is None:
        raise Conflict(f"containment {containment_id}: there is none")
    held: dict[str, int] = {}
    changed = False
    sql = "SELECT state, suspected, changed FROM holds WHERE containment_id = ?"
    for hold_state, suspected, hold_changed in connection.execute(sql, (containment_id,)):
        changed = changed or bool(hold_changed)
        if hold_state != "released":
            kind = "suspected" if hold_state == "pending" and suspected else hold_state
            held[kind] = held.get(kind, 0) + 1
    return state[0], held, changed


def end_lift(connection: Connection, change: LiftEnded) -> None:
    """`lifted` or `stuck`; said of a containment that is not being lifted, it changes nothing."""
    ended = change.at if change.result == "lifted" else None
    moved = connection.execute(
        "UPDATE containments SET state = ?, ended_at = ? WHERE id = ? AND state = 'lifting'",
        (change.result, ended, change.containment_id),
    )
    if moved.rowcount and change.result == "lifted":
        subject = f"containment:{change.containment_id}"
        audit.write(connection, [Audit("engine", "containment.lifted", subject, change.at)])
