"""A message in a channel: a request that is edited as it moves, or a line below it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from soar.clock import Millis
from soar.model.notice import Place

MessageKind = Literal["request", "reminder", "progress", "outcome", "announcement"]
MessageState = Literal["waiting", "posting", "posted", "shown", "refused", "dropped"]
"""Not sent; being sent; sent without what a request says; as it should be; never to be; no longer wanted."""

PATIENCE: Final = 5
"""Tries after which a channel that does not answer counts as one that refused. It is tried on all the same."""


@dataclass(frozen=True, slots=True)
class Message:
    """One message as its row stands."""

    id: str
    kind: MessageKind
    execution_id: str
    destination: str
    """`slack:#soc`: a connection, and what it calls the place."""
    at: Millis
    state: MessageState = "waiting"
    approval_id: str | None = None
    stage: int = 0
    thread_id: str | None = None
    """The message it stands below."""
    text: str | None = None
    """Of a line; a request says what its approval says."""
    nonce: str | None = None
    """What the buttons of a request carry."""
    tries: int = 0
    lost: int = 0
    """How many posts were sent whose answer never came."""
    due_at: Millis | None = None
    place: Place | None = None
    error: str | None = None
    follow_at: Millis | None = None
    followed_to: int = 0

    @property
    def connection(self) -> str:
        return self.destination.partition(":")[0]

    @property
    def address(self) -> str:
        return self.destination.partition(":")[2]

    @property
    def given_up(self) -> bool:
        """Whether its channel counts as one that refused (S28)."""
        return self.state == "refused" or (self.state in ("waiting", "posted") and self.tries >= PATIENCE)
