"""Taking a containment back: an execution of its own, made of the stored undo calls alone (S33)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from soar.errors import Location
from soar.model.action import UndoCall
from soar.model.playbook import Action, Playbook, Retry, Scope, Step
from soar.model.trigger import Trigger

LIFT_RETRY: Final = Retry(attempts=12, delay=2.0, backoff="exponential")
"""About 40 minutes of trying, then the containment is stuck and a person is needed."""


class StoredInputs:
    """The values an undo call was stored with: data, never a template."""

    def __init__(self, inputs: Mapping[str, Any]) -> None:
        self.source = inputs

    def render(self, scope: Scope) -> Any:  # noqa: ARG002 # the protocol's: stored values need no names
        return self.source


def lift_playbook(calls: Sequence[UndoCall]) -> tuple[Playbook, dict[str, UndoCall]]:
    """The steps that undo a containment, newest change first, and the stored call of each step's path."""
    location = Location("lift")
    steps, by_path = [], {}
    for number, call in enumerate(calls):
        connection, _, reverse = call.reverse.partition(".")
        segment = f"@{number}"
        inputs = StoredInputs(call.result if call.result is not None else call.inputs)
        steps.append(Step(segment, None, Action(connection, reverse, inputs, LIFT_RETRY), location))
        by_path[segment] = call
    return Playbook("lift", "", Trigger(), tuple(steps), location, ""), by_path
