"""What is contained now, and the early way out of it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from soar.model.containment import ContainmentState
from soar.store import ContainmentFilter
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Asker, Cursor, Limit, Served, listed

router = APIRouter(prefix="/containments", tags=["containments"])

Reason = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=2000)]


class Lift(BaseModel):
    """Why it is lifted early."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    reason: Reason
    by_hand: bool = False
    """Its lift is stuck, and a person has taken it back in the system itself: no call is made."""


@router.get("", summary="Containments, newest first")
async def containments(
    runtime: Served,
    status: ContainmentState | None = None,
    connection: str | None = None,
    target: str | None = None,
    current: bool | None = None,
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    """`current=true`: those that are not over."""
    filters = ContainmentFilter(status=status, connection=connection, target=target, current=current)
    return listed(await runtime.store.containments.page(filters, cursor, limit), views.containment)


@router.get("/{containment_id}", summary="One containment with its holds")
async def containment(runtime: Served, containment_id: str) -> Response:
    return answer(views.containment(await runtime.store.containments.get(containment_id)))


@router.post("/{containment_id}/lift", summary="Lift it now", status_code=202)
async def lift(runtime: Served, asker: Asker, containment_id: str, asked: Lift) -> Response:
    """All holds are released and the undo calls made, of a stuck one again; 409 when it is over or being lifted.

    With `by_hand` a stuck one is lifted without a call; 409 when it is not stuck.
    """
    ledger = runtime.store.containments
    lift = ledger.lift_by_hand if asked.by_hand else ledger.lift
    lifted = await lift(containment_id, str(asker), asked.reason, runtime.clock.now())
    await runtime.engine.scan()
    return answer(views.containment(lifted), 202)
