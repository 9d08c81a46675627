"""What is told below a request once it was answered: what the steps did, and how the execution ended."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from soar.approval.destinations import Channels
from soar.approval.lines import line
from soar.approval.notices import Notices
from soar.clock import Millis
from soar.errors import NotFound
from soar.model.execution import FINAL, Execution, Fact
from soar.model.message import Message
from soar.store import Store

_LINES: Final = 20
"""Steps in one message; the execution's own page has all of them."""
_TEXT: Final = 300
_WORDS: Final[Mapping[str, str]] = {
    "failed": "failed",
    "cancelled": "cancelled",
    "outcome_unknown": "outcome unknown",
    "rejected": "rejected",
}
_SOON: Final = 1_000
_SELDOM: Final = 30_000


class Progress:
    """Reads what is new in an execution, and keeps it as a line below the message."""

    def __init__(self, store: Store, connections: Channels, notices: Notices) -> None:
        self._store = store
        self._connections = connections
        self._notices = notices

    async def tell(self, message: Message, now: Millis) -> None:
        """Keep what is new, and say when to look again: never, when it is over or the channel keeps no threads."""
        if not self._kept_up_to_date(message):
            await self._store.messages.follow(message, message.followed_to, [], None)
            return
        execution = await self._store.executions.get(message.execution_id)
        news = await self._store.messages.news(message)
        effects = await self._effects(message)
        said = [text for _, fact in news if (text := _said(fact, effects)) is not None]
        last = news[-1][0] if news else message.followed_to
        lines = [line(message, "progress", _text(said), now, last)] if said else []
        more = bool(news)
        if execution.state in FINAL and not more:
            lines = [line(message, "outcome", _ended(execution), now, 0)]
            await self._store.messages.follow(message, last, lines, None)
            return
        await self._store.messages.follow(message, last, lines, now if more else _next(execution, now))

    def _kept_up_to_date(self, message: Message) -> bool:
        try:
            return self._connections.channel(message.connection).edits
        except NotFound:
            return False

    async def _effects(self, message: Message) -> dict[str, str]:
        """What each step that was asked about would do, by its path."""
        found = await self._store.approvals.of(message.execution_id)
        return {str(item["path"]): str(item.get("effect") or "") for one in found for item in one.shown}


def _next(execution: Execution, now: Millis) -> Millis | None:
    """When to look again; None while a person is asked, whose answer says so itself."""
    if execution.state != "parked":
        return now + _SOON
    if execution.awaiting == "approval":
        return None
    return max(now + _SOON, min(execution.due_at or now + _SELDOM, now + 10 * _SELDOM))


def _said(fact: Fact, effects: Mapping[str, str]) -> str | None:
    """One step's end, in words; None for what is no step's end."""
    if fact.kind == "outcome" and fact.data.get("result") == "done":
        return f"done: {fact.path}{_about(fact.path, effects)}"
    if fact.kind != "ended" or fact.data.get("status") not in _WORDS:
        return None
    error = fact.data.get("error")
    reason = f": {error['message']}" if isinstance(error, Mapping) and error.get("message") else ""
    return f"{_WORDS[fact.data['status']]}: {fact.path}{_about(fact.path, effects)}{reason}"[:_TEXT]


def _about(path: str, effects: Mapping[str, str]) -> str:
    return f" ({effects[path]})" if effects.get(path) else ""


def _text(said: list[str]) -> str:
    left = len(said) - _LINES
    return "\n".join([*said[:_LINES], f"... and {left} more"] if left > 0 else said)


def _ended(execution: Execution) -> str:
    error = execution.error or {}
    reason = f" at {error.get('step')}: {error.get('message')}" if error else ""
    message = f": {execution.message}" if execution.message else ""
    return f"Execution {execution.state}{reason}{message}"[: 2 * _TEXT]
