"""The chat inbox of the range."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from soar.errors import SoarError
from soar.rehearsal.process import PythonPart

_PATIENCE = 60.0


class NobodyCould(SoarError):
    """A press or a form that nobody could do at this moment: there is no such button, no such form, no way."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """What became of one delivery of what somebody did."""

    status: int
    """The answer's status; 200 for an acknowledged envelope, 0 where no answer came."""
    seconds: float
    """How long it took, by Slack's clock: it waits for 3."""
    body: str


class SlackInbox(PythonPart):
    """Takes what slack-sdk's own client sends and keeps it for reading; its people press what stands there."""

    name = "inbox"
    module = "soar.rehearsal.servers.inbox"

    def __init__(
        self,
        folder: Path | None = None,
        *,
        token: str,
        channels: Mapping[str, str | Mapping[str, Any]],
        faults: bool = False,
        signing_secret: str | None = None,
        app_token: str | None = None,
        team: str = "T01",
        app_id: str = "A0SOAR",
        members: Mapping[str, Mapping[str, Any]] | None = None,
        request_url: str | None = None,
    ) -> None:
        """A workspace.

        `channels` by name: an id, or flags (`id`, `member`, `archived`, `private`). `members` by id: flags of
        users.info, and `team` where that is another. Who presses without being known is an ordinary member.
        """
        super().__init__(folder)
        self._token = token
        self._setup = {
            "token": token,
            "channels": dict(channels),
            "faults": faults,
            "signing_secret": signing_secret,
            "app_token": app_token,
            "team": team,
            "app_id": app_id,
            "members": dict(members or {}),
            "request_url": request_url,
        }

    def setup(self) -> Mapping[str, Any]:
        return self._setup

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
        return list(self._read("messages"))

    def ephemerals(self) -> list[dict[str, Any]]:
        """What was said to one person only, oldest first."""
        return list(self._read("ephemerals"))

    def forms(self) -> list[dict[str, Any]]:
        """The forms that stand before people: `{"user", "view"}`, oldest first."""
        return list(self._read("views"))

    def sockets(self) -> dict[str, Any]:
        """`open` connections now, `hellos` in all, how many `stood` at each, and the envelope ids that were `acked`."""
        return dict(self._read("sockets"))

    def click(
        self, ts: str, user: str, action: str = "soar_approve", *, times: int = 1, retry: int = 0, **more: Any
    ) -> list[Delivery]:
        """Have somebody press a button of a message; `times` presses side by side, each delivered again `retry` times.

        `more`: `channel`, `team` where the message stands, `user_team` where that account is at home, `copies` of
        one envelope.

        Raises:
            NobodyCould: there is no such message, it has no such button, or the app cannot be reached.
        """
        return self._act("click", ts=ts, user=user, action=action, times=times, retry=retry, **more)

    def submit(self, user: str, text: str, *, retry: int = 0, **more: Any) -> list[Delivery]:
        """Have somebody fill in the form they see, and send it off. Raises NobodyCould."""
        return self._act("submit", user=user, text=text, retry=retry, **more)

    def configure(self, **changes: Any) -> None:
        """Change the workspace: `request_url`, `scopes`, `channels`, `members`, `token`, `signing_secret`, `foreign`
        (messages that become another app's), `advance` (its clock, in seconds).
        """
        httpx.post(f"{self.base_url}/configure", json=changes, timeout=5).raise_for_status()

    def fail_next(self, **fault: Any) -> None:
        """Have the next call end badly (only when started with `faults`); see `servers.slack_faults`."""
        httpx.post(f"{self.base_url}/fault", json=fault, timeout=5).raise_for_status()

    def disconnect(self, reason: str = "refresh_requested") -> None:
        """Announce the end of every open socket as Slack does, and end it once another stands."""
        httpx.post(f"{self.base_url}/socket", json={"disconnect": reason}, timeout=_PATIENCE).raise_for_status()

    def cut(self) -> None:
        """Drop every open socket without a word."""
        httpx.post(f"{self.base_url}/socket", json={"cut": True}, timeout=5).raise_for_status()

    def _read(self, what: str) -> Any:
        return httpx.get(f"{self.base_url}/inbox", timeout=5).raise_for_status().json()[what]

    def _act(self, what: str, **wanted: Any) -> list[Delivery]:
        answer = httpx.post(f"{self.base_url}/{what}", json=wanted, timeout=_PATIENCE)
        if answer.status_code == 409:
            raise NobodyCould(answer.json()["error"])
        return [Delivery(**one) for one in answer.raise_for_status().json()["deliveries"]]
