"""The outside world of a simulation: systems that keep what is done to them, and fail by a seed.

What becomes of a call is drawn from the seed, the call's key and how often that key was seen, so it does not depend on
the order in which calls arrive.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from soar.model.action import ActionCall, ActionSpec, Outcome, UndoCall
from soar.testing.connections import FakeConnections


@dataclass(frozen=True, slots=True)
class Effect:
    """One change that a system really made."""

    key: str
    action: str
    execution_id: str
    path: str
    target: str | None


@dataclass
class Outside(FakeConnections):
    """Connections to systems with a memory of their own."""

    seed: int = 0
    calm: bool = False
    """No more faults: how a simulation ends."""
    effects: list[Effect] = field(default_factory=list)
    results: dict[str, Effect] = field(default_factory=dict)
    """By key: what a system answers when it is asked whether that call happened."""
    blocked: dict[tuple[str, str], str] = field(default_factory=dict)
    """By connection and target: the key that contains it now."""
    faults: Counter[str] = field(default_factory=Counter)
    seen: Counter[str] = field(default_factory=Counter)
    allowed_again: set[str] = field(default_factory=set)
    """Keys of calls that a person, who had looked, said to make again."""

    async def perform(self, call: ActionCall) -> Outcome:
        spec = self.actions[call.name]
        if call.simulated and spec.changes:
            return Outcome("done", dict(spec.example), sent=False, simulated=True)
        fault = self._fault(call.key, "perform")
        if not spec.changes:
            return Outcome("unavailable", message="down") if fault == "down" else Outcome("done", dict(spec.example))
        if fault == "down":
            return Outcome("unavailable", message="nothing reached it")
        if fault == "no":
            return Outcome("refused", message="it said no")
        if fault != "unheard":
            self._happen(spec, call)
        if fault in ("slow", "unheard", "lost"):
            await self.clock.sleep(1 + self._draw(call.key, "seconds") * 29)
        if fault in ("unheard", "lost"):
            return Outcome("unknown", message="no answer came")
        return Outcome("done", dict(spec.example))

    def _happen(self, spec: ActionSpec, call: ActionCall) -> None:
        """The change is made. A system that knows the key, and can, does not make it twice."""
        if spec.idempotent and call.key in self.results:
            return
        target = str(call.inputs.get("ip")) if spec.undo else None
        effect = Effect(call.key, call.name, call.execution_id, call.path, target)
        self.effects.append(effect)
        self.results[call.key] = effect
        if target is not None:
            self.blocked[call.name.partition(".")[0], target] = call.key

    async def verify(self, call: ActionCall) -> Outcome:
        if not self.actions[call.name].verifies:
            return Outcome("unknown", message="it cannot be asked")
        if self._fault(call.key, "verify") in ("down", "no"):
            return Outcome("unknown", message="it does not answer")
        effect = self.results.get(call.key)
        if effect is None:
            return Outcome("absent")
        there = effect.target is None or (call.name.partition(".")[0], effect.target) in self.blocked
        return Outcome("done", dict(self.actions[call.name].example)) if there else Outcome("absent")

    async def undo(self, call: UndoCall, *, key: str, timeout: float) -> Outcome:  # the protocol's
        fault = self._fault(key, "undo")
        if fault == "down":
            return Outcome("unavailable", message="nothing reached it")
        if fault == "no":
            return Outcome("refused", message="it said no")
        if fault != "unheard":
            self.blocked.pop((call.name.partition(".")[0], str(call.inputs.get("ip"))), None)
        if fault in ("unheard", "lost"):
            return Outcome("unknown", message="no answer came")
        return Outcome("done")

    def _fault(self, key: str, kind: str) -> str | None:
        """What goes wrong with this call; most often nothing."""
        self.seen[key] += 1
        if self.calm:
            return None
        drawn = self._draw(key, f"{kind}{self.seen[key]}")
        limits = (("down", 0.06), ("lost", 0.10), ("unheard", 0.12), ("no", 0.135), ("slow", 0.22))
        fault = next((name for name, limit in limits if drawn < limit), None)
        if fault is not None:
            self.faults[fault] += 1
        return fault

    def _draw(self, key: str, what: str) -> float:
        digest = hashlib.sha256(f"{self.seed} {key} {what}".encode()).digest()
        return int.from_bytes(digest[:6], "big") / 2**48


def known(name: str, **changes: Any) -> ActionSpec:
    """An action of a system outside."""
    given: dict[str, Any] = {
        "name": name,
        "connector": "outside",
        "summary": name,
        "params": {"properties": {"ip": {}, "n": {}, "text": {}}},
        "result": {},
        "changes": True,
        "idempotent": True,
        "verifies": False,
        "undo": None,
        "risk": "low",
        "example": {"ok": True},
    }
    return ActionSpec(**(given | changes))


ACTIONS = {
    action.name: action
    for action in (
        known("api.call"),
        known("api.once", idempotent=False),
        known("api.read", changes=False),
        known("gateway.block_ip", undo="unblock_ip", verifies=True, idempotent=False),
        known("edge.block_ip", undo="unblock_ip", verifies=True),
    )
}
