"""Taking up what a job names, and finding what no job will: how several workers share one database (S38 to S40)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from soar.clock import Millis
from soar.model.execution import Execution
from soar.store import rows
from soar.store.connection import Connection

JOBLESS: Final = "job_id IS NULL AND (state IN ('queued', 'running') OR state = 'parked' AND due_at IS NOT NULL)"
"""What has to have a job, and has none; the index says it in these very words."""
_TAKE: Final = (
    "UPDATE executions SET state = 'running', awaiting = NULL, due_at = NULL, epoch = epoch + 1,"
    " takes = CASE WHEN taken_at_epoch = epoch THEN takes + 1 - v.column5 ELSE 1 END, taken_at_epoch = epoch + 1"
    " FROM (VALUES "
)
_ROW: Final = "(?, ?, ?, ?, ?)"
_TAKEN: Final = (
    ") AS v WHERE executions.id = v.column1 AND executions.job_id = v.column2"
    " AND (state IN ('queued', 'running') OR state = 'parked' AND due_at <= v.column3)"
    " AND (v.column4 = 1 OR v.column5 = 1 OR takes = 0 OR taken_at_epoch <> epoch)"
    " RETURNING takes, EXISTS (SELECT 1 FROM signals WHERE execution_id = executions.id AND taken = 0),"
    f" {', '.join(rows.EXECUTION)}"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A job that was handed out here."""

    execution_id: str
    job_id: int
    now: Millis
    suspect: bool = False
    """Also one that was taken up before and has written nothing since."""
    again: bool = False
    """The answer to this very question was lost: if it was taken up by that, nobody has died of it (S24, S41)."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken up, under a new epoch."""

    execution: Execution
    takes: int
    """How often that was done since anything of it was written."""
    signalled: bool
    """Whether somebody has left something for it."""


def take_up(connection: Connection, asked: Sequence[Asked]) -> list[Taken | None]:
    """Each, if that job is still the one that is to take it up; None where it is not (S39)."""
    given = [(one.execution_id, one.job_id, one.now, int(one.suspect), int(one.again)) for one in asked]
    found: dict[str, Taken] = {}
    for row in rows.returned(connection, _TAKE, _ROW, _TAKEN, given):
        execution = rows.execution(row[2:])
        found[execution.id] = Taken(execution, int(row[0]), bool(row[1]))
    # Of two jobs for one execution in a group, one is the right one, and the other falls through.
    return [found.pop(one.execution_id, None) for one in asked]


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
