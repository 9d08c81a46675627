"""What was approved by breaking the glass, until somebody else has looked at it."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from soar.approval.review import FINDING_LIMIT, close_review
from soar.errors import NotAllowed
from soar.playbook import Staff
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Asker, Cursor, Limit, Served, listed

router = APIRouter(prefix="/reviews", tags=["reviews"])


class Closed(BaseModel):
    """What was found."""

    model_config = ConfigDict(extra="forbid")

    finding: Annotated[str, StringConstraints(strip_whitespace=True, min_length=1, max_length=FINDING_LIMIT)]


@router.get("", summary="Reviews, newest first; the open ones unless asked otherwise")
async def reviews(
    runtime: Served,
    status: Literal["open", "closed", "all"] = "open",
    cursor: Cursor = None,
    limit: Limit = 50,
) -> Response:
    state = None if status == "all" else status
    return listed(await runtime.store.reviews.page(state, cursor, limit), views.review)


@router.get("/{review_id}", summary="One review")
async def review(runtime: Served, review_id: str) -> Response:
    return answer(views.review(await runtime.store.reviews.get(review_id)))


@router.post("/{review_id}/close", summary="Say what was found, as the person of the token")
async def close(runtime: Served, asker: Asker, review_id: str, given: Closed) -> Response:
    """By anybody but who broke the glass (403); the first one closes it, and 409 tells later ones who that was."""
    if asker.kind != "person":
        raise NotAllowed("reviews are closed by people: use a token of your own (`soar token create --person NAME`)")
    staff, now = Staff.of(runtime.settings), runtime.clock.now()
    return answer(views.review(await close_review(runtime.store, staff, review_id, asker.name, given.finding, now)))
