"""The names an expression of a running playbook may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soar.clock import as_datetime, rfc3339
from soar.engine.history import History
from soar.model.playbook import Playbook

NOT_RUN: Mapping[str, Any] = {"status": None, "output": {}, "error": None}
SKIPPED: Mapping[str, Any] = {"status": "skipped", "output": {}, "error": None}


class Names:
    """Grows with the walk: each settled step is seen by the steps after it.

    A branch, an item or a turn walks with a fork: what it sets stays in it until the block
    ends and it is merged, in playbook or item order (S6).
    """

    def __init__(self, playbook: Playbook, history: History) -> None:
        self._history = history
        self.vars: dict[str, Any] = {}
        self.steps: dict[str, Mapping[str, Any]] = dict.fromkeys(playbook.step_ids, NOT_RUN)
        self._loop: dict[str, Any] = {}
        self._set: dict[str, Any] = {}
        self._settled: dict[str, Mapping[str, Any]] = {}
        self._execution: dict[str, Any] = {
            "id": history.execution.id,
            "playbook": playbook.id,
            "opened_at": rfc3339(history.execution.opened_at),
            "actor": history.execution.actor,
            "mode": history.execution.mode,
        }
        self._wants_summary = "summary" in playbook.source
        self._lines: list[str] = []
        self._from = 0

    def fork(self, **loop: Any) -> Names:
        """The same names for a branch, or for an item with names of its own."""
        forked = Names.__new__(Names)
        forked._history = self._history
        forked._execution = self._execution
        forked._wants_summary = self._wants_summary
        forked.vars = dict(self.vars)
        forked.steps = dict(self.steps)
        forked._loop = {**self._loop, **loop}
        forked._set, forked._settled = {}, {}
        forked._lines = list(self._lines) if self._wants_summary else []
        forked._from = len(forked._lines)
        return forked

    def merge(self, forked: Names, *, steps: bool = True) -> None:
        """Take over what a fork has set, and unless told otherwise what its steps came to."""
        self.vars.update(forked._set)
        self._set.update(forked._set)
        if steps:
            self.steps.update(forked._settled)
            self._settled.update(forked._settled)
        if self._wants_summary:
            self._lines += forked._lines[forked._from :]

    def forget(self, ids: frozenset[str]) -> None:
        """A new turn: the steps inside have not run yet."""
        for step_id in ids:
            self.steps[step_id] = NOT_RUN

    def settle(self, path: str, step_id: str | None, result: Mapping[str, Any]) -> None:
        """Make a step's result readable as `steps.<id>`."""
        if step_id is not None:
            self.steps[step_id] = result
            self._settled[step_id] = result
        if self._wants_summary:
            error = result.get("error")
            because = f": {error['message']}" if error else ""
            self._lines.append(f"{path}: {result['status']}{because}")

    def set(self, values: Mapping[str, Any]) -> None:
        """Make variables readable as `vars.<name>`."""
        self.vars.update(values)
        self._set.update(values)

    @property
    def settled(self) -> Mapping[str, Mapping[str, Any]]:
        """What the steps walked with this fork came to, by id."""
        return self._settled

    def scope(self, *, now: int, error: Mapping[str, Any] | None) -> dict[str, Any]:
        """The names as they stand."""
        names: dict[str, Any] = {
            "alert": self._history.alert,
            "inputs": self._history.execution.inputs,
            "vars": self.vars,
            "steps": self.steps,
            "execution": self._execution,
            "now": as_datetime(now),
            **self._loop,
        }
        if self._wants_summary:
            names["execution"] = self._execution | {"summary": self.summary()}
        if error is not None:
            names["error"] = error
        return names

    def summary(self) -> str:
        """What was done so far, a line a step, for a ticket or a message."""
        return "\n".join(self._lines)
