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

from soar.clock import Millis, as_datetime
from soar.errors import Conflict, CursorInvalid, NotAllowed, NotFound, RequestInvalid, SoarError, StoreError
from soar.telemetry import logger
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
_STATUS: Final[tuple[tuple[type[SoarError], int], ...]] = (
    (NotAllowed, 403),
    (NotFound, 404),
    (Conflict, 409),
    (RequestInvalid, 422),
    (CursorInvalid, 400),
    (StoreError, 503),
)


def moment(at: Millis | None) -> str:
    """An instant for people, in UTC."""
    return "" if at is None else as_datetime(at).strftime("%Y-%m-%d %H:%M:%S UTC")


def who(actor: str | None) -> str:
    """An actor without its kind, where it is a person."""
    return (actor or "").removeprefix("person:")


_TEMPLATES: Final = Environment(
    loader=FileSystemLoader(Path(__file__).with_name("templates")),
    autoescape=True,
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_TEMPLATES.filters.update(moment=moment, who=who)


def render(template: str, status: int = 200, **values: Any) -> Response:
    """A page."""
    text = _TEMPLATES.get_template(f"{template}.html").render(**{"person": None, "notice": ""} | values)
    return HTMLResponse(text.encode("utf-8", "replace"), status, HEADERS)


def refused(status: int, detail: str, person: str | None = None) -> Response:
    """Why something was not done, as a page."""
    return render("refused", status, title=HTTPStatus(status).phrase, detail=detail, person=person)


class PageRoute(APIRoute):
    """A route whose errors are pages too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handled(request: Request) -> Response:
            try:
                return await handle(request)
            except NotSignedIn:
                if request.method in ("GET", "HEAD"):
                    return to_sign_in(request)
                return refused(401, "you are not signed in (any more); sign in, then answer again")
            except (RequestValidationError, ValueError):
                return refused(400, "the address of this page cannot be read")
            except HTTPException as error:
                return refused(error.status_code, str(error.detail))
            except SoarError as error:
                status = next((code for kind, code in _STATUS if isinstance(error, kind)), 500)
                if status >= 500:
                    log.warning("a page was not served", path=request.url.path, reason=str(error))
                return refused(
                    status, str(error) if status != 500 else "the server could not do this; its log says why"
                )

        return handled
