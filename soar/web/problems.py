"""Which problem document each error becomes. A person never sees a stack trace, and no error goes without one."""

from __future__ import annotations

from typing import Any, Final

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response

from soar.errors import (
    ConfigError,
    Conflict,
    CursorInvalid,
    DefinitionError,
    DeliveryMalformed,
    DeliveryTooLarge,
    DeliveryTooSlow,
    IntakeBusy,
    NotAllowed,
    NotFound,
    RequestInvalid,
    SenderRefused,
    SignatureInvalid,
    SoarError,
    SourceUnknown,
    StoreError,
    StoreUnavailable,
)
from soar.web.answers import problem

_KINDS: Final[tuple[tuple[type[SoarError], int, str], ...]] = (
    (SourceUnknown, 404, "unknown-source"),
    (SenderRefused, 403, "sender-not-allowed"),
    (NotAllowed, 403, "not-allowed"),
    (RequestInvalid, 422, "invalid"),
    (SignatureInvalid, 401, "not-authenticated"),
    (DeliveryMalformed, 400, "malformed-delivery"),
    (DeliveryTooLarge, 413, "too-large"),
    (DeliveryTooSlow, 408, "too-slow"),
    (IntakeBusy, 429, "busy"),
    (StoreUnavailable, 503, "not-stored"),
    (NotFound, 404, "not-found"),
    (Conflict, 409, "conflict"),
    (CursorInvalid, 400, "bad-cursor"),
    (DefinitionError, 409, "definition"),
    (ConfigError, 409, "configuration"),
    (StoreError, 503, "store"),
)
_STATUS_KINDS: Final = {404: "not-found", 405: "method-not-allowed", 401: "not-authenticated", 413: "too-large"}
_RETRY_AFTER: Final = {429: "1", 503: "5"}

LONGEST: Final = 1000
"""Characters of a detail."""

UNAUTHENTICATED: Final = "the request did not prove where it comes from"
"""What everybody hears who fails to, whichever part failed."""


def problem_of(error: SoarError) -> Response:
    """The problem document of an error raised on purpose."""
    for kind, status, word in _KINDS:
        if isinstance(error, kind):
            detail = UNAUTHENTICATED if status == 401 else _short(str(error))
            headers = {"Retry-After": _RETRY_AFTER[status]} if status in _RETRY_AFTER else None
            return problem(status, word, detail, headers=headers)
    return problem(500, "internal", "the server could not do this; its log says why")


def _short(detail: str) -> str:
    """What was asked for may stand in an error; nobody needs all of it back."""
    return detail if len(detail) <= LONGEST else f"{detail[:LONGEST]}..."


def word_of(error: SoarError) -> str:
    """The stable word of an error, for counters."""
    return next((word for kind, _, word in _KINDS if isinstance(error, kind)), "internal")


def install(app: FastAPI) -> None:
    """Have every error of the app answered with a problem document."""
    app.add_exception_handler(SoarError, _soar_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unexpected)


async def _soar_error(_: Request, error: Exception) -> Response:
    assert isinstance(error, SoarError)
    return problem_of(error)


async def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    status = error.status_code
    detail = str(error.detail)
    if status == 404:
        detail = "there is nothing at this path"
    elif status == 405:
        detail = f"this path does not take {request.method}"
    return problem(status, _STATUS_KINDS.get(status, "request"), detail, headers=error.headers)


async def _invalid(_: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    errors: list[dict[str, Any]] = [
        {"place": ".".join(str(part) for part in detail["loc"]), "message": detail["msg"]} for detail in error.errors()
    ]
    listed = "; ".join(f"{one['place']}: {one['message']}" for one in errors[:5])
    return problem(422, "invalid", listed or "the request does not hold", errors=errors)


async def _unexpected(_: Request, __: Exception) -> Response:
    detail = "something went wrong here; the server's log says what"
    return problem(500, "internal", detail, headers={"Connection": "close"})  # as the server does after it
