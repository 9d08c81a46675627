"""A real oidc-provider as a child process, and tokens from it without a browser."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from soar.rehearsal.process import Part
from soar.rehearsal.programs import find_program

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / ".parts" / "node_modules" / "oidc-provider" / "lib" / "index.js"


@dataclass(frozen=True)
class Issued:
    """One grant of a user: its two tokens, and the handles that logs carry."""

    access: str
    refresh: str
    access_handle: str
    refresh_handle: str


class OidcProvider(Part):
    """Issues tokens of the client c-42; `client_id` may revoke and introspect them, c-other may not."""

    name = "oidc-provider"

    def __init__(self, client_id: str, client_secret: str) -> None:
        super().__init__()
        self._client = (client_id, client_secret)

    def prepare(self) -> None:
        self._port.unlink(missing_ok=True)
        client_id, client_secret = self._client
        setup = {"client_id": client_id, "client_secret": client_secret, "library": str(LIBRARY)}
        (self.folder / "setup.json").write_text(json.dumps(setup))

    def command(self) -> Sequence[str]:
        return [find_program("node") or "node", str(Path(__file__).with_name("oidc_provider.mjs")), str(self.folder)]

    def answers(self) -> bool:
        """Its discovery document names the revocation endpoint."""
        if not self._port.exists():
            return False
        found = httpx.get(f"{self.base_url}/.well-known/openid-configuration", timeout=2)
        return found.status_code == 200 and "revocation_endpoint" in found.json()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port.read_text()}"

    def issue(self) -> Issued:
        return Issued(**httpx.post(f"{self.base_url}/issue", timeout=10).raise_for_status().json())

    def is_active(self, token: str) -> bool:
        """What introspection says to the token's own client."""
        answer = httpx.post(
            f"{self.base_url}/token/introspection",
            data={"token": token},
            auth=("c-42", "secret-of-c-42"),
            timeout=10,
        )
        return bool(answer.raise_for_status().json()["active"])

    @property
    def _port(self) -> Path:
        return self.folder / "port"


def needs_oidc_provider() -> None:
    """Skip, naming the part, where oidc-provider or node is not installed."""
    if find_program("node") is None:
        pytest.skip("node is missing: run tests/parts/install.sh")
    if not LIBRARY.exists():
        pytest.skip("oidc-provider is missing: run tests/parts/install.sh")
