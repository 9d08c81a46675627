"""Where alerts come from and what can be acted on. Of a secret only its name is told, and whether it is set (G05)."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fastapi import APIRouter
from starlette.responses import Response

from soar.config import SourceSettings
from soar.runtime import Runtime
from soar.web.answers import answer
from soar.web.api.parameters import Served

router = APIRouter(tags=["connections"])


@router.get("/connections", summary="The configured connections")
async def connections(runtime: Served) -> Response:
    items = [asdict(runtime.connections.view(name)) for name in sorted(runtime.connections.names)]
    return answer({"items": items, "next_cursor": None})


@router.get("/connections/{name}", summary="One connection, and whether it works")
async def connection(runtime: Served, name: str) -> Response:
    """Asks the system itself."""
    view = asdict(runtime.connections.view(name))
    health = await runtime.connections.health(name)
    return answer(view | {"health": asdict(health)})


@router.get("/sources", summary="The configured sources")
async def sources(runtime: Served) -> Response:
    items = [_source(runtime, name, entry) for name, entry in sorted(runtime.settings.sources.items())]
    return answer({"items": items, "next_cursor": None})


def _source(runtime: Runtime, name: str, entry: SourceSettings) -> dict[str, Any]:
    token = "/<token>" if entry.auth.scheme == "path-token" else ""
    secrets = [runtime.definitions.secrets.is_set(reference) for reference in entry.auth.secret]
    return {
        "name": name,
        "kind": entry.kind,
        "path": f"/webhooks/{name}{token}",
        "scheme": entry.auth.scheme,
        "secrets_set": all(secrets),
        "secrets": len(secrets),
        "allow": list(entry.allow),
    }
