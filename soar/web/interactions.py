"""POST /slack/interactions: what people press in Slack, over HTTP. It proves itself by its signature."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter, Request
from starlette.responses import Response

from soar.errors import SignatureInvalid
from soar.web.health import runtime_of

router = APIRouter()
PATH: Final = "/slack/interactions"


@router.get(PATH, include_in_schema=False)
async def probe() -> Response:
    """Slack looks now and then whether the certificate holds (`ssl_check=1`); nothing is decided by reading."""
    return Response()


@router.post(PATH, include_in_schema=False)
async def interaction(request: Request) -> Response:
    """Acknowledged with an empty body once the answer is stored, or after two seconds."""
    headers: dict[str, str] = {}
    for name, value in request.headers.items():
        if name in headers and name.startswith("x-slack-"):
            raise SignatureInvalid(f"the header {name} stands there twice")
        headers[name] = value
    await runtime_of(request).approvals.deliver(await request.body(), headers)
    return Response()
