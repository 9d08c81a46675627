"""The names an expression of a running playbook may read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soar.clock import as_datetime, rfc3339
from soar.engine.history import History
from soar.model.playbook import Playbook

NOT_RUN: Mapping[str, Any] = {"status": None, "output": {}, "error": None}


class ScopeBuilder:
    """Grows with the walk: each settled step is seen by the steps after it."""

    def __init__(self, playbook: Playbook, history: History) -> None:
        self._history = history
        self.vars: dict[str, Any] = {}
        self.steps: dict[str, Mapping[str, Any]] = dict.fromkeys(playbook.step_ids, NOT_RUN)
        self._execution: dict[str, Any] = {
            "id": history.execution.id,
            "playbook": playbook.id,
            "opened_at": rfc3339(history.execution.opened_at),
            "actor": history.execution.actor,
        }
        self._wants_summary = "summary" in playbook.source
        self._lines: list[str] = []

    def settle(self, path: str, step_id: str | None, result: Mapping[str, Any]) -> None:
        """Make a step's result readable as `steps.<id>`."""
        if step_id is not None:
            self.steps[step_id] = result
        if self._wants_summary:
            error = result.get("error")
            because = f": {error['message']}" if error else ""
            self._lines.append(f"{path}: {result['status']}{because}")

    def scope(self, *, now: int, error: Mapping[str, Any] | None) -> dict[str, Any]:
        """The names as they stand."""
        names: dict[str, Any] = {
            "alert": self._history.alert,
            "inputs": {},
            "vars": self.vars,
            "steps": self.steps,
            "execution": self._execution,
            "now": as_datetime(now),
        }
        if self._wants_summary:
            names["execution"] = self._execution | {"summary": self.summary()}
        if error is not None:
            names["error"] = error
        return names

    def summary(self) -> str:
        """What was done so far, a line a step, for a ticket or a message."""
        return "\n".join(self._lines)
