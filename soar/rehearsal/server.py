"""The server under rehearsal: `soar serve` as a user starts it, with a configuration for the range's parts."""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.process import Part, PartFailed, free_port

_CONFIG = """\
database: sqlite:///soar.db
listen: 127.0.0.1:{port}
public_url: http://127.0.0.1:{port}
playbooks: playbooks
sources:
  siem:
    kind: generic
    auth: {{scheme: hmac-sha256, header: X-Signature, prefix: "sha256=", secret: "env:SIEM_SECRET"}}
connections:
  gateway:
    connector: caddy
    settings: {{base_url: "{gateway}"}}
  identity:
    connector: oauth2
    settings:
      base_url: "{identity}"
      revoke_path: /o/revoke_token/
      introspect_path: /o/introspect/
      token_lookup: "GET /handles/{{token_id}}"
    secrets: {{client_id: "env:RESPONDER_ID", client_secret: "env:RESPONDER_SECRET"}}
  tickets:
    connector: roundup
    settings: {{base_url: "{tracker}"}}
    secrets: {{username: "env:TRACKER_USER", password: "env:TRACKER_PASSWORD"}}
  chat:
    connector: slack
    settings: {{base_url: "{inbox}"}}
    secrets: {{token: "env:SLACK_TOKEN", signing_secret: "env:SLACK_SIGNING_SECRET"}}
people:
  you: {{slack: T0REHEARSE/U0YOU, roles: [analyst]}}
"""


class SoarServer(Part):
    """`soar serve` on a database of its own."""

    name = "server"

    def __init__(self, folder: Path, addresses: Mapping[str, str], secret_values: Mapping[str, str]) -> None:
        super().__init__(folder)
        self._addresses = dict(addresses)
        self._secrets = dict(secret_values)
        self.siem_secret = secrets.token_hex(24)
        self._port = 0
        self._token = ""

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def prepare(self) -> None:
        self._port = free_port()
        (self.folder / "soar.yaml").write_text(_CONFIG.format(port=self._port, **self._addresses))
        playbooks = self.folder / "playbooks"
        playbooks.mkdir(exist_ok=True)
        text = (files("soar.rehearsal") / "playbooks" / "demo-stolen-token.yaml").read_text(encoding="utf-8")
        (playbooks / "demo-stolen-token.yaml").write_text(text, encoding="utf-8")

    def command(self) -> Sequence[str]:
        return self._soar("serve")

    def _soar(self, *arguments: str) -> list[str]:
        return [sys.executable, "-m", "soar", *arguments, "--config", str(self.folder / "soar.yaml")]

    def environment(self) -> Mapping[str, str]:
        return {"SIEM_SECRET": self.siem_secret, **self._secrets}

    def answers(self) -> bool:
        return httpx.get(f"{self.base_url}/readyz", timeout=2).status_code == 200

    def api(self, path: str, **query: str) -> dict[str, Any]:
        """One answer of the read API."""
        headers = {"Authorization": f"Bearer {self._bearer()}"}
        answer = httpx.get(f"{self.base_url}/api/v1{path}", params=query, headers=headers, timeout=10)
        return dict(answer.raise_for_status().json())

    def person_token(self) -> str:
        """A token of the person who answers requests."""
        return self._made("--person", "you")

    def _bearer(self) -> str:
        self._token = self._token or self._made("--role", "viewer", "--name", "demo")
        return self._token

    def _made(self, *options: str) -> str:
        command = self._soar("token", "create", *options, "--json")
        made = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)  # noqa: S603  # our own
        if made.returncode != 0:
            raise PartFailed(f"no token could be made: {made.stderr.strip()}")
        return str(json.loads(made.stdout)["token"])
