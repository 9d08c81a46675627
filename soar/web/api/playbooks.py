"""Loaded playbooks, and running one by hand."""

from __future__ import annotations

import difflib
from typing import Any

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request
from starlette.responses import Response

from soar.errors import DeliveryMalformed, NotFound
from soar.ingest.body import read_json
from soar.ingest.hops import hops_in
from soar.model.execution import ExecutionMode
from soar.model.playbook import Playbook
from soar.runtime import Runtime
from soar.web import views
from soar.web.answers import answer
from soar.web.api.parameters import Asker, Served

router = APIRouter(prefix="/playbooks", tags=["playbooks"])


class RunByHand(BaseModel):
    """What a run by hand is about."""

    model_config = ConfigDict(extra="forbid", strict=True)

    alert: dict[str, Any] = Field(default_factory=dict)
    """Fields of an alert, as kind `generic` reads them."""
    inputs: dict[str, Any] = Field(default_factory=dict)
    """The playbook's typed inputs."""
    dry_run: bool = False
    """Reading actions are real, changing ones only shown."""


_BODY: dict[str, Any] = {
    "requestBody": {"content": {"application/json": {"schema": RunByHand.model_json_schema()}}, "required": False}
}


@router.get("", summary="The playbooks in use")
async def playbooks(runtime: Served) -> Response:
    """`problems` are warnings about them, with their places."""
    return _listed(runtime)


@router.post("/reload", summary="Take up the files as they are now")
async def reload(runtime: Served) -> Response:
    """In one step, and answered like the list; 409 tells what is wrong, and then all stay as they were."""
    await runtime.reload_all()
    return _listed(runtime)


@router.get("/{playbook_id}", summary="One playbook with its text")
async def playbook(runtime: Served, playbook_id: str) -> Response:
    found = _loaded(runtime, playbook_id)
    return answer(views.playbook(found) | {"source": found.source})


@router.post("/{playbook_id}/executions", summary="Run it by hand", status_code=202, openapi_extra=_BODY)
async def run(runtime: Served, asker: Asker, playbook_id: str, request: Request) -> Response:
    """Its trigger is not asked. The alert is kept like any other; 202 means that it is."""
    found = _loaded(runtime, playbook_id)
    asked = _asked(await request.body(), runtime.settings.limits.depth)
    mode: ExecutionMode = "dry_run" if asked.dry_run else "live"
    hops = hops_in(request.headers.raw)
    _, execution_id = await runtime.run_by_hand(found.id, asked.alert, asker, asked.inputs, mode, hops=hops)
    path = f"/api/v1/executions/{execution_id}"
    return answer({"id": execution_id, "playbook_id": found.id}, 202, {"Location": path})


def _listed(runtime: Runtime) -> Response:
    loaded = runtime.loaded
    items = [views.playbook(loaded.playbooks[name]) for name in sorted(loaded.playbooks)]
    return answer(
        {
            "items": items,
            "next_cursor": None,
            "catalog_digest": loaded.digest,
            "problems": [str(problem) for problem in runtime.warnings],
        }
    )


def _loaded(runtime: Runtime, playbook_id: str) -> Playbook:
    found = runtime.loaded.playbooks.get(playbook_id)
    if found is None:
        near = difflib.get_close_matches(playbook_id, runtime.loaded.playbooks, 1)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise NotFound(f"there is no playbook '{playbook_id[:80]}'{hint}")
    return found


def _asked(body: bytes, depth: int) -> RunByHand:
    """Read as strictly as a delivery, so that numbers stay exact."""
    try:
        return RunByHand.model_validate(read_json(body, depth) if body.strip() else {})
    except ValidationError:
        raise DeliveryMalformed(
            'the body must be {"alert": {...}, "inputs": {...}, "dry_run": false}, with fields of an alert'
        ) from None
