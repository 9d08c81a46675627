"""A stop button: it holds calls back until somebody releases it."""

from __future__ import annotations

from dataclasses import dataclass

from soar.clock import Millis


@dataclass(frozen=True, slots=True)
class Switch:
    """One switch that is set."""

    scope: str
    """`all`, `connection:<name>`, `playbook:<id>`."""
    by: str
    reason: str
    at: Millis
