"""The inbox: what I may answer, what waits for anybody, what was decided."""

from __future__ import annotations

from typing import Final, Literal

from starlette.responses import Response

from soar.approval import refusal
from soar.model.approval import Approval
from soar.playbook import Staff
from soar.runtime import Runtime
from soar.web.pages.render import render
from soar.web.pages.visitor import Visitor

View = Literal["mine", "waiting", "decided"]
_PAGE: Final = 25
_LOOKED_AT: Final = 200
"""Requests looked through for those that one person may answer, on one page; the rest is on the next."""


async def page(runtime: Runtime, visitor: Visitor, view: View, cursor: str | None) -> Response:
    """One page of it."""
    store = runtime.store.approvals
    if view == "mine":
        looked = await store.page("open", None, cursor, _LOOKED_AT)
        staff = runtime.definitions.staff()
        items = [one for one in looked.items if mine(one, visitor.person, staff)]
    else:
        looked = await store.page("open" if view == "waiting" else "settled", None, cursor, _PAGE)
        items = looked.items
    return render(
        "inbox", person=visitor.person, view=view, items=items, next_cursor=looked.next_cursor, first=cursor is None
    )


def mine(approval: Approval, person: str, staff: Staff) -> bool:
    """Whether that person may answer it and has not."""
    return refusal(approval, person, staff) is None and all(vote.person != person for vote in approval.votes)
