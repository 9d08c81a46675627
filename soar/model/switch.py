"""A stop button: it holds calls back until somebody releases it."""

from __future__ import annotations

from collections.abc import Collection
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


def scope_of(given: str, connections: Collection[str], playbooks: Collection[str]) -> str:
    """A scope as it is kept.

    Raises:
        ValueError: it names nothing that is there; a stop button that holds nothing would be believed.
    """
    if given == "all":
        return given
    kind, _, name = given.partition(":")
    known = {"connection": connections, "playbook": playbooks}.get(kind)
    if known is None:
        raise ValueError(f"'{given}' is no scope; it is all, connection:NAME or playbook:ID")
    if name not in known:
        raise ValueError(f"there is no {kind} '{name}'; there are {', '.join(sorted(known)) or 'none'}")
    return given
