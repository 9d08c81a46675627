"""A small API behind the gateway: accounts, read with a bearer token that the identity provider calls active."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.servers.child import announce, end_with_parent, folder_and_setup, wsgi_server

_StartResponse = Callable[[str, list[tuple[str, str]]], Any]


class Accounts:
    """Checks every request by introspection and logs it as a gateway does: a handle, never the token."""

    def __init__(self, introspect_url: str, client_id: str, client_secret: str, access_log: Path) -> None:
        self._introspect_url = introspect_url
        self._client = (client_id, client_secret)
        self._access_log = access_log
        self._writing = threading.Lock()

    def __call__(self, environ: dict[str, Any], start_response: _StartResponse) -> Iterable[bytes]:
        scheme, _, token = str(environ.get("HTTP_AUTHORIZATION", "")).partition(" ")
        claims = self._introspect(token) if scheme.lower() == "bearer" and token else {"active": False}
        active = claims.get("active") is True
        self._log(environ, token, claims, 200 if active else 401)
        if not active:
            challenge = [("WWW-Authenticate", 'Bearer error="invalid_token"')]
            return _answer(start_response, "401 Unauthorized", {"error": "invalid_token"}, challenge)
        account = str(environ.get("PATH_INFO", "/")).rsplit("/", 1)[-1]
        return _answer(start_response, "200 OK", {"account": account, "balance": "1200.00", "currency": "EUR"})

    def _introspect(self, token: str) -> dict[str, Any]:
        try:
            answer = httpx.post(self._introspect_url, data={"token": token}, auth=self._client, timeout=5)
            return dict(answer.raise_for_status().json())
        except (httpx.HTTPError, ValueError):
            return {"active": False}  # an identity provider that does not answer opens no door

    def _log(self, environ: dict[str, Any], token: str, claims: dict[str, Any], status: int) -> None:
        line = {
            "src_ip": environ.get("HTTP_X_CLIENT_IP", ""),
            "client_id": claims.get("client_id"),
            "token_id": hashlib.sha256(token.encode()).hexdigest() if token else None,
            "method": environ.get("REQUEST_METHOD"),
            "route": environ.get("PATH_INFO"),
            "request_id": environ.get("HTTP_X_REQUEST_ID"),
            "status": status,
        }
        with self._writing, self._access_log.open("a") as log:
            log.write(json.dumps(line) + "\n")


def _answer(
    start_response: _StartResponse, status: str, body: dict[str, Any], headers: Iterable[tuple[str, str]] = ()
) -> list[bytes]:
    content = json.dumps(body).encode()
    start_response(status, [("Content-Type", "application/json"), ("Content-Length", str(len(content))), *headers])
    return [content]


def main() -> None:
    """Serve until the parent goes."""
    folder, setup = folder_and_setup()
    end_with_parent()
    accounts = Accounts(setup["introspect_url"], setup["client_id"], setup["client_secret"], folder / "access.log")
    server = wsgi_server()
    server.set_app(accounts)
    announce(folder, server.server_port)
    server.serve_forever()


if __name__ == "__main__":
    main()
