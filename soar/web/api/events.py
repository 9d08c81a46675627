"""Telling the engine that something happened: for triggers, and for executions that wait for it."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from soar.errors import RequestInvalid
from soar.ids import derived_id, new_id
from soar.ingest.body import read_json
from soar.ingest.hops import hops_in
from soar.model.trigger import ENGINE_EVENTS, EVENT_NAME
from soar.store.units import Audit, Event
from soar.web.answers import answer
from soar.web.api.parameters import Asker, Served

router = APIRouter(prefix="/events", tags=["events"])


class Told(BaseModel):
    """What happened."""

    model_config = ConfigDict(extra="forbid", strict=True)

    name: Annotated[str, StringConstraints(pattern=f"^{EVENT_NAME}$", max_length=200)]
    data: dict[str, Any] = Field(default_factory=dict)
    id: Annotated[str, StringConstraints(min_length=1, max_length=200)] | None = None
    """Sent twice under one id, it happened once."""


_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": Told.model_json_schema()}}, "required": True}
}


@router.post("", summary="Say that something happened", status_code=202, openapi_extra=_BODY)
async def tell(runtime: Served, asker: Asker, request: Request) -> Response:
    """Playbooks with that event as trigger open, executions that wait for it go on; 202 means that it is kept."""
    told = _read(await request.body(), runtime.settings.limits.depth)
    if told.name.partition(".")[0] in ENGINE_EVENTS:
        raise RequestInvalid(f"'{told.name}' is a name of the engine's own events; choose another")
    now = runtime.clock.now()
    identity = new_id() if told.id is None else derived_id("event", str(asker), told.id)
    before = max(hops_in(request.headers.raw) - 1, 0)  # what it opens is one more
    await runtime.store.events.add([Event(identity, told.name, told.data, now, before)])
    await runtime.store.audit.add(Audit(str(asker), "event.told", f"event:{identity}", now, {"name": told.name}))
    await runtime.engine.look()
    return answer({"id": identity, "name": told.name}, 202)


def _read(body: bytes, depth: int) -> Told:
    """Read as strictly as a delivery, so that numbers stay exact."""
    try:
        return Told.model_validate(read_json(body, depth))
    except ValidationError as error:
        told = [f"{'.'.join(map(str, one['loc'])) or 'the body'}: {one['msg']}" for one in error.errors()]
        raise RequestInvalid("; ".join(told[:5])) from None
