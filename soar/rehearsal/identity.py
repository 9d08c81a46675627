"""The identity provider of the range, as its clients see it."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import quote_plus

import httpx

from soar.rehearsal.process import PythonPart


class IdentityProvider(PythonPart):
    """Issues tokens for client credentials, revokes them (RFC 7009) and tells whether one is active (RFC 7662)."""

    name = "identity"
    module = "soar.rehearsal.servers.identity"

    def __init__(
        self, folder: Path | None = None, *, clients: Mapping[str, str], responders: Mapping[str, str]
    ) -> None:
        super().__init__(folder)
        self._clients = dict(clients)
        self._responders = dict(responders)

    def setup(self) -> Mapping[str, Any]:
        return {"secret_key": secrets.token_hex(32), "clients": self._clients, "responders": self._responders}

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "identity.db").unlink(missing_ok=True)

    def answers(self) -> bool:
        """It says of a made-up token that it is not active."""
        return self._port_file.exists() and not self.is_active("made-up")

    def issue_token(self, client_id: str) -> str:
        """A real access token for that client, by the client credentials grant."""
        answer = httpx.post(
            f"{self.base_url}/o/token/",
            data={"grant_type": "client_credentials", "scope": "accounts"},
            auth=_basic(client_id, self._clients[client_id]),
            timeout=10,
        )
        return str(answer.raise_for_status().json()["access_token"])

    def is_active(self, token: str) -> bool:
        """What introspection says of a token."""
        client_id, secret = next(iter(self._responders.items()))
        answer = httpx.post(
            f"{self.base_url}/o/introspect/", data={"token": token}, auth=_basic(client_id, secret), timeout=10
        )
        return bool(answer.raise_for_status().json()["active"])

    @staticmethod
    def handle_of(token: str) -> str:
        """What logs and alerts carry instead of a token."""
        return hashlib.sha256(token.encode()).hexdigest()


def _basic(client_id: str, secret: str) -> tuple[str, str]:
    """Form-encoded before they are joined, as RFC 6749 (2.3.1) asks: a secret may hold any character."""
    return quote_plus(client_id), quote_plus(secret)
