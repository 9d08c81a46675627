"""The small API of the range, as the play reads its log."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.process import PythonPart


class AccountsApi(PythonPart):
    """Serves accounts to whoever holds an active token, and logs each request by the token's handle."""

    name = "accounts"
    module = "soar.rehearsal.servers.accounts"

    def __init__(self, folder: Path | None = None, *, introspect_url: str, client_id: str, client_secret: str) -> None:
        super().__init__(folder)
        self._setup = {"introspect_url": introspect_url, "client_id": client_id, "client_secret": client_secret}

    def setup(self) -> Mapping[str, Any]:
        return self._setup

    def answers(self) -> bool:
        """It asks for a token."""
        return self._port_file.exists() and httpx.get(f"{self.base_url}/health", timeout=2).status_code == 401

    def access_log(self) -> list[dict[str, Any]]:
        """Every request so far, as a SIEM would collect it."""
        log = self.folder / "access.log"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
