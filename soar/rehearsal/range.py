"""All parts of the range, started side by side and ended together."""

from __future__ import annotations

import secrets
import tempfile
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from soar.rehearsal.accounts import AccountsApi
from soar.rehearsal.gateway import Gateway
from soar.rehearsal.identity import IdentityProvider
from soar.rehearsal.inbox import SlackInbox
from soar.rehearsal.process import Part
from soar.rehearsal.server import SoarServer
from soar.rehearsal.tracker import Tracker

CLIENT: Final = "acme-checkout"
TEAM: Final = "T0REHEARSE"
USER: Final = "U0YOU"
"""Who answers requests, as Slack knows them; in the server's configuration it is `you`."""
APPROVALS: Final = "C0000000002"
"""The channel where requests are made."""


class Range:
    """A gateway with an API behind it, an identity provider, a tracker, an inbox, and the server."""

    def __init__(self, tell: Callable[[str], None]) -> None:
        self._tell = tell
        self._folder = tempfile.TemporaryDirectory(prefix="soar-demo-")
        folder = Path(self._folder.name)
        responder, self._slack = secrets.token_hex(24), f"xoxb-{secrets.token_hex(16)}"
        password, signing = secrets.token_hex(16), secrets.token_hex(16)
        self.identity = IdentityProvider(
            folder, clients={CLIENT: secrets.token_hex(24)}, responders={"soar": responder}
        )
        self.tracker = Tracker(folder, username="soar", password=password)
        channels = {"soc": "C0000000001", "soc-approvals": APPROVALS}
        self.inbox = SlackInbox(folder, token=self._slack, channels=channels, signing_secret=signing, team=TEAM)
        self._secrets = {
            "RESPONDER_ID": "soar",
            "RESPONDER_SECRET": responder,
            "TRACKER_USER": "soar",
            "TRACKER_PASSWORD": password,
            "SLACK_TOKEN": self._slack,
            "SLACK_SIGNING_SECRET": signing,
        }
        self._started: list[Part] = []

    def __enter__(self) -> Self:
        try:
            self._start()
        except BaseException:
            self.stop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _start(self) -> None:
        folder = Path(self._folder.name)
        with ThreadPoolExecutor() as pool:
            list(pool.map(self._start_part, (self.identity, self.tracker, self.inbox)))
        introspect = f"{self.identity.base_url}/o/introspect/"
        secret = self._secrets["RESPONDER_SECRET"]
        self.accounts = AccountsApi(folder, introspect_url=introspect, client_id="soar", client_secret=secret)
        self._start_part(self.accounts)
        self.gateway = Gateway(folder, upstream=self.accounts.base_url)
        self._start_part(self.gateway)
        addresses = {
            "gateway": self.gateway.admin_url,
            "identity": self.identity.base_url,
            "tracker": self.tracker.base_url,
            "inbox": self.inbox.api_url,
        }
        self.server = SoarServer(folder, addresses, self._secrets)
        self._start_part(self.server)
        self.inbox.configure(request_url=f"{self.server.base_url}/slack/interactions")

    def _start_part(self, part: Part) -> None:
        self._started.append(part)
        part.start()
        self._tell(f"started {part.name}")

    def stop(self) -> None:
        """End every process and remove the folder."""
        for part in reversed(self._started):
            part.stop()
        self._started.clear()
        self._folder.cleanup()
