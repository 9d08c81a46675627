"""What the routes have in common: the runtime, who asks, and the parameters of lists."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from starlette.responses import Response

from soar.clock import Millis, as_millis
from soar.model.actor import Actor
from soar.runtime import Runtime
from soar.store import Page
from soar.web.answers import answer

T = TypeVar("T")


def _runtime(request: Request) -> Runtime:
    runtime: Runtime = request.app.state.runtime
    return runtime


def _actor(request: Request) -> Actor:
    actor: Actor = request.state.actor
    return actor


Served = Annotated[Runtime, Depends(_runtime)]
Asker = Annotated[Actor, Depends(_actor)]
Cursor = Annotated[str | None, Query(description="next_cursor of the page before")]
Limit = Annotated[int, Query(ge=1, le=200, description="rows on a page")]
Since = Annotated[datetime | None, Query(description="from this time on")]
Until = Annotated[datetime | None, Query(description="before this time")]


def millis(moment: datetime | None) -> Millis | None:
    """A time of a request; without a zone it is UTC."""
    if moment is None:
        return None
    return as_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC))


def listed(page: Page[T], view: Callable[[T], dict[str, Any]]) -> Response:
    """A page as every list gives it."""
    return answer({"items": [view(item) for item in page.items], "next_cursor": page.next_cursor})
