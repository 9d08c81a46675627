"""What the routes have in common: the runtime, who asks, and the parameters of lists."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Request
from fastapi.exceptions import RequestValidationError
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


def only_known(request: Request) -> None:
    """A misspelt filter must not become a list of everything, and one given twice has no one meaning.

    Raises:
        RequestValidationError: naming every such parameter.
    """
    known = _names(request.scope["route"].dependant)
    given = [name for name, _ in request.query_params.multi_items()]
    faults = [_fault(name, known, given.count(name)) for name in dict.fromkeys(given)]
    if any(faults):
        raise RequestValidationError([fault for fault in faults if fault])


def _names(dependant: Any) -> set[str]:
    own = {field.alias for field in dependant.query_params}
    return own.union(*map(_names, dependant.dependencies))


def _fault(name: str, known: set[str], times: int) -> dict[str, Any] | None:
    if name in known:
        message = f"given {times} times; give it once" if times > 1 else None
    else:
        near = difflib.get_close_matches(name, known, 1)
        listed = f"use one of {', '.join(sorted(known))}" if known else "this path takes none"
        remedy = f"did you mean '{near[0]}'?" if near else listed
        message = f"there is no such parameter; {remedy}"
    return None if message is None else {"loc": ("query", name[:80]), "msg": message, "type": "parameter"}


def listed(page: Page[T], view: Callable[[T], dict[str, Any]]) -> Response:
    """A page as every list gives it."""
    return answer({"items": [view(item) for item in page.items], "next_cursor": page.next_cursor})
