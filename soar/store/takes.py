"""Taking up what a job names, and finding what no job will: how several workers share one database (S38 to S40)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

from soar.clock import Millis
from soar.model.execution import Execution
from soar.store import rows
from soar.store.connection import Connection

JOBLESS: Final = "job_id IS NULL AND (state IN ('queued', 'running') OR state = 'parked' AND due_at IS NOT NULL)"
"""What has to have a job, and has none; the index says it in these very words."""
_TAKE: Final = (
    "UPDATE executions SET state = 'running', awaiting = NULL, due_at = NULL, epoch = epoch + 1,"
    " takes = CASE WHEN taken_at_epoch = epoch THEN takes + 1 ELSE 1 END, taken_at_epoch = epoch + 1"
    " WHERE id = ? AND job_id = ? AND (state IN ('queued', 'running') OR state = 'parked' AND due_at <= ?)"
    f" RETURNING takes, {', '.join(rows.EXECUTION)}"
)
Taken = tuple[Execution, int]
"""What was taken up, and how often that was done since anything of it was written."""
Asked = tuple[str, int, Millis]
"""Execution, job, now."""


def take_up(connection: Connection, asked: Sequence[Asked]) -> list[Taken | None]:
    """Each under a new epoch, if that job is still the one that is to take it up; None where it is not (S39)."""
    taken: list[Taken | None] = []
    for execution_id, job_id, now in asked:
        row = connection.execute(_TAKE, (execution_id, job_id, now)).fetchone()
        taken.append(None if row is None else (rows.execution(row[1:]), int(row[0])))
    return taken


def sweep(connection: Connection, live: str, now: Millis) -> int:
    """Have everything taken up that no job will take up any more; how many those were (S40).

    What was queued or under way, and what is due, whose job is gone; what is parked, and was told something. Such an
    execution loses its job, and the commit gives it a new one. `live`: the question for the ids of all living jobs.
    """
    sql = (
        "UPDATE executions SET job_id = NULL WHERE job_id IS NOT NULL"
        " AND (state IN ('queued', 'running') OR state = 'parked' AND due_at <= ?)"
        f" AND NOT EXISTS (SELECT 1 FROM ({live}) AS job WHERE job.id = executions.job_id)"
    )
    lost: Any = connection.execute(sql, (now,)).rowcount
    told = connection.execute(
        "UPDATE executions SET state = 'queued', awaiting = NULL, due_at = NULL, job_id = NULL"
        " WHERE state = 'parked' AND waits_for_slot = 0 AND id IN (SELECT execution_id FROM signals WHERE taken = 0)"
    ).rowcount
    return int(lost) + int(told)
