"""The two sides of the comparison as processes: the floor, and `soar serve` with a config of its own."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Protocol

from bench.load import SECRET
from bench.processes import Child
from soar.rehearsal.process import free_port

SOURCE = "bench"

CONFIG = """\
database: sqlite:///soar.db
listen: 127.0.0.1:{port}
playbooks: playbooks
sources:
  bench:
    kind: generic
    auth: {{scheme: hmac-sha256, header: X-Signature, prefix: "sha256=", secret: "env:BENCH_SECRET"}}
connections:
  api: {{connector: http, settings: {{base_url: "{target}"}}}}
"""

PLAYBOOK = """\
id: three-calls
name: Three calls, one after the other
trigger:
  match:
    selection:
      rule_name: Token replay
      severity|gte: high
steps:
  - id: first
    action: api.request
    with:
      method: POST
      path: /first
      json: {ref: "{{ alert.source_ref }}", ip: "{{ alert.src_ip }}"}
  - id: second
    action: api.request
    with:
      method: POST
      path: /second
      json: {ref: "{{ alert.source_ref }}", user: "{{ alert.user }}", after: "{{ steps.first.output.body.receipt }}"}
  - id: third
    action: api.request
    with:
      method: POST
      path: /third
      json: {ref: "{{ alert.source_ref }}", title: "{{ alert.title }}", after: "{{ steps.second.output.body.receipt }}"}
"""


class Server(Protocol):
    """One side: how it is called in the table, and how it starts in an empty folder."""

    name: str

    def start(self, folder: Path, target: str) -> Running: ...


class Running:
    """A started side, ready for its first webhook."""

    def __init__(self, child: Child, base: str) -> None:
        self.child = child
        self.base = base
        self.webhook = f"{base}/webhooks/{SOURCE}"
        self.ready_after = child.wait_ready(f"{base}/readyz", timeout=30)

    def end(self) -> None:
        self.child.end()


class Floor:
    """A bare FastAPI process with one of two HTTP clients."""

    def __init__(self, client: str) -> None:
        self.client = client
        self.name = f"floor, {'bare aiohttp' if client == 'aiohttp' else 'httpx on aiohttp'}"

    def start(self, folder: Path, target: str) -> Running:
        port = free_port()
        argv = [sys.executable, "-m", "bench.floor", "--client", self.client, "--port", str(port)]
        argv += ["--database", str(folder / "floor.db"), "--target", target]
        child = Child(argv, cwd=Path(__file__).parent.parent, log=folder / "floor.log")
        return _ready(child, port)


class Ours:
    """`soar serve`, as a user starts it."""

    name = "soar serve"

    def start(self, folder: Path, target: str) -> Running:
        return self.serve(prepare(folder, target), folder)

    def serve(self, port: int, folder: Path) -> Running:
        argv = [soar_command(), "serve", "--config", str(folder / "soar.yaml")]
        child = Child(argv, cwd=folder, log=folder / "soar.log", env={"BENCH_SECRET": SECRET})
        return _ready(child, port)


def prepare(folder: Path, target: str) -> int:
    """Write the config and the playbook; gives the port it listens on."""
    port = free_port()
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "three-calls.yaml").write_text(PLAYBOOK)
    (folder / "soar.yaml").write_text(CONFIG.format(port=port, target=target))
    return port


def soar_command() -> str:
    """The `soar` of the environment this benchmark runs in."""
    command = Path(sys.executable).with_name("soar")
    if not command.exists():
        raise RuntimeError(f"{command} is missing: install the package into this environment first (make bench does)")
    return str(command)


def _ready(child: Child, port: int) -> Running:
    try:
        return Running(child, f"http://127.0.0.1:{port}")
    except BaseException:
        child.end(grace=1)
        raise
