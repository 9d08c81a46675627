"""Answers in JSON, every number exact; errors as problem documents (RFC 9457)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from starlette.responses import Response

JSON: Final = "application/json"
PROBLEM: Final = "application/problem+json"


def dump(content: Any) -> bytes:
    """JSON text, exact: what orjson cannot write (a number over 64 bits) the standard library does."""
    try:
        return orjson.dumps(content)
    except TypeError:
        return json.dumps(content, separators=(",", ":"), default=str, allow_nan=False).encode()


def answer(content: Any, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """An answer in JSON."""
    return Response(dump(content), status, dict(headers or {}), JSON)


def problem(
    status: int,
    kind: str,
    detail: str,
    *,
    headers: Mapping[str, str] | None = None,
    errors: list[dict[str, Any]] | None = None,
) -> Response:
    """A problem document. `kind` is the stable word a program can act on; `detail` is for people."""
    content: dict[str, Any] = {
        "type": f"urn:soar:problem:{kind}",
        "title": HTTPStatus(status).phrase,
        "status": status,
        "detail": detail,
    }
    if errors:
        content["errors"] = errors
    return Response(dump(content), status, dict(headers or {}), PROBLEM)
