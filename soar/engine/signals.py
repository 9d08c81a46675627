"""What others left for an execution, as facts of its history."""

from __future__ import annotations

from soar.engine.history import History
from soar.model.execution import Fact
from soar.store.units import LedgerChange, Settle, Signal


def facts_of(signal: Signal, history: History) -> list[Fact]:
    """The facts a signal leads to; none when it only wakes, or says what is known already."""
    data, at = signal.data, history.now
    path = data.get("path", "")
    match signal.kind:
        case "answer":
            answered = Fact(path, "answered", data["attempt"], at, data)
            return [answered, *_given_up(signal, history)] if path == "" else [answered]
        case "approval":
            return [Fact(path, "settled", data["round"], at, data)]
        case "child":
            return [Fact(path, "child", 0, at, data)]
        case "released":
            return [Fact(path, "released", 0, at, data)]
        case "lifted":
            return _lifted(signal, history)
        case "cancel":
            return [Fact("", "cancel", history.last("", "cancel") + 1, at, data)]
        case "pause":
            return [] if history.paused else [Fact("", "pause", history.last("", "pause") + 1, at, data)]
        case "resume":
            return [Fact("", "resume", history.last("", "pause"), at, data)] if history.paused else []
        case _:
            return []


def _given_up(signal: Signal, history: History) -> list[Fact]:
    """A person ends an execution that was set aside (S24)."""
    if signal.data["answer"] != "give_up":
        return []
    data = {"by": signal.data["by"], "reason": signal.data["reason"], "undo": False}
    return [Fact("", "cancel", history.last("", "cancel") + 1, history.now, data)]


def _lifted(signal: Signal, history: History) -> list[Fact]:
    released = history.get(signal.data["path"], "released")
    if released is None or signal.data["lift"] not in released.data["lifts"]:
        return []
    number = released.data["lifts"].index(signal.data["lift"]) + 1
    return [Fact(signal.data["path"], "lifted", number, history.now, signal.data)]


def ledger_of(signal: Signal, history: History) -> list[LedgerChange]:
    """What an answer means for the ledger: the change was made, or was not."""
    if signal.kind != "answer" or signal.data["answer"] != "happened":
        return []
    attempted = history.get(signal.data["path"], "attempt", signal.data["attempt"])
    if attempted is None or "hold" not in attempted.data:
        return []
    return [Settle(attempted.data["hold"], "applied", history.now)]
