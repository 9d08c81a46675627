"""How uvicorn serves the app."""

from __future__ import annotations

import socket

import uvicorn
from starlette.types import ASGIApp

from soar.telemetry import hide_path_tokens


def uvicorn_config(app: ASGIApp, host: str, port: int, *, stop_grace: float = 10.0) -> uvicorn.Config:
    """The one way the app is served.

    Proxy headers are left to us: uvicorn would believe X-Forwarded-For of anybody on this machine.
    There is no access log: paths may hold a source's token, and counters tell the rest.
    """
    hide_path_tokens()
    return uvicorn.Config(
        app,
        host=host,
        port=port,
        loop="uvloop",
        http="httptools",
        lifespan="on",
        proxy_headers=False,
        server_header=False,
        access_log=False,
        log_config=None,
        timeout_graceful_shutdown=max(1, round(stop_grace)),
        backlog=2048,
    )


def listener_at(address: str) -> socket.socket:
    """Bind `HOST:PORT` before anything starts: an address that is taken is said at once."""
    host, _, given = address.rpartition(":")
    host, port = host.strip("[]"), int(given)
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        error.filename = address
        raise
    return listener
