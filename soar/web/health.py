"""What a load balancer, a container and Prometheus ask."""

from __future__ import annotations

from typing import Any, Final

from fastapi import APIRouter, Request
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, Gauge, generate_latest
from starlette.responses import Response

from soar.errors import StoreError
from soar.runtime import Runtime
from soar.web.answers import answer, problem

router = APIRouter()

_STATES: Final = ("received", "matched", "unmatched", "failed", "duplicates", "waiting")


def runtime_of(request: Request) -> Runtime:
    """The runtime this app serves."""
    runtime: Runtime = request.app.state.runtime
    return runtime


@router.get("/healthz", include_in_schema=False)
async def healthz() -> Response:
    """The process answers."""
    return answer({"status": "ok"})


@router.get("/readyz", include_in_schema=False)
async def readyz(request: Request) -> Response:
    """Alerts that come in now are stored and carried out; 503 says what is missing (A11)."""
    runtime = runtime_of(request)
    checks: dict[str, Any] = {"engine": "ok" if runtime.ready else "not running", "store": "ok"}
    try:
        await runtime.store.writable()
    except StoreError as error:
        checks["store"] = str(error)
    failed = [f"{name}: {state}" for name, state in checks.items() if state != "ok"]
    if failed:
        return problem(503, "not-ready", "; ".join(failed), headers={"Retry-After": "5"})
    return answer({"status": "ready", "checks": checks})


@router.get("/metrics", include_in_schema=False)
async def metrics(request: Request) -> Response:
    """Counters of this process, and the alert totals of the whole database."""
    totals = CollectorRegistry()
    gauge = Gauge("soar_alerts_stored", "Alerts since the database was made.", ["state"], registry=totals)
    counts = await runtime_of(request).store.alerts.counts()
    for state in _STATES:
        gauge.labels(state).set(getattr(counts, state))
    asked = Gauge(
        "soar_approvals",
        "Requests to people that are open, by whether a channel has taken them.",
        ["state"],
        registry=totals,
    )
    for state, number in (await runtime_of(request).store.messages.open_requests()).items():
        asked.labels(state).set(number)
    await _zones(runtime_of(request), totals)
    return Response(generate_latest(REGISTRY) + generate_latest(totals), media_type=CONTENT_TYPE_LATEST)


async def _zones(runtime: Runtime, registry: CollectorRegistry) -> None:
    """The same numbers from every process: they are those of the database."""
    depth = Gauge("soar_queue_depth", "Jobs that are due and that nobody has taken up.", ["zone"], registry=registry)
    workers = Gauge(
        "soar_zone_workers", "Processes that make a zone's calls; 0 is an alarm.", ["zone"], registry=registry
    )
    for zone in await runtime.zones():
        depth.labels(zone.label).set(zone.waiting)
        workers.labels(zone.label).set(zone.workers)
