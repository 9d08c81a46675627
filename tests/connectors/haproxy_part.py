"""A real HAProxy as a child process, with the two maps of the connector's README."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import httpx
import pytest

from soar.rehearsal.process import Part, free_port
from soar.rehearsal.programs import find_program

CONFIGURATION = """
global
    stats socket {folder}/admin.sock mode 600 level admin
    stats socket ipv4@127.0.0.1:{admin_port} level admin
defaults
    mode http
    timeout connect 2s
    timeout client 5s
    timeout server 5s
frontend api
    bind 127.0.0.1:{port}
    http-request set-var(txn.ip) src
    http-request set-var(txn.ip) req.hdr_ip(X-Forwarded-For,-1) if {{ req.hdr(X-Forwarded-For) -m found }}
    http-request set-var(txn.client) req.hdr(X-Api-Key)
    http-request deny deny_status 403 if {{ var(txn.ip),map_ip({folder}/ips.map) -m found }}
    http-request set-var(txn.mode) var(txn.client),map_str({folder}/clients.map,normal)
    http-request deny deny_status 403 if {{ var(txn.mode) -m str quarantine }}
    http-request deny deny_status 429 if {{ var(txn.mode) -m str limit }}
    http-request return status 200 content-type text/plain string passed
"""


class Haproxy(Part):
    name = "haproxy"

    def prepare(self) -> None:
        self.port, self.admin_port = free_port(), free_port()
        for maps in (self.ip_map, self.client_map):
            maps.touch()
        text = CONFIGURATION.format(folder=self.folder, port=self.port, admin_port=self.admin_port)
        (self.folder / "haproxy.cfg").write_text(text.lstrip())

    def command(self) -> Sequence[str]:
        program = find_program("haproxy") or "/usr/sbin/haproxy"
        return [program, "-W", "-db", "-S", self.master_socket, "-f", str(self.folder / "haproxy.cfg")]

    def answers(self) -> bool:
        return self.status("198.51.100.1") == 200

    @property
    def socket(self) -> str:
        return str(self.folder / "admin.sock")

    @property
    def master_socket(self) -> str:
        """Where the master tells about its workers."""
        return str(self.folder / "master.sock")

    @property
    def ip_map(self) -> Path:
        return self.folder / "ips.map"

    @property
    def client_map(self) -> Path:
        return self.folder / "clients.map"

    def status(self, client_ip: str, client: str | None = None) -> int:
        headers = {"X-Forwarded-For": client_ip, **({"X-Api-Key": client} if client else {})}
        return httpx.get(f"http://127.0.0.1:{self.port}/", headers=headers, timeout=5).status_code


def needs_haproxy() -> None:
    """Skip, naming the part, where HAProxy is not installed."""
    if find_program("haproxy") is None and not Path("/usr/sbin/haproxy").exists():
        pytest.skip("haproxy is missing: apt install haproxy")
