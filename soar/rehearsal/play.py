"""The demo: an attack gets through, the alert comes, a person is asked, the attack is refused, the block lifts.

Every effect is read from the real part it should be seen in, never from the engine's own history.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import signal
import sys
import time
from collections.abc import Callable
from types import FrameType
from typing import Final, NoReturn

import httpx
from rich.console import Console

from soar.rehearsal.decision import Decide, by_click, by_terminal, request_in_slack, settled_in_slack
from soar.rehearsal.range import CLIENT, Range

ATTACKER: Final = "203.0.113.66"
PATIENCE: Final = 20.0
"""Seconds an effect may take to be seen."""
LIFT_PATIENCE: Final = 25.0
_POLL: Final = 0.2

Tell = Callable[[str], None]


def main(once: bool) -> int:
    """Play it; 0 only when every effect was seen. Without `once` the range stays up until Enter or Ctrl-C."""
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    began = time.monotonic()

    def tell(line: str) -> None:
        console.print(f"[{time.monotonic() - began:5.1f} s] {line}")

    before = signal.signal(signal.SIGTERM, _as_interrupt)
    try:
        tell("starting the rehearsal range: gateway, API, identity provider, tracker, inbox, server")
        with Range(tell) as stage:
            missing = Play(stage, tell, by_click if once else by_terminal).perform()
            if not once and not missing:
                _linger(stage, tell)
    except KeyboardInterrupt:
        tell("stopped; everything that was started has ended")
        return 130
    finally:
        signal.signal(signal.SIGTERM, before)
    if missing:
        tell(f"NOT seen: {'; '.join(missing)}")
        return 1
    tell("every effect was seen in the real part it belongs to")
    return 0


def _as_interrupt(number: int, frame: FrameType | None) -> NoReturn:  # noqa: ARG001 # a handler's signature
    raise KeyboardInterrupt


def _linger(stage: Range, tell: Tell) -> None:
    tell(f"the range stays up: gateway {stage.gateway.base_url}, tracker {stage.tracker.base_url},")
    tell(f"server {stage.server.base_url}; press Enter to end it")
    sys.stdin.readline()


class Play:
    """One performance; `perform` gives the effects that were not seen."""

    def __init__(self, stage: Range, tell: Tell, decide: Decide = by_click) -> None:
        self.stage = stage
        self._tell = tell
        self._decide = decide
        self._missing: list[str] = []

    def perform(self) -> list[str]:
        stage = self.stage
        token = stage.identity.issue_token(CLIENT)
        self._effect(
            "the attack gets through: 200 with the stolen token", lambda: self._attack(token) == 200, gateway=True
        )
        alert = self._alert(token)
        self.between()
        answered = self._ask()
        self._watch(alert)
        if answered == "deny":
            self._untouched()
        else:
            self._effect(
                "the same attack is refused by the gateway: 403", lambda: self._attack(token) == 403, gateway=True
            )
        self._effect("the token is inactive on introspection", lambda: not stage.identity.is_active(token))
        self._effect("the ticket is in the tracker", self._ticket)
        self._effect("the message is in the inbox", self._message)
        if answered == "approve":
            self._lifted()
        return self._missing

    def _ask(self) -> str | None:
        """The request stands in Slack, nothing is done before its answer, and then it says who gave it."""
        self._effect(
            "a request to approve the block stands in Slack, with its buttons",
            lambda: request_in_slack(self.stage) is not None,
        )
        message = request_in_slack(self.stage)
        if message is None:
            return None
        self._effect("before the answer the gateway's list is empty", self._nothing_blocked, gateway=True)
        answered = self._decide(self.stage, self._tell, message)
        word = "approved" if answered == "approve" else "denied"
        self._effect(f"the request in Slack says that it was {word}", lambda: settled_in_slack(self.stage, word))
        return answered

    def _untouched(self) -> None:
        """After a no the gateway is as it was."""
        fresh = self.stage.identity.issue_token(CLIENT)
        self._effect("the gateway is untouched: its list is empty", self._nothing_blocked, gateway=True)
        self._effect("a request of that address still passes: 200", lambda: self._attack(fresh) == 200, gateway=True)

    def _lifted(self) -> None:
        """The block ends by itself."""
        stage = self.stage
        fresh = stage.identity.issue_token(CLIENT)
        blocked = self._blocked()
        self._tell("waiting for the block to lift itself")
        self._effect(
            "the block has lifted itself: the address is off the gateway's list",
            lambda: blocked and self._nothing_blocked(),
            LIFT_PATIENCE,
            gateway=True,
        )
        self._effect(
            "a request of that address passes again: 200", lambda: blocked and self._attack(fresh) == 200, gateway=True
        )

    def between(self) -> None:
        """Called between the alert and its effects; a test takes a part away here."""

    def _attack(self, token: str) -> int:
        headers = {"Authorization": f"Bearer {token}"}
        return self.stage.gateway.request("/accounts", client_ip=ATTACKER, headers=headers).status_code

    def _alert(self, token: str) -> str | None:
        """Send the SIEM's alert, signed; the id of the alert as the server told it."""
        server = self.stage.server
        body = json.dumps(
            {
                "id": f"detection-{time.time_ns()}",
                "name": "Access token replayed from a new network",
                "rule": {"id": "api-17", "name": "Token replay"},
                "severity": "critical",
                "src_ip": ATTACKER,
                "client_id": CLIENT,
                "token_id": self.stage.identity.handle_of(token),
            }
        ).encode()
        signature = hmac.new(server.siem_secret.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Signature": f"sha256={signature}", "Content-Type": "application/json"}
        answer = httpx.post(f"{server.base_url}/webhooks/siem", content=body, headers=headers, timeout=10)
        self._tell(f"the SIEM's alert is sent: the server answers {answer.status_code}")
        return str(answer.json()["alerts"][0]["id"]) if answer.status_code == 202 else None

    def _watch(self, alert: str | None) -> None:
        """Show the steps as they run; what they did is looked up in the parts afterwards."""
        told: set[tuple[str, str]] = set()
        end = time.monotonic() + PATIENCE
        while alert is not None and time.monotonic() < end:
            listed = self.stage.server.api("/executions", alert=alert)["items"]
            for one in listed:
                whole = self.stage.server.api(f"/executions/{one['id']}")
                for step in whole["steps"]:
                    if (step["path"], step["status"]) not in told:
                        told.add((step["path"], step["status"]))
                        action = f" ({step['action']})" if step["action"] else ""
                        self._tell(f"  step {step['path']}: {step['status']}{action}")
                if whole["status"] in ("succeeded", "failed"):
                    return
            time.sleep(_POLL)

    def _ticket(self) -> bool:
        return any(CLIENT in str(issue.get("title")) for issue in self.stage.tracker.issues())

    def _message(self) -> bool:
        return any(ATTACKER in str(message.get("text")) for message in self.stage.inbox.messages())

    def _nothing_blocked(self) -> bool:
        return not self.stage.gateway.blocked_ranges()

    def _blocked(self) -> bool:
        """The address stands on the gateway's list now: only then can its lift be seen."""
        try:
            return any(ATTACKER in entry for entry in self.stage.gateway.blocked_ranges())
        except httpx.HTTPError:
            return False

    def _effect(
        self, what: str, seen: Callable[[], bool], patience: float = PATIENCE, *, gateway: bool = False
    ) -> None:
        """Look until it is seen; an effect whose part does not answer is not seen. `gateway`: it is the gateway's."""
        end = time.monotonic() + patience
        while True:
            try:
                if seen():
                    self._tell(f"SEEN  {what}")
                    return
            except (httpx.HTTPError, OSError):
                pass
            if time.monotonic() > end or (gateway and not self._alive()):
                self._missing.append(what)
                self._tell(f"NOT SEEN  {what}")
                return
            time.sleep(_POLL)

    def _alive(self) -> bool:
        """A part that is gone does not come back: there is nothing to wait for."""
        process = self.stage.gateway.process
        return process is not None and process.poll() is None
