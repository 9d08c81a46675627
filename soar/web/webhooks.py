"""POST /webhooks/{source}: the raw ASGI way, for nothing stands between a sender and the disk."""

from __future__ import annotations

import time
from typing import Final

from starlette.responses import Response
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from soar.errors import SoarError, SourceUnknown
from soar.ingest.receive import Delivery, Intake
from soar.telemetry import DELIVERIES, DELIVERY_SECONDS, logger
from soar.web.answers import answer
from soar.web.bodies import Body, SenderGone
from soar.web.problems import problem_of, word_of

PATHS: Final = ("/webhooks/{source}", "/webhooks/{source}/{token:path}")

log = logger(__name__)


class Webhooks:
    """The endpoint of all sources."""

    def __init__(self, intake: Intake) -> None:
        self._intake = intake

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.perf_counter()
        parameters = scope["path_params"]
        source = parameters["source"]
        client = scope.get("client")
        body = Body(scope, receive)
        delivery = Delivery(scope["headers"], body, parameters.get("token"), client[0] if client else None)
        try:
            response = await self._answer(source, delivery)
        except SenderGone:
            DELIVERIES.labels(source, "sender-gone").inc()
            return
        if body.ended:
            await response(scope, receive, send)
        else:
            await body.refuse(response, scope, send)
        DELIVERY_SECONDS.observe(time.perf_counter() - started)

    async def _answer(self, source: str, delivery: Delivery) -> Response:
        try:
            kept = await self._intake.receive(source, delivery)
        except SoarError as error:
            label = "unknown" if isinstance(error, SourceUnknown) else source
            DELIVERIES.labels(label, word_of(error)).inc()
            log.warning("delivery refused", source=label, reason=str(error))
            return problem_of(error)
        DELIVERIES.labels(source, "accepted").inc()
        return answer({"alerts": [{"id": alert.id, "duplicate": alert.duplicate} for alert in kept]}, 202)


def routes(intake: Intake) -> list[Route]:
    """The routes of all sources; the token in a path is for scheme `path-token` alone."""
    endpoint = Webhooks(intake)
    return [Route(path, endpoint, methods=["POST"]) for path in PATHS]
