"""The audit trail and the budgets: what was done by whom, and how much more may be."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Cursor, Limit, Served, listed

router = APIRouter(tags=["audit"])


@router.get("/audit", summary="The audit trail, newest first")
async def audit(runtime: Served, subject: str | None = None, cursor: Cursor = None, limit: Limit = 50) -> Response:
    """`subject` is what it is about: `approval:<id>`, `execution:<id>`, `containment:<id>`, `switch:all`."""
    return listed(await runtime.store.audit.page(subject, cursor, limit), views.audit_entry)


@router.get("/budgets", summary="How much of each blast-radius budget is used")
async def budgets(runtime: Served) -> Response:
    found = await runtime.store.budgets.list(runtime.clock.now())
    return answer({"items": [views.budget(one) for one in found], "next_cursor": None})
