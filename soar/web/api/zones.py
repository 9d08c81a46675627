"""The network zones: who makes their calls, and what waits."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from soar.clock import rfc3339
from soar.web.answers import answer
from soar.web.api.parameters import Served

router = APIRouter(tags=["zones"])


@router.get("/zones", summary="The network zones, with their workers and what waits for them")
async def zones(runtime: Served) -> Response:
    """A zone without a worker is one whose steps wait."""
    found = await runtime.zones()
    items = [
        {"name": one.label, "workers": one.workers, "waiting": one.waiting, "oldest_at": rfc3339(one.oldest)}
        for one in found
    ]
    return answer({"items": items, "next_cursor": None})
