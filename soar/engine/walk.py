"""The walk over a playbook: where each step stands, and what all kinds of step have in common (S9).

Pure, like all of `decide`: it reads facts and records facts, and gives commands to the round.
What a step of each kind does is in the modules that `decide` puts together.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from soar.clock import Millis
from soar.engine.history import History
from soar.engine.retrace import fallen, retrace, show
from soar.engine.round import Error, Finish, Given, Round, Wait
from soar.engine.scope import Names
from soar.errors import ExpressionFailed
from soar.model.execution import Fact, FactKind
from soar.model.playbook import Fail, Playbook, Step, Stop


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a step or a list of steps stands."""

    state: Literal["done", "failed", "resting", "ended"]
    error: Error | None = None
    finish: Finish | None = None
    """What a `stop` or `fail` inside says; with `resting`, the rest is being cut first (S13)."""
    status: str = ""
    """What the step came to, as `steps.<id>.status` says it."""


DONE: Final = Flow("done")
RESTING: Final = Flow("resting")


@dataclass(frozen=True, slots=True)
class Frame:
    """What holds for the steps being walked."""

    names: Names
    due: Millis | None = None
    """The nearest limit in time."""
    cut: Error | None = None
    """Set when they are cut short: nothing new begins (S22)."""
    error: Error | None = None
    """The error being handled."""
    held: bool = False
    """An approval they run under is asked again: nothing new begins until it is answered."""
    guards: tuple[Given, ...] = ()
    """The approvals they run under, the nearest first."""

    def fork(self, **loop: Any) -> Frame:
        """For a branch, an item or a turn."""
        return replace(self, names=self.names.fork(**loop))


Body = Callable[["Walk", Step, Any, str, Frame, Frame], Flow]
"""What a step of one kind does: (walk, step, its body, path, the frame inside, the frame around)."""
Guard = Callable[["Walk", Step, str, Frame], "Flow | Frame"]
"""The step's own approval: where it stands, or the frame of what may run under it."""


class Walk:
    """One decision: a playbook, a history, and the round that grows."""

    def __init__(self, playbook: Playbook, history: History, bodies: Mapping[type, Body], guard: Guard) -> None:
        self.playbook = playbook
        self.history = history
        self.round = Round()
        self.facts: list[Fact] = []
        self._bodies = bodies
        self._guard = guard

    # -- lists and single steps ---------------------------------------------------------------

    def steps(self, steps: tuple[Step, ...], base: str, frame: Frame) -> Flow:
        """A list: each step once the one before it is done."""
        for step in steps:
            flow = self.step(step, base, frame)
            if flow.state != "done":
                return flow
        return DONE

    def step(self, step: Step, base: str, frame: Frame) -> Flow:
        path = f"{base}/{step.segment}" if base else step.segment
        ended = self.history.get(path, "ended")
        if ended is not None:
            retrace(self.history, step, path, frame.names)
            return self.settled(step, path, ended.data, frame)
        begun = self.history.begun(path)
        if not begun:
            if frame.cut is not None:
                return Flow("failed", frame.cut)
            if frame.held:
                return RESTING
            opened = self._open(step, path, frame)
            if opened is not None:
                return opened
        inside = frame
        if step.approval is not None:
            guarded = self._guard(self, step, path, frame)
            if isinstance(guarded, Flow):
                return guarded
            inside = guarded
        if (step.when is not None or step.timeout is not None) and self.history.get(path, "entered") is None:
            self.record(path, "entered", {})
        return self._bodies[type(step.body)](self, step, step.body, path, self._timed_step(step, path, inside), frame)

    def _open(self, step: Step, path: str, frame: Frame) -> Flow | None:
        """Evaluate `when`, once; None when the step may begin."""
        if step.when is None:
            return None
        try:
            if step.when.holds(self.scope(frame)):
                return None
        except ExpressionFailed as failure:
            return self.fail(step, path, "expression", str(failure), frame)
        return self.end(step, path, "skipped", frame)

    def aside(self, visit: Callable[[], Flow]) -> tuple[Flow, Round]:
        """Walk a branch; its commands wait for the whole to be known."""
        kept, self.round = self.round, Round()
        try:
            flow = visit()
            return flow, self.round
        finally:
            self.round = kept

    # -- time ---------------------------------------------------------------------------------

    def _timed_step(self, step: Step, path: str, frame: Frame) -> Frame:
        if step.timeout is None:
            return frame
        entered = self.history.get(path, "entered")
        assert entered is not None
        return self.timed(path, frame, entered.at + round(step.timeout * 1000))

    def timed(self, path: str, frame: Frame, due: Millis) -> Frame:
        """The frame for what runs below `path`, which has until `due`."""
        if frame.cut is None and self.history.get(path, "due") is not None:
            what = f"step '{path}'" if path else "the execution"
            cut = {"step": path, "kind": "timeout", "message": f"{what} took longer than its timeout"}
            return replace(frame, due=due, cut=cut)
        self.round.waits.append(Wait(path, 0, due))
        return replace(frame, due=due if frame.due is None else min(due, frame.due))

    # -- endings ------------------------------------------------------------------------------

    def close(self, step: Step, path: str, flow: Flow, outer: Frame) -> Flow:
        """A step made of steps ends as they do; its `on_failure` hears of the innermost failed path."""
        if flow.state == "done":
            return self.end(step, path, "succeeded", outer)
        if flow.state == "failed":
            return self.end(step, path, fallen(flow.error), outer, error=flow.error)
        return flow

    def unbegun(self, step: Step, path: str, inner: Frame, outer: Frame) -> Flow | None:
        """Where a step rests or ends whose first decision must not be made now; None when it may be made."""
        if inner.cut is not None:
            begun = self.history.begun(path)
            return self.cut_short(step, path, inner.cut, outer) if begun else Flow("failed", inner.cut)
        return RESTING if inner.held else None

    def fail(self, step: Step, path: str, kind: str, message: str, frame: Frame, **more: Any) -> Flow:
        error = {"step": path, "kind": kind, "message": message, **more}
        return self.end(step, path, "failed", frame, error=error)

    def cut_short(self, step: Step, path: str, cut: Error, outer: Frame, status: str | None = None) -> Flow:
        """The step ends because everything around it does."""
        return self.end(step, path, status or fallen(cut), outer, error={**cut, "step": path})

    def end(
        self, step: Step, path: str, status: str, frame: Frame, *, output: Any = None, error: Error | None = None
    ) -> Flow:
        data: dict[str, Any] = {"status": status}
        if output is not None:
            data["output"] = output
        if error is not None:
            data["error"] = dict(error)
        fact = self.record(path, "ended", data)
        return self.settled(step, path, fact.data, frame)

    def settled(self, step: Step, path: str, data: Mapping[str, Any], frame: Frame) -> Flow:
        """What an ended step means for the ones after it."""
        status, error = data["status"], data.get("error")
        show(self.history, step, path, data, frame.names)
        if isinstance(step.body, Stop | Fail) and status not in ("skipped", "rejected", "cancelled"):
            output = data.get("output") or {}
            if error is None:
                return Flow("ended", finish=Finish("succeeded", message=output.get("message")), status=status)
            if error.get("kind") == "fail":
                return Flow("ended", finish=Finish("failed", error, error["message"]), status=status)
        if error is None:
            return Flow("done", status=status)
        return replace(self._handled(step, path, error, frame), status=status)

    def done(self, step: Step, path: str, output: Mapping[str, Any], frame: Frame) -> Flow:
        """An action whose outcome says it is done needs no other fact."""
        frame.names.settle(path, step.id, {"status": "succeeded", "output": output, "error": None})
        return Flow("done", status="succeeded")

    def _handled(self, step: Step, path: str, error: Error, frame: Frame) -> Flow:
        """A failed step's own `on_failure` (S9)."""
        if step.on_failure == "continue":
            return DONE
        if step.on_failure == "fail":
            return Flow("failed", error)
        flow = self.steps(step.on_failure, f"{path}/on_failure", replace(frame, error=error))
        if flow.state == "failed":
            return Flow("failed", {**error, "handler": dict(flow.error or {})})
        return flow

    # -- writing ------------------------------------------------------------------------------

    def record(self, path: str, kind: FactKind, data: Mapping[str, Any], attempt: int = 0) -> Fact:
        fact = Fact(path, kind, attempt, self.history.now, data)
        self.history.add(fact)
        self.facts.append(fact)
        return fact

    def scope(self, frame: Frame) -> dict[str, Any]:
        return frame.names.scope(now=self.history.now, error=frame.error)
