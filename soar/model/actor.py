"""Who did something."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actor:
    """A person, a program with a token, a source, a playbook's execution, or the engine's own clock."""

    kind: Literal["person", "token", "source", "execution", "timer", "cli"]
    name: str

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}"
