"""The ticket tracker of the range, as a person at its REST interface sees it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.process import PythonPart

# Roundup answers 400 to REST calls without it: a web page of another site could not set this header.
_HEADERS = {"X-Requested-With": "rest"}


class Tracker(PythonPart):
    """Roundup with one ordinary user for the engine."""

    name = "tracker"
    module = "soar.rehearsal.servers.tracker"

    def __init__(self, folder: Path | None = None, *, username: str, password: str) -> None:
        super().__init__(folder)
        self.username, self._password = username, password

    def setup(self) -> Mapping[str, Any]:
        return {"admin_secret": secrets.token_hex(16), "users": {self.username: self._password}}

    def answers(self) -> bool:
        """It lists its issues to our user."""
        return self._port_file.exists() and self.read("issue").get("collection") == []

    def read(self, resource: str, **query: str) -> dict[str, Any]:
        """One REST resource below `/rest/data/`."""
        answer = httpx.get(
            f"{self.base_url}/rest/data/{resource}",
            params=query,
            headers=_HEADERS,
            auth=(self.username, self._password),
            timeout=10,
        )
        return dict(answer.raise_for_status().json()["data"])

    def issues(self) -> list[dict[str, Any]]:
        """Every issue with its title, status and messages, oldest first."""
        listed = self.read("issue", **{"@sort": "id"})["collection"]
        return [self.read(f"issue/{entry['id']}")["attributes"] | {"id": entry["id"]} for entry in listed]

    def message(self, message_id: str) -> str:
        """The text of one message of an issue."""
        return str(self.read(f"msg/{message_id}/content")["data"])
