"""Jobs for executions: written in the transaction that makes them ready, whoever writes it (S38).

Every change of an execution that makes it ready only takes its job away; the commit finds those that have none by an
index of theirs alone, and gives them one. So no path can forget to wake, and the sweep needs no second way.
"""

from __future__ import annotations

from typing import Any, Final

from soar.queue.port import Job, JobQueue
from soar.store.takes import JOBLESS

LIMIT: Final = 1_000
"""Jobs of one transaction, at most; those beyond get theirs with the next one."""
_STEPS: Final = 8
"""Priorities between two of ours: a playbook with a backlog yields to those that have none."""
_COUNTED: Final = 1_024
_JOBLESS: Final = (
    "SELECT id, seq, zone, priority, CASE state WHEN 'parked' THEN due_at END, playbook_id, kind FROM executions"
    f" WHERE {JOBLESS} ORDER BY seq LIMIT {LIMIT}"
)
_BACKLOG: Final = (
    "SELECT playbook, (SELECT count(*) FROM (SELECT 1 FROM executions WHERE playbook_id = playbook"
    f" AND state = 'queued' LIMIT {_COUNTED}) AS waiting) FROM unnest(CAST(? AS text[])) AS playbook"
)
_GIVEN: Final = (
    "UPDATE executions SET job_id = given.job FROM unnest(CAST(? AS bigint[]), CAST(? AS bigint[])) AS given(seq, job)"
    " WHERE executions.seq = given.seq"
)


class Jobs:
    """The queue, as far as a transaction has to do with it."""

    def __init__(self, queue: JobQueue) -> None:
        self.queue = queue

    def enqueue(self, connection: Any) -> None:
        """Give a job to every execution that is to be taken up and has none."""
        rows = connection.execute(_JOBLESS).fetchall()
        if not rows:
            return
        waiting = sorted({row[5] for row in rows if row[4] is None and row[6] == "run"})
        backlog = dict(connection.execute(_BACKLOG, (waiting,)).fetchall()) if waiting else {}
        jobs = [Job(row[0], row[4], row[2], _priority(row[3], backlog.get(row[5], 0))) for row in rows]
        ids = self.queue.enqueue(connection.raw, jobs)
        connection.execute(_GIVEN, ([row[1] for row in rows], ids))


def _priority(own: int, backlog: int) -> int:
    """Fair between playbooks: of two that are equally urgent, the one that waits less goes first."""
    yields = next((step for step, most in enumerate((16, 64, 256, _COUNTED)) if backlog < most), 4)
    return own * _STEPS - yields
