"""What was approved by breaking the glass, and the form of whoever looks at it afterwards."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from starlette.responses import RedirectResponse, Response

from soar.approval.review import close_review
from soar.errors import Conflict
from soar.model.review import ReviewState
from soar.runtime import Runtime
from soar.web.pages.forms import form_token, spent
from soar.web.pages.render import render
from soar.web.pages.visitor import Visitor

_PAGE: Final = 25


async def page(
    runtime: Runtime,
    visitor: Visitor,
    state: ReviewState,
    cursor: str | None = None,
    *,
    status: int = 200,
    notice: str = "",
) -> Response:
    """One page of them, newest first."""
    found = await runtime.store.reviews.page(state, cursor, _PAGE)
    now = runtime.clock.now()
    tokens = {one.id: form_token(visitor.cookie, f"review {one.id}", now) for one in found.items if one.state == "open"}
    return render(
        "reviews",
        status,
        person=visitor.person,
        view="reviews",
        notice=notice,
        state=state,
        items=found.items,
        tokens=tokens,
        next_cursor=found.next_cursor,
    )


async def closed(runtime: Runtime, visitor: Visitor, review_id: str, form: Mapping[str, str]) -> Response:
    """Write down what was found, once.

    Raises:
        NotFound: there is no such review.
        NotAllowed: who broke the glass does not review it.
        RequestInvalid: it is no form of this page.
    """
    nonce, until = spent(visitor.cookie, f"review {review_id}", form.get("form_token", ""), runtime.clock.now())
    finding = form.get("finding", "")
    if not finding.strip():
        return await page(runtime, visitor, "open", status=422, notice="Say what you have looked at and found.")
    if await runtime.store.sessions.was_spent(nonce):
        return await page(runtime, visitor, "closed", status=409, notice="This form was sent before; it counts once.")
    staff, now = runtime.definitions.staff(), runtime.clock.now()
    late = ""
    try:
        await close_review(runtime.store, staff, review_id, visitor.person, finding, now)
    except Conflict as error:
        late = str(error)
    await runtime.store.sessions.spend(nonce, until)  # after it is closed, as for requests
    if late:
        return await page(runtime, visitor, "closed", status=409, notice=late)
    return RedirectResponse("/reviews?status=closed", 303)
