"""Letting go of what an execution holds, by an `undo` step or a cancel (S34)."""

from __future__ import annotations

import re
from collections.abc import Iterator

from soar.ids import derived_id
from soar.store import ledger
from soar.store.connection import Connection
from soar.store.signals import wake
from soar.store.units import Release, Signal

_TURN = re.compile(r"\[(\d+|\*)\]|#(\d+|\*)")


def release(connection: Connection, execution_id: str, change: Release) -> None:
    """Release the holds at those places, open the lifts that follow, and leave the signal that says which."""
    lifts: list[str] = []
    still_held = 0
    for hold, containment in list(_holds(connection, execution_id, change)):
        connection.execute("UPDATE holds SET state = 'released', suspected = 0 WHERE id = ?", (hold,))
        lift = ledger.let_go(connection, containment, change.at, f"execution:{execution_id}", "undone by its playbook")
        ledger.reckon_expiry(connection, containment)
        if lift is None:
            lift = _under_way(connection, containment)
        if lift is None:
            still_held += _is_held(connection, containment)
        elif lift not in lifts:
            lifts.append(lift)
            _wait_for(connection, lift, execution_id, change.path)
    data = {"path": change.path, "lifts": lifts, "still_held": still_held}
    identity = derived_id(execution_id, change.path, "released")
    wake(connection, Signal(identity, execution_id, "released", data, change.at))


def _holds(connection: Connection, execution_id: str, change: Release) -> Iterator[tuple[str, str]]:
    """Hold and containment, the newest first; those of sub-playbooks called from there with them."""
    sql = (
        "SELECT id, containment_id, path FROM holds WHERE execution_id = ? AND state <> 'released'"
        " AND (state = 'live' OR suspected = 1) ORDER BY called_at DESC, seq DESC"
    )
    for child, place in connection.execute(
        "SELECT id, parent_path FROM executions WHERE parent_id = ? AND kind = 'run' ORDER BY seq DESC", (execution_id,)
    ).fetchall():
        if _matches(place, change.patterns):
            yield from _holds(connection, child, Release(change.path, ("*",), change.at))
    for hold, containment, path in connection.execute(sql, (execution_id,)).fetchall():
        if _matches(path, change.patterns):
            yield hold, containment


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    return any(pattern == "*" or _stands_for(pattern, path) for pattern in patterns)


def _stands_for(pattern: str, path: str) -> bool:
    """Whether the path is one of the pattern's, or lies below one; a loop's pattern covers its turns."""
    ours, theirs = path.split("/"), pattern.split("/")
    if len(ours) < len(theirs):
        return False
    return all(
        _same(own, other, last=place == len(theirs))
        for place, (own, other) in enumerate(zip(ours, theirs, strict=False), 1)
    )


def _same(own: str, other: str, *, last: bool) -> bool:
    if own == other or _TURN.sub(lambda turn: "[*]" if turn[0][0] == "[" else "#*", own) == other:
        return True
    return last and _TURN.sub("", own) == other


def _under_way(connection: Connection, containment: str) -> str | None:
    sql = "SELECT round, state FROM containments WHERE id = ?"
    round_, state = connection.execute(sql, (containment,)).fetchone()
    return derived_id(containment, "lift", round_) if state == "lifting" else None


def _is_held(connection: Connection, containment: str) -> bool:
    sql = "SELECT 1 FROM containments WHERE id = ? AND state IN ('held', 'suspected', 'applying')"
    return connection.execute(sql, (containment,)).fetchone() is not None


def _wait_for(connection: Connection, lift: str, execution_id: str, path: str) -> None:
    """Its end is told to this execution too."""
    connection.execute(
        "INSERT INTO lift_waiters (lift_id, execution_id, path) VALUES (?, ?, ?) ON CONFLICT DO NOTHING",
        (lift, execution_id, path),
    )
