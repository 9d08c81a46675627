"""The stop buttons."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, StringConstraints
from starlette.responses import Response

from soar.errors import RequestInvalid
from soar.model.switch import scope_of
from soar.web import views
from soar.web.answers import answer
from soar.web.api.containments import Reason
from soar.web.api.parameters import Asker, Served

router = APIRouter(prefix="/switches", tags=["switches"])


class Stop(BaseModel):
    """What is to be held back, and why."""

    model_config = ConfigDict(extra="forbid")

    scope: Annotated[str, StringConstraints(strip_whitespace=True, max_length=200)] = "all"
    """`all`, `connection:<name>`, `playbook:<id>`."""
    reason: Reason


class Release(BaseModel):
    """Why it may go on."""

    model_config = ConfigDict(extra="forbid")

    reason: Reason


@router.get("", summary="The stop buttons that are pressed")
async def switches(runtime: Served) -> Response:
    items = [views.switch(one) for one in await runtime.store.switches.list()]
    return answer({"items": items, "next_cursor": None})


@router.post("", summary="Hold changing calls back", status_code=201)
async def stop(runtime: Served, asker: Asker, asked: Stop) -> Response:
    """At once here, within a second in every process; calls under way end. Pressed again, the newer reason stands."""
    try:
        scope = scope_of(asked.scope, runtime.connections.names, runtime.loaded.playbooks)
    except ValueError as error:
        raise RequestInvalid(str(error)) from None
    switch = await runtime.store.switches.set(scope, str(asker), asked.reason, runtime.clock.now())
    await runtime.engine.look()
    return answer(views.switch(switch), 201)


@router.post("/{scope}/release", summary="Let it go on")
async def release(runtime: Served, asker: Asker, scope: str, asked: Release) -> Response:
    """What was held is taken up again at once."""
    switch = await runtime.store.switches.clear(scope, str(asker), asked.reason, runtime.clock.now())
    await runtime.engine.look()
    return answer(views.switch(switch))
