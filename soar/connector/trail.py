"""What one call has done so far: the difference between 'nothing happened' and 'it may have'."""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from soar.errors import Refused

if TYPE_CHECKING:
    from soar.connector.egress import Egress


@dataclass(slots=True)
class Trail:
    """One call of an action, of its verify or of its undo, while it is under way."""

    egress: Egress
    changes: bool
    """False for a reading action and for every verify: nothing they send can change anything."""
    key: str = ""
    changed: bool = False
    """A request that may have changed something has left this process."""
    numbered: int = 0
    """How many requests carried an Idempotency-Key so far."""
    simulated: bool = False
    """A dry run's or a shadow's: what changes may not leave this process (S36)."""
    hops: int | None = None
    """What the header SOAR-Hops says; None outside executions."""
    late: bool = False
    """Its time ran out."""

    def check_real(self) -> None:
        """The second wall: hold back every request of a changing action in a simulated call.

        Raises:
            Refused: it is one.
        """
        if self.simulated and self.changes:
            raise Refused("a simulated call sends nothing that could change a system")

    def next_key(self) -> str:
        """The Idempotency-Key of the next changing request: the call's own, then `-2`, `-3`, ..."""
        self.numbered += 1
        return self.key if self.numbered == 1 else f"{self.key}-{self.numbered}"


@dataclass(slots=True)
class Sending:
    """One HTTP request of a call. A connection found for it means that bytes may have left."""

    changes: bool
    reached: bool = False


current_trail: Final[ContextVar[Trail | None]] = ContextVar("current_trail", default=None)
current_sending: Final[ContextVar[Sending | None]] = ContextVar("current_sending", default=None)


def connection_found() -> None:
    """Note that the running request has a connection: from here on it counts as sent."""
    trail, sending = current_trail.get(), current_sending.get()
    if sending is not None:
        sending.reached = True
    if trail is not None and trail.changes and (sending is None or sending.changes):
        trail.changed = True
