"""What `decide` says: everything that is ready now, or why the execution rests."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from soar.clock import Millis
from soar.model.execution import Fact
from soar.model.playbook import Action


@dataclass(frozen=True, slots=True)
class Run:
    """A call that should be under way now: a new one, or one that a crash left open."""

    path: str
    attempt: int
    action: Action
    inputs: Mapping[str, Any]
    remaining: float | None
    """Seconds its steps and the execution have left; None when nothing limits it but its connection."""


@dataclass(frozen=True, slots=True)
class Wait:
    """A timer that someone must watch."""

    path: str
    attempt: int
    due: Millis


@dataclass(frozen=True, slots=True)
class Ask:
    """A question to a person: did try `attempt` happen?"""

    path: str
    attempt: int
    action: str
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """The execution is over."""

    state: Literal["succeeded", "failed"]
    error: Mapping[str, Any] | None = None
    message: str | None = None


@dataclass(slots=True)
class Round:
    """All commands of one decision, in playbook order (S1)."""

    facts: list[Fact] = field(default_factory=list)
    runs: list[Run] = field(default_factory=list)
    waits: list[Wait] = field(default_factory=list)
    asks: list[Ask] = field(default_factory=list)
    on_person: bool = False
    """A question is open, and only its answer moves this execution."""
    finish: Finish | None = None
