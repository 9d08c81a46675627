"""Where each part of the policy in force stands: in the shipped file, or in the operator's over it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from soar.config import Document
from soar.config.document import Path as Place
from soar.policy.file import RISKS, PolicyFile


@dataclass(frozen=True, slots=True)
class Read:
    """One file: what it says, and where."""

    said: PolicyFile
    document: Document

    def at(self, *place: str | int) -> str:
        """`policy.yaml:7`, for people."""
        found = self.document.place(place)
        return f"{found.file}:{found.line}" if found.line else found.file


def origins(shipped: Read, operators: Read | None) -> Mapping[str, str]:
    """By the dotted name of a part in force (`budgets.containments`, `actions.0`): where it stands."""
    found: dict[str, str] = {}
    for read in (shipped, operators):
        if read is not None:
            found |= {".".join(map(str, place)): read.at(*place) for place in _parts(read.said)}
    rules = [(read, at) for read in (operators, shipped) if read is not None for at in range(len(read.said.actions))]
    found |= {f"actions.{at}": read.at("actions", own) for at, (read, own) in enumerate(rules)}
    return found


def _parts(said: PolicyFile) -> Iterator[Place]:
    for risk in RISKS:
        row = getattr(said.risk, risk)
        yield from (("risk", risk, key) for key in ("reversible", "irreversible") if getattr(row, key) is not None)
    for key in ("protected", "minimum", "budgets"):
        yield from ((key, name) for name, one in getattr(said, key).items() if one is not None)
    for part, keys in (("approval", ("approvers", "timeout", "notify")), ("break_glass", ("roles", "notify"))):
        yield from ((part, key) for key in keys if getattr(getattr(said, part), key) is not None)
    if said.approve_on_timeout is not None:
        yield ("approve_on_timeout",)
