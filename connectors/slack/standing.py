"""Whether an account may speak for the person it belongs to; asked of Slack, and known for five minutes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any, Final

KEPT: Final = 300.0
_MANY: Final = 1_000
_FLAGS: Final[Mapping[str, str]] = {
    "deleted": "is deactivated",
    "is_ultra_restricted": "is a guest's",
    "is_restricted": "is a guest's",
    "is_stranger": "is of another organisation",
    "is_bot": "is a program's",
    "is_workflow_bot": "is a program's",
}


def objection(user: Mapping[str, Any], team: str, own_team: str) -> str | None:
    """Why an account that users.info describes may not answer; None when it may."""
    if team != own_team or user.get("team_id", team) != team:
        return f"the Slack account is of another workspace ({user.get('team_id', team)}), and this one is {own_team}"
    return next((f"the Slack account {words}" for flag, words in _FLAGS.items() if user.get(flag)), None)


class Remembered:
    """What was found out of an account, for a while. A failure to find out is not remembered."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._found: dict[str, tuple[float, str | None]] = {}

    def known(self, identity: str) -> bool:
        found = self._found.get(identity)
        return found is not None and self._now() - found[0] < KEPT

    def __getitem__(self, identity: str) -> str | None:
        return self._found[identity][1]

    def __setitem__(self, identity: str, why_not: str | None) -> None:
        if len(self._found) >= _MANY:
            self._found.clear()
        self._found[identity] = (self._now(), why_not)
