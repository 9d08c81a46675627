"""Five faults put in on purpose: a simulation that does not find them proves nothing."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from soar.engine import calls
from soar.engine.activation import Activation
from soar.engine.calls import Ready
from soar.ids import derived_id
from soar.model.action import ActionCall
from soar.store import approvals, commit, events, ledger, related
from soar.store.executions import Executions

Plant = Callable[[pytest.MonkeyPatch], None]


def lost_wakeup(patch: pytest.MonkeyPatch) -> None:
    """What others leave for an execution is kept nowhere, and wakes nobody."""

    def deaf(*_: Any) -> None:
        return None

    for module in (approvals, events, related):
        patch.setattr(module, "wake", deaf)


def no_epoch_check(patch: pytest.MonkeyPatch) -> None:
    """Whoever writes is believed to own the execution."""
    guarded = commit._owned

    def believed(unit: Any, standing: Any) -> Any:
        return guarded(unit if standing is None else replace(unit, epoch=standing[1]), standing)

    async def owned(*_: Any) -> None:
        return None

    patch.setattr(commit, "_owned", believed)
    patch.setattr(Executions, "confirm", owned)


def no_write_ahead(patch: pytest.MonkeyPatch) -> None:
    """Calls go out, and what was to be on record before them is written with their outcome."""

    async def sends_first(self: Activation, ready: list[Ready]) -> bool:
        for one in ready:
            self._pending.facts += one.facts
            self._pending.ledger += one.ledger
            self._send(one, self._clock.monotonic())
        return False

    patch.setattr(Activation, "_write_ahead", sends_first)


def dropped_lift(patch: pytest.MonkeyPatch) -> None:
    """The last hold lets go, and nobody takes the containment back."""

    def forgotten(*_: Any, **__: Any) -> None:
        return None

    patch.setattr(ledger, "let_go", forgotten)


def new_key_on_retry(patch: pytest.MonkeyPatch) -> None:
    """Each try has a key of its own, so no system can know that it is the same call."""
    made = calls.RunCalls._call

    def fresh(self: Any, run: Any, spec: Any) -> ActionCall:
        call = made(self, run, spec)
        return replace(call, key=derived_id(call.key, run.attempt))

    patch.setattr(calls.RunCalls, "_call", fresh)


PLANTED: dict[str, Plant] = {
    plant.__name__: plant for plant in (lost_wakeup, no_epoch_check, no_write_ahead, dropped_lift, new_key_on_retry)
}
