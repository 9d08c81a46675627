"""Requests to people: what is asked, of whom, until when; and their answers."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from soar.approval import Word, decide
from soar.errors import NotAllowed
from soar.playbook import Staff
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Asker, Cursor, Limit, Served, listed

router = APIRouter(prefix="/approvals", tags=["approvals"])

PERSONAL: Final = "requests are answered by people: use a token of your own (`soar token create --person NAME`)"


class Decided(BaseModel):
    """A person's word; a denial needs a reason, and so does a broken glass."""

    model_config = ConfigDict(extra="forbid")

    decision: Literal["approve", "deny"]
    reason: Annotated[str, StringConstraints(strip_whitespace=True, max_length=2000)] = ""
    break_glass: bool = False


@router.get("", summary="Requests, newest first; the open ones unless asked otherwise")
async def approvals(
    runtime: Served,
    status: Literal["open", "approved", "denied", "expired", "voided", "withdrawn", "all"] = "open",
    execution: str | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    state = None if status == "all" else status
    return listed(await runtime.store.approvals.page(state, execution, cursor, limit), views.approval)


@router.get("/{approval_id}", summary="One request with its votes, and which channels have taken it")
async def approval(runtime: Served, approval_id: str) -> Response:
    found = await runtime.store.approvals.get(approval_id)
    told = await runtime.store.messages.of(approval_id)
    return answer(views.approval(found) | {"messages": [views.message(one) for one in told]})


@router.post("/{approval_id}/decisions", summary="Answer a request, as the person of the token")
async def decision(runtime: Served, asker: Asker, approval_id: str, given: Decided) -> Response:
    """One no settles it, and so do as many yeses as it needs; 409 tells who was faster, 403 why you may not.

    `break_glass` approves at once and alone, where the policy lets the person; it is told, and put up for review.
    """
    if asker.kind != "person":
        raise NotAllowed(PERSONAL)
    word = Word(asker.name, given.decision, "api", given.reason, break_glass=given.break_glass)
    staff, glass = Staff.of(runtime.settings), runtime.definitions.glass()
    decided = await decide(runtime.store, staff, approval_id, word, runtime.clock.now(), glass)
    await runtime.engine.look()
    return answer(views.approval(decided))
