"""How it all ended, in what people see of it: the same, whenever the server died."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True, slots=True, order=True)
class Run:
    """One execution of a playbook."""

    name: tuple[str, str]
    """The playbook and the alert."""
    status: str
    error: str
    outputs: str
    slot: str
    steps: tuple[tuple[str, str, str], ...]
    """Path, status, kind of error."""


@dataclass(frozen=True, slots=True)
class End:
    """Everything there is when nothing is under way."""

    runs: tuple[Run, ...]
    lifts: tuple[str, ...]
    held: tuple[tuple[str, str, int, int], ...]
    """Target, state, rung of the ladder, how many lifts."""
    approvals: tuple[tuple[str, int, str], ...]
    questions: int
    alerts: int

    def differs(self, other: End) -> list[str]:
        """What is not as in the other, in words."""
        told = []
        for field in fields(self):
            ours, theirs = getattr(self, field.name), getattr(other, field.name)
            if ours != theirs:
                told += [f"{field.name}: {one}" for one in _only(ours, theirs)]
        return told


def _only(ours: Any, theirs: Any) -> list[str]:
    if not isinstance(ours, tuple):
        return [f"{ours} instead of {theirs}"]
    if ours and isinstance(ours[0], Run):
        ours = [(one.name, *part) for one in ours for part in _parts(one)]
        theirs = [(one.name, *part) for one in theirs for part in _parts(one)]
    return [f"+ {one}" for one in ours if one not in theirs] + [f"- {one}" for one in theirs if one not in ours]


def _parts(run: Run) -> list[tuple[Any, ...]]:
    return [(run.status, run.error, run.outputs, run.slot), *run.steps]
