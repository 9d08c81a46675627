"""What became of a try, as history keeps it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from soar.clock import Millis
from soar.engine.history import History
from soar.engine.round import Run
from soar.ids import derived_id
from soar.model.action import Outcome
from soar.model.execution import Fact

if TYPE_CHECKING:
    from soar.engine.calls import Ready

ABSENT: Final = frozenset({"unavailable", "refused", "absent"})
"""Outcomes after which nothing has changed."""


def outcome_fact(run: Run, outcome: Outcome, at: Millis, ready: Ready | None = None, started: Millis = 0) -> Fact:
    """What became of a try, as history keeps it."""
    data: dict[str, Any] = {"result": outcome.kind, "sent": outcome.sent}
    if outcome.output is not None:
        data["output"] = outcome.output
    for name in ("message", "error_kind", "retry_after", "simulated"):
        value = getattr(outcome, name)
        if value:
            data[name] = value
    if outcome.kind == "unknown" and ready is not None:
        data["repeatable"] = ready.spec.idempotent
    if outcome.kind == "absent" or (outcome.kind == "unknown" and ready is not None and ready.resumed):
        data["at_once"] = True
    if ready is not None and not ready.facts and not ready.resumed:
        data["input"] = ready.prepared.masked_inputs
        data["started_at"] = started
    if ready is not None and ready.shown is not None:
        data["guardrail"] = ready.shown
    return Fact(run.path, "outcome", run.attempt, at, data)


def hold_id(execution_id: str, path: str, first: int) -> str:
    """The hold that the try `first` opened and the ones after it go on with."""
    return derived_id(execution_id, path, "hold", first)


def first_of_hold(history: History, path: str, attempt: int) -> int:
    """The first try since the change was last known to be absent: its hold is still the one that counts.

    A try is kept as unavailable or refused only where no earlier one may have happened.
    """
    first = 1
    for number in range(1, attempt):
        outcome = history.get(path, "outcome", number)
        if outcome is not None and outcome.data["result"] in ABSENT:
            first = number + 1
    return first
