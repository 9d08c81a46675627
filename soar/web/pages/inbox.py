"""The inbox: what I may answer, what waits for anybody, what was decided."""

from __future__ import annotations

from typing import Final, Literal

from starlette.responses import Response

from soar.approval import refusal
from soar.model.approval import Approval
from soar.playbook import Staff
from soar.runtime import Runtime
from soar.store import Page
from soar.web.pages.render import render
from soar.web.pages.visitor import Visitor

View = Literal["mine", "waiting", "decided"]
_PAGE: Final = 25
_AT_ONCE: Final = 50
_LOOKED_AT: Final = 1_000
"""Requests looked through, at most, for a page of those that one person may answer; the rest is on the next."""


async def page(runtime: Runtime, visitor: Visitor, view: View, cursor: str | None) -> Response:
    """One page of it."""
    if view == "mine":
        found = await _for_person(runtime, visitor.person, cursor)
    else:
        found = await runtime.store.approvals.page("open" if view == "waiting" else "settled", None, cursor, _PAGE)
    return render(
        "inbox", person=visitor.person, view=view, items=found.items, next_cursor=found.next_cursor, first=not cursor
    )


async def _for_person(runtime: Runtime, person: str, cursor: str | None) -> Page[Approval]:
    """Those that person may answer: a page of them, or all among as many as are looked at for one page."""
    staff, items = runtime.definitions.staff(), []
    for _ in range(0, _LOOKED_AT, _AT_ONCE):
        looked = await runtime.store.approvals.page("open", None, cursor, _AT_ONCE)
        items += [one for one in looked.items if mine(one, person, staff)]
        cursor = looked.next_cursor
        if cursor is None or len(items) >= _PAGE:
            break
    return Page(items, cursor)


def mine(approval: Approval, person: str, staff: Staff) -> bool:
    """Whether that person may answer it and has not."""
    return refusal(approval, person, staff) is None and all(vote.person != person for vote in approval.votes)
