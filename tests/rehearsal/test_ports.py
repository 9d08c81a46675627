"""Ports of the parts: kept for the server that dies and comes back."""

from __future__ import annotations

import socket
import sys

import pytest

from soar.rehearsal.process import free_port


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux lets a server listen beside a bound socket")
def test_a_port_is_kept_from_others_and_open_to_its_server() -> None:
    port = free_port()
    with socket.socket() as other, pytest.raises(OSError, match="in use"):
        other.bind(("127.0.0.1", port))
    for _ in range(2):
        with socket.create_server(("127.0.0.1", port)) as server, socket.create_connection(("127.0.0.1", port)):
            server.accept()[0].close()
