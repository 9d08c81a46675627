"""Pages as HTML: every value escaped, no scripts, nothing from anywhere else."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from http import HTTPStatus
from pathlib import Path
from typing import Any, Final

from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from soar.errors import Conflict, CursorInvalid, NotAllowed, NotFound, RequestInvalid, SoarError, StoreError
from soar.telemetry import logger
from soar.web.pages.text import lasting, moment, parameter, seen, who
from soar.web.pages.visitor import NotSignedIn, to_sign_in

log = logger(__name__)

HEADERS: Final = {
    "Content-Security-Policy": (
        "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
    ),
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",  # under no-referrer browsers call the origin of our own forms null
    "Cache-Control": "no-store",
}
_READING: Final = frozenset({"GET", "HEAD"})
_STATUS: Final[tuple[tuple[type[SoarError], int], ...]] = (
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (RequestInvalid, 422),
    (CursorInvalid, 400),
    (StoreError, 503),
)


_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    finalize=seen,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(lasting=lasting, moment=moment, parameter=parameter, who=who)


def render(template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    text = _TEMPLATES.get_template(f"{template}.html").render(**{"person": None, "notice": ""} | values)
    return HTMLResponse(text.encode("utf-8", "replace"), status)


def refused(status: int, detail: str, person: str | None = None) -> Response:
    """Why something was not done, as a page."""
    return render("refused", status, title=HTTPStatus(status).phrase, detail=detail, person=person)


class PageRoute(APIRoute):
    """A route whose errors are pages too; no answer goes without the headers."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                response = await handle(request)
            except (SoarError, HTTPException, RequestValidationError) as error:
                response = _instead(request, error)
            for name, value in HEADERS.items():
                response.headers.setdefault(name, value)
            return response

        return handled


def _instead(request: Request, error: SoarError | HTTPException | RequestValidationError) -> Response:
    """What is shown in place of a page that cannot be."""
    if isinstance(error, NotSignedIn):
        if request.method in _READING:
            return to_sign_in(request)
        return refused(401, "you are not signed in (any more); sign in, then answer again")
    if isinstance(error, RequestValidationError):
        return refused(400, "the address of this page cannot be read")
    if isinstance(error, HTTPException):
        response = refused(error.status_code, str(error.detail))
        response.headers.update(error.headers or {})
        return response
    status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
    if status >= 500:
        log.warning("a page was not served", path=request.url.path, reason=str(error))
    return refused(status, str(error) if status != 500 else "the server could not do this; its log says why")
