"""How the demo's request is answered: by a signed click in the range's Slack, or by the person at the terminal."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any, Final, Literal

import httpx

from soar.rehearsal.range import APPROVALS, USER, Range

Decision = Literal["approve", "deny"]
Tell = Callable[[str], None]
Decide = Callable[[Range, Tell, dict[str, Any]], Decision]
"""Answers the request that this message in Slack carries; what was answered."""

_YES: Final = frozenset({"y", "yes", "a", "approve"})


def request_in_slack(stage: Range) -> dict[str, Any] | None:
    """The message that asks, once it has its buttons."""
    return next((one for one in _requests(stage) if has_buttons(one)), None)


def settled_in_slack(stage: Range, word: str) -> bool:
    """Whether the message that asked says how it was settled, and nothing can be pressed any more."""
    return any(not has_buttons(one) and word in str(one).lower() for one in _requests(stage))


def has_buttons(message: dict[str, Any]) -> bool:
    return any(block.get("type") == "actions" for block in message.get("blocks") or ())


def by_click(stage: Range, tell: Tell, message: dict[str, Any]) -> Decision:
    """As Slack does when somebody presses Approve: a form post to the server, signed with the app's secret."""
    (delivery,) = stage.inbox.click(message["ts"], USER, channel=message["channel"])
    tell(f"Approve is pressed in Slack: the server answers {delivery.status} in {delivery.seconds * 1000:.0f} ms")
    return "approve"


def by_terminal(stage: Range, tell: Tell, message: dict[str, Any]) -> Decision:  # noqa: ARG001 # the protocol's
    """Ask who sits here; no answer is a no."""
    request = stage.server.api("/approvals")["items"][0]
    tell(f"a playbook asks: {request['message']}")
    for item in request["shown"]:
        tell(f"  {item['action']}: {item['effect']}; {item['undo']}")
    tell(f"its page, for whoever signs in with a token of their own: {stage.server.base_url}/approvals/{request['id']}")
    approve = _typed("Approve? [y/N] ").lower() in _YES
    given = {"decision": "approve"} if approve else {"decision": "deny", "reason": _typed("Why not? ") or "no answer"}
    answer = httpx.post(
        f"{stage.server.base_url}/api/v1/approvals/{request['id']}/decisions",
        json=given,
        headers={"Authorization": f"Bearer {stage.server.person_token()}"},
        timeout=10,
    )
    tell(f"your answer is {given['decision']}: the server answers {answer.raise_for_status().status_code}")
    return "approve" if approve else "deny"


def _typed(prompt: str) -> str:
    sys.stdout.write(prompt)
    sys.stdout.flush()
    return sys.stdin.readline().strip()


def _requests(stage: Range) -> list[dict[str, Any]]:
    return [one for one in stage.inbox.messages() if one["channel"] == APPROVALS and "thread_ts" not in one]
