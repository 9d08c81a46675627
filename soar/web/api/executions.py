"""Executions with every step's input, output, attempts and time."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from soar.engine import view
from soar.errors import NotFound, PlaybookError
from soar.model.execution import Execution, ExecutionKind, ExecutionState
from soar.model.playbook import Playbook
from soar.model.severity import Severity
from soar.runtime import Runtime
from soar.store import ExecutionFilter
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Cursor, Limit, Served, Since, Until, listed, millis

router = APIRouter(prefix="/executions", tags=["executions"])


@router.get("", summary="Executions, newest first")
async def executions(
    runtime: Served,
    status: ExecutionState | None = None,
    playbook: str | None = None,
    severity: Severity | None = None,
    alert: str | None = None,
    kind: ExecutionKind | None = None,
    since: Since = None,
    until: Until = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """Without their steps; times are of their opening."""
    filters = ExecutionFilter(
        status=status,
        playbook=playbook,
        severity=severity,
        alert=alert,
        kind=kind,
        since=millis(since),
        until=millis(until),
    )
    return listed(await runtime.store.executions.page(filters, cursor, limit), views.execution)


@router.get("/{execution_id}", summary="One execution with its steps")
async def execution(runtime: Served, execution_id: str) -> Response:
    """Steps stand in playbook order, those of blocks and branches by their path."""
    one = await runtime.store.executions.get(execution_id)
    facts = await runtime.store.executions.facts(execution_id)
    questions = await runtime.store.questions.of(execution_id)
    shown = views.execution(one)
    shown["steps"] = views.steps(view.steps(await _playbook(runtime, one), facts))
    shown["questions"] = [views.question(question) for question in questions]
    return answer(shown)


async def _playbook(runtime: Runtime, one: Execution) -> Playbook | None:
    """The version it is pinned to; a lift has none, and one that is no longer readable is no reason to show nothing."""
    try:
        return await runtime.pinned.get(one.playbook_digest) if one.playbook_digest else None
    except (NotFound, PlaybookError):
        return None
