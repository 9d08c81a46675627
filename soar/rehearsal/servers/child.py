"""What the Python children share: their setup, their port, and ending with their parent."""

from __future__ import annotations

import json
import os
import socket
import sys
import threading
from pathlib import Path
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer


def folder_and_setup() -> tuple[Path, dict[str, Any]]:
    """The folder named on the command line, and what the parent left in it."""
    folder = Path(sys.argv[1])
    return folder, json.loads((folder / "setup.json").read_text())


def end_with_parent() -> None:
    """Leave when the parent's end of our standard input closes, whatever became of it."""

    def watch() -> None:
        sys.stdin.buffer.read()
        os._exit(0)

    threading.Thread(target=watch, daemon=True).start()


def announce(folder: Path, port: int) -> None:
    """Tell the parent our port; renamed into place so that it is never read half-written."""
    draft = folder / "port.new"
    draft.write_text(str(port))
    draft.rename(folder / "port")


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True
    request_queue_size = 64

    def server_bind(self) -> None:
        """Bind without asking for our own host name, which can take seconds without a name server."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.socket.bind(self.server_address)
        self.server_address = self.socket.getsockname()
        self.server_name, self.server_port = "127.0.0.1", int(self.server_address[1])
        self.setup_environ()


class _Handler(WSGIRequestHandler):
    def address_string(self) -> str:
        return str(self.client_address[0])

    def log_message(self, format: str, *values: Any) -> None:
        """Keep no access log: a query could carry what must not be written down."""


def wsgi_server() -> WSGIServer:
    """A threaded WSGI server, bound to a free loopback port and still without an application."""
    return _Server(("127.0.0.1", 0), _Handler)
