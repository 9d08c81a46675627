"""The chat inbox of the range."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.process import PythonPart


class SlackInbox(PythonPart):
    """Takes what slack-sdk's own client sends and keeps it for reading."""

    name = "inbox"
    module = "soar.rehearsal.servers.inbox"

    def __init__(
        self, folder: Path | None = None, *, token: str, channels: Mapping[str, str], faults: bool = False
    ) -> None:
        super().__init__(folder)
        self._token = token
        self._channels = dict(channels)
        self._faults = faults

    def setup(self) -> Mapping[str, Any]:
        return {"token": self._token, "channels": self._channels, "faults": self._faults}

    @property
    def api_url(self) -> str:
        return f"{self.base_url}/api/"

    def answers(self) -> bool:
        """`auth.test` knows the bot."""
        if not self._port_file.exists():
            return False
        answer = httpx.post(f"{self.api_url}auth.test", headers={"Authorization": f"Bearer {self._token}"}, timeout=2)
        return bool(answer.json()["ok"])

    def messages(self) -> list[dict[str, Any]]:
        """Every message as it stands now, oldest first."""
        return list(httpx.get(f"{self.base_url}/inbox", timeout=5).raise_for_status().json()["messages"])

    def fail_next(self, **fault: Any) -> None:
        """Have the next call end badly (only when started with `faults`)."""
        httpx.post(f"{self.base_url}/fault", json=fault, timeout=5).raise_for_status()
