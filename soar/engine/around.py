"""What an activation works with, besides its execution and its playbook."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from soar.clock import Clock, Millis
from soar.engine.calls import CallMaker
from soar.engine.requests import Requests
from soar.engine.round import Open
from soar.model.execution import Execution, Fact
from soar.store import Store

WhenFull = Literal["queue", "skip", "cancel_oldest"]


class Opener(Protocol):
    """Makes the executions of sub-playbooks."""

    async def child(
        self, parent: Execution, command: Open, alert: Mapping[str, Any], now: Millis
    ) -> tuple[Execution, WhenFull] | Fact:
        """The execution to open, and what becomes of it without a free slot; the fact that it ended, when it cannot."""
        ...


def nothing_wanted(_name: str) -> bool:
    """No playbook listens to events."""
    return False


@dataclass(frozen=True, slots=True)
class Around:
    """The parts around one execution."""

    store: Store
    clock: Clock
    calls: CallMaker
    requests: Requests
    opener: Opener
    wanted: Callable[[str], bool] = nothing_wanted
    """Whether some playbook listens to events of that name."""
    written: Callable[[], None] = lambda: None
    """Called when something of it is on disk."""
