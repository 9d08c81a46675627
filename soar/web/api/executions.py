"""Executions with every step's input, output, attempts and time."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from soar.engine import Rerun, view
from soar.errors import NotFound, PlaybookError
from soar.model.execution import Execution, ExecutionKind, ExecutionState
from soar.model.playbook import Playbook
from soar.model.severity import Severity
from soar.runtime import Runtime
from soar.store import ExecutionFilter
from soar.web import views
from soar.web.answers import answer
from soar.web.api.containments import Reason
from soar.web.api.parameters import Asker, Cursor, Limit, Served, Since, Until, listed, millis

router = APIRouter(prefix="/executions", tags=["executions"])


class Because(BaseModel):
    """Why; it stands in the history."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


class Cancel(Because):
    """What becomes of what the execution holds has to be said."""

    undo: bool


class Again(BaseModel):
    """Where to begin, and on which version."""

    model_config = ConfigDict(extra="forbid")

    from_: str | None = Field(default=None, alias="from")
    """The id of a step; without it from the start."""
    failed_items: bool = False
    """Of the `for_each` that `from` names, only the items that failed."""
    version: Literal["original", "current"] = "original"
    again: bool = False
    """Make changes that succeeded once more."""


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
    shown["approvals"] = [views.approval(one) for one in await runtime.store.approvals.of(execution_id)]
    children = await runtime.store.executions.children(execution_id)
    return answer(shown | views.lineage(children, await runtime.store.executions.reruns(execution_id)))


@router.get("/{execution_id}/artefacts/{sha256}", summary="An output too large for the history")
async def artefact(runtime: Served, execution_id: str, sha256: str) -> Response:
    """The step's output says `artefact` where there is one."""
    facts = await runtime.store.executions.facts(execution_id)
    kept = {fact.data["artefact"]["sha256"] for fact in facts if "artefact" in fact.data}
    if sha256 not in kept:
        raise NotFound(f"execution {execution_id[:80]} has no artefact {sha256[:80]}")
    return Response(await runtime.store.artefacts.get(sha256), media_type="application/json")


@router.post("/{execution_id}/cancel", summary="End it before its time", status_code=202)
async def cancel(runtime: Served, asker: Asker, execution_id: str, asked: Cancel) -> Response:
    """Calls under way end first. With `undo` its containments are taken back, else they stay until they expire."""
    return await _told(runtime, execution_id, "cancel", {"by": str(asker), "reason": asked.reason, "undo": asked.undo})


@router.post("/{execution_id}/pause", summary="Start no new calls", status_code=202)
async def pause(runtime: Served, asker: Asker, execution_id: str, asked: Because) -> Response:
    """Calls under way end; timers and the deadline go on."""
    return await _told(runtime, execution_id, "pause", {"by": str(asker), "reason": asked.reason})


@router.post("/{execution_id}/resume", summary="Go on after a pause", status_code=202)
async def resume(runtime: Served, asker: Asker, execution_id: str, asked: Because) -> Response:
    return await _told(runtime, execution_id, "resume", {"by": str(asker), "reason": asked.reason})


@router.post("/{execution_id}/rerun", summary="Run it again", status_code=202)
async def rerun(runtime: Served, asker: Asker, execution_id: str, asked: Again) -> Response:
    """A new execution. Changes that were made before are not made twice, unless `again` says so."""
    wanted = Rerun(str(asker), asked.from_, failed_items=asked.failed_items, again=asked.again)
    opened = await runtime.rerun(execution_id, wanted, asked.version)
    await runtime.engine.scan()
    return answer(views.execution(opened), 202, {"Location": f"/api/v1/executions/{opened.id}"})


async def _told(
    runtime: Runtime, execution_id: str, kind: Literal["cancel", "pause", "resume"], told: dict[str, object]
) -> Response:
    await runtime.store.executions.tell(execution_id, kind, told, runtime.clock.now())
    await runtime.engine.look()
    return answer(views.execution(await runtime.store.executions.get(execution_id)), 202)


async def _playbook(runtime: Runtime, one: Execution) -> Playbook | None:
    """The version it is pinned to; a lift has none, and one that is no longer readable is no reason to show nothing."""
    try:
        return await runtime.pinned.get(one.playbook_digest) if one.playbook_digest else None
    except (NotFound, PlaybookError):
        return None
