"""The app: webhooks first, then health, then the API behind its token."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import APIRouter, Depends, FastAPI

from soar.runtime import Runtime
from soar.telemetry import hide_path_tokens
from soar.web import health, interactions, problems, webhooks
from soar.web.access import RequireToken
from soar.web.api import (
    alerts,
    approvals,
    audit,
    connections,
    containments,
    events,
    executions,
    playbooks,
    questions,
    reviews,
    switches,
    zones,
)
from soar.web.api.parameters import only_known
from soar.web.bodies import LimitBodies
from soar.web.pages import router as pages

API: Final = "/api/v1"


def create_app(runtime: Runtime, *, manage: bool = False) -> FastAPI:
    """Everything this process serves. With `manage` the app starts and stops the runtime itself."""

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        if manage:
            await runtime.start()
        try:
            yield
        finally:
            if manage:
                await runtime.stop()

    app = FastAPI(
        title="SOAR engine",
        version="1",
        lifespan=lifespan,
        openapi_url=f"{API}/openapi.json",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,
    )
    app.state.runtime = runtime
    app.router.routes[:0] = webhooks.routes(runtime.intake)
    app.include_router(health.router)
    app.include_router(interactions.router)
    app.include_router(_api())
    app.include_router(pages)
    app.add_middleware(LimitBodies, limit=runtime.settings.limits.body_bytes)
    app.add_middleware(RequireToken, tokens=runtime.store.tokens, people=runtime.settings.people)
    problems.install(app)
    hide_path_tokens()
    return app


def create_worker_app(runtime: Runtime) -> FastAPI:
    """What a worker shows of itself: whether it lives and works, and its counters."""
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.state.runtime = runtime
    app.include_router(health.router)
    app.add_middleware(RequireToken, tokens=runtime.store.tokens, people=runtime.settings.people)
    problems.install(app)
    return app


def _api() -> APIRouter:
    api = APIRouter(prefix=API, dependencies=[Depends(only_known)])
    for module in (
        alerts,
        executions,
        approvals,
        reviews,
        containments,
        questions,
        playbooks,
        connections,
        switches,
        zones,
        events,
        audit,
    ):
        api.include_router(module.router)
    return api
