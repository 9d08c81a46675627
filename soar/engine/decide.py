"""The interpreter: a playbook and a history in, everything that is ready now out.

Pure: no clock, database, network or randomness. It may compute a due time from
the history's own instants; whether one has come is told to it by a `due` fact
(S3). The same input gives the same output, in playbook order (S1).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal

from soar.clock import Millis
from soar.engine.history import History
from soar.engine.retries import pause_after
from soar.engine.round import Ask, Finish, Round, Run, Wait
from soar.engine.scope import ScopeBuilder
from soar.errors import ExpressionFailed
from soar.model.execution import Fact, FactKind
from soar.model.playbook import Action, Block, Choice, Fail, Playbook, SetVariables, Step, Stop

Error = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Flow:
    """Where a step or a list of steps stands."""

    state: Literal["done", "failed", "resting", "ended"]
    error: Error | None = None
    finish: Finish | None = None


DONE: Final = Flow("done")
RESTING: Final = Flow("resting")


@dataclass(frozen=True, slots=True)
class Frame:
    """What holds for the steps being walked: their limit in time, what cut them short, the error being handled."""

    due: Millis | None = None
    cut: Error | None = None
    """Set when their time is over: nothing new begins."""
    error: Error | None = None


def decide(playbook: Playbook, history: History) -> Round:
    """Everything that can be said now: what to run, to wait for, to ask, or how it ends."""
    walk = _Walk(playbook, history)
    walk.finish()
    return walk.round


class _Walk:
    def __init__(self, playbook: Playbook, history: History) -> None:
        self.playbook = playbook
        self.history = history
        self.round = Round()
        self.names = ScopeBuilder(playbook, history)

    # -- the whole execution (S10) ------------------------------------------------------------

    def finish(self) -> None:
        frame = self._timed("", Frame(), self.history.execution.deadline_at)
        flow = self._steps(self.playbook.steps, "", frame)
        if flow.state == "resting":
            return
        if flow.state == "ended":
            ended = flow.finish
            assert ended is not None
            if ended.state == "succeeded":
                self.round.finish = ended
                return
            flow = Flow("failed", ended.error)
        if flow.state == "done":
            self.round.finish = Finish("succeeded")
            return
        self._after_failure(flow.error or {})

    def _after_failure(self, error: Error) -> None:
        """The playbook's own `on_failure`: every step is tried, whatever became of the one before."""
        message = error["message"] if error.get("kind") == "fail" else None
        if self.playbook.on_failure:
            phase = self.history.get("", "phase") or self._record("", "phase", {"error": dict(error)})
            frame = self._timed("on_failure", Frame(error=error), phase.at + self.history.on_failure_limit)
            for step in self.playbook.on_failure:
                if self._step(step, "on_failure", frame).state == "resting":
                    return
        self.round.finish = Finish("failed", error, message)

    # -- lists and single steps (S9) ----------------------------------------------------------

    def _steps(self, steps: tuple[Step, ...], base: str, frame: Frame) -> Flow:
        for step in steps:
            flow = self._step(step, base, frame)
            if flow.state != "done":
                return flow
        return DONE

    def _step(self, step: Step, base: str, frame: Frame) -> Flow:
        path = f"{base}/{step.segment}" if base else step.segment
        ended = self.history.get(path, "ended")
        if ended is not None:
            self._retrace(step, path)
            return self._settled(step, path, ended.data, frame)
        if frame.cut is not None and not self._begun(path):
            return Flow("failed", frame.cut)
        if not self._begun(path):
            opened = self._open(step, path, frame)
            if opened is not None:
                return opened
        inner = self._timed_step(step, path, frame)
        return self._body(step, path, inner, frame)

    def _open(self, step: Step, path: str, frame: Frame) -> Flow | None:
        """Evaluate `when` once; None when the step may begin."""
        if step.when is not None:
            try:
                if not step.when.holds(self._scope(frame)):
                    return self._end(step, path, "skipped", frame)
            except ExpressionFailed as failure:
                return self._fail(step, path, "expression", str(failure), frame)
        if step.when is not None or step.timeout is not None:
            self._record(path, "entered", {})
        return None

    def _begun(self, path: str) -> bool:
        history = self.history
        return history.get(path, "entered") is not None or history.tries(path) > 0

    def _timed_step(self, step: Step, path: str, frame: Frame) -> Frame:
        if step.timeout is None:
            return frame
        entered = self.history.get(path, "entered")
        assert entered is not None
        return self._timed(path, frame, entered.at + round(step.timeout * 1000))

    def _timed(self, path: str, frame: Frame, due: Millis) -> Frame:
        """The frame for what runs below `path`, which has until `due`."""
        if frame.cut is None and self.history.get(path, "due") is not None:
            what = f"step '{path}'" if path else "the execution"
            cut = {"step": path, "kind": "timeout", "message": f"{what} took longer than its timeout"}
            return Frame(due=due, cut=cut, error=frame.error)
        self.round.waits.append(Wait(path, 0, due))
        nearest = due if frame.due is None else min(due, frame.due)
        return Frame(due=nearest, cut=frame.cut, error=frame.error)

    def _body(self, step: Step, path: str, inner: Frame, outer: Frame) -> Flow:
        match step.body:
            case Action():
                return self._action(step, step.body, path, inner, outer)
            case SetVariables():
                return self._set(step, step.body, path, outer)
            case Block():
                return self._close(step, path, self._steps(step.body.steps, path, inner), outer)
            case Choice():
                return self._choice(step, step.body, path, inner, outer)
            case Stop() | Fail():
                return self._stop(step, step.body, path, outer)

    # -- the kinds of step --------------------------------------------------------------------

    def _set(self, step: Step, body: SetVariables, path: str, frame: Frame) -> Flow:
        try:
            values = body.values.render(self._scope(frame))
        except ExpressionFailed as failure:
            return self._fail(step, path, "expression", str(failure), frame)
        return self._end(step, path, "succeeded", frame, output=values)

    def _choice(self, step: Step, body: Choice, path: str, inner: Frame, outer: Frame) -> Flow:
        chosen = self.history.get(path, "chosen")
        if chosen is None:
            try:
                branch = "then" if body.condition.holds(self._scope(outer)) else "else"
            except ExpressionFailed as failure:
                return self._fail(step, path, "expression", str(failure), outer)
            chosen = self._record(path, "chosen", {"branch": branch})
        branch = chosen.data["branch"]
        steps = body.then if branch == "then" else body.otherwise
        return self._close(step, path, self._steps(steps, f"{path}/{branch}", inner), outer)

    def _close(self, step: Step, path: str, flow: Flow, outer: Frame) -> Flow:
        """A step made of steps ends as they do; its `on_failure` hears of the innermost failed path."""
        if flow.state == "done":
            return self._end(step, path, "succeeded", outer)
        if flow.state == "failed":
            return self._end(step, path, "failed", outer, error=flow.error)
        return flow

    def _stop(self, step: Step, body: Stop | Fail, path: str, frame: Frame) -> Flow:
        try:
            message = str(body.message.render(self._scope(frame)))
        except ExpressionFailed as failure:
            return self._fail(step, path, "expression", str(failure), frame)
        if isinstance(body, Stop):
            self._record(path, "ended", {"status": "succeeded", "output": {"message": message}})
            return Flow("ended", finish=Finish("succeeded", message=message))
        error = {"step": path, "kind": "fail", "message": message}
        self._record(path, "ended", {"status": "failed", "error": error})
        return Flow("ended", finish=Finish("failed", error, message))

    # -- actions ------------------------------------------------------------------------------

    def _action(self, step: Step, action: Action, path: str, inner: Frame, outer: Frame) -> Flow:
        number = self.history.tries(path)
        outcome = self.history.get(path, "outcome", number) if number else None
        if outcome is None:
            return self._call(step, action, path, max(number, 1), inner, outer)
        result = outcome.data["result"]
        if result == "done":
            return self._done(step, path, outcome.data)
        if result == "refused":
            kind = outcome.data.get("error_kind") or "refused"
            return self._fail(step, path, kind, outcome.data.get("message", ""), outer)
        answered = self.history.get(path, "answered", number)
        if answered is not None:
            return self._answered(step, action, path, number, answered, inner, outer)
        if inner.cut is not None:
            return self._cut(step, action, path, number, outcome, inner.cut, outer)
        return self._again(step, action, path, number, outcome, inner, outer)

    def _call(self, step: Step, action: Action, path: str, number: int, inner: Frame, outer: Frame) -> Flow:
        """The call that should be under way: with its inputs, and what time it has left."""
        inputs = self.history.rendered(path)
        if inputs is None:
            try:
                scope = self.names.scope(now=self.history.rendered_at(path), error=outer.error)
                inputs = action.inputs.render(scope)
            except ExpressionFailed as failure:
                return self._fail(step, path, "expression", str(failure), outer)
            self.history.keep_rendered(path, inputs)
        if inner.cut is not None and self.history.get(path, "attempt", number) is None:
            return self._end(step, path, "failed", outer, error={**inner.cut, "step": path})
        left = None if inner.due is None else max(inner.due - self.history.now, 0) / 1000
        self.round.runs.append(Run(path, number, action, inputs, left))
        return RESTING

    def _again(
        self, step: Step, action: Action, path: str, number: int, outcome: Fact, inner: Frame, outer: Frame
    ) -> Flow:
        """Not done: try again after a pause, ask a person, or give up (S17, S21)."""
        data = outcome.data
        unknown = data["result"] == "unknown"
        if number >= action.retry.attempts or (unknown and not data.get("repeatable")):
            if unknown:
                return self._ask(action, path, number, data)
            kind = data.get("error_kind") or "unavailable"
            tried = f" (tried {number} times)" if number > 1 else ""
            return self._fail(step, path, kind, f"{data.get('message', '')}{tried}", outer)
        if not data.get("at_once") and self.history.get(path, "due", number) is None:
            key = f"{self.history.execution.id}/{path}"
            pause = pause_after(action.retry, number, data.get("retry_after"), key)
            self.round.waits.append(Wait(path, number, outcome.at + pause))
            return RESTING
        return self._call(step, action, path, number + 1, inner, outer)

    def _ask(self, action: Action, path: str, number: int, data: Mapping[str, Any]) -> Flow:
        if self.history.get(path, "asked", number) is None:
            message = data.get("message") or "no answer came"
            self._record(path, "asked", {"message": message}, number)
            self.round.asks.append(Ask(path, number, action.name, message))
        self.round.on_person = True
        return RESTING

    def _answered(
        self, step: Step, action: Action, path: str, number: int, answered: Fact, inner: Frame, outer: Frame
    ) -> Flow:
        answer = answered.data["answer"]
        if answer == "happened":
            return self._end(step, path, "succeeded", outer)
        if answer == "again" and inner.cut is None:
            return self._call(step, action, path, number + 1, inner, outer)
        message = f"nobody can tell whether it happened; {answered.data.get('by', 'a person')} gave it up"
        return self._fail(step, path, "outcome_unknown", message, outer)

    def _cut(self, step: Step, action: Action, path: str, number: int, outcome: Fact, cut: Error, outer: Frame) -> Flow:
        """Its time is over. What cannot be told stays a question beside the execution (S22)."""
        error = {**cut, "step": path}
        if outcome.data["result"] != "unknown":
            return self._end(step, path, "failed", outer, error=error)
        self._ask(action, path, number, outcome.data)
        self.round.on_person = False
        return self._end(step, path, "outcome_unknown", outer, error=error)

    def _done(self, step: Step, path: str, data: Mapping[str, Any]) -> Flow:
        output = data.get("output") or {}
        self.names.settle(path, step.id, {"status": "succeeded", "output": output, "error": None})
        return DONE

    # -- endings ------------------------------------------------------------------------------

    def _fail(self, step: Step, path: str, kind: str, message: str, frame: Frame) -> Flow:
        return self._end(step, path, "failed", frame, error={"step": path, "kind": kind, "message": message})

    def _end(
        self, step: Step, path: str, status: str, frame: Frame, *, output: Any = None, error: Error | None = None
    ) -> Flow:
        data: dict[str, Any] = {"status": status}
        if output is not None:
            data["output"] = output
        if error is not None:
            data["error"] = dict(error)
        fact = self._record(path, "ended", data)
        return self._settled(step, path, fact.data, frame)

    def _settled(self, step: Step, path: str, data: Mapping[str, Any], frame: Frame) -> Flow:
        """What an ended step means for the ones after it."""
        status, error = data["status"], data.get("error")
        output = data.get("output") or {}
        result = {"status": status, "output": {} if error else output, "error": error}
        self.names.settle(path, step.id, result)
        if isinstance(step.body, SetVariables) and status == "succeeded":
            self.names.vars.update(output)
        if (
            isinstance(step.body, Stop | Fail)
            and (error is None or error.get("kind") == "fail")
            and status != "skipped"
        ):
            if isinstance(step.body, Stop):
                return Flow("ended", finish=Finish("succeeded", message=output.get("message")))
            assert error is not None
            return Flow("ended", finish=Finish("failed", error, error["message"]))
        if error is None:
            return DONE
        return self._handled(step, path, error, frame)

    def _handled(self, step: Step, path: str, error: Error, frame: Frame) -> Flow:
        """A failed step's own `on_failure` (S9)."""
        if step.on_failure == "continue":
            return DONE
        if step.on_failure == "fail":
            return Flow("failed", error)
        handling = Frame(due=frame.due, cut=frame.cut, error=error)
        flow = self._steps(step.on_failure, f"{path}/on_failure", handling)
        if flow.state == "failed":
            return Flow("failed", {**error, "handler": dict(flow.error or {})})
        return flow

    def _retrace(self, step: Step, path: str) -> None:
        """Make the results inside an ended block readable again, without deciding anything anew."""
        body = step.body
        lists: list[tuple[tuple[Step, ...], str]] = []
        if isinstance(body, Block):
            lists = [(body.steps, path)]
        elif isinstance(body, Choice):
            lists = [(body.then, f"{path}/then"), (body.otherwise, f"{path}/else")]
        for steps, base in lists:
            for inner in steps:
                self._retrace_step(inner, f"{base}/{inner.segment}")

    def _retrace_step(self, step: Step, path: str) -> None:
        ended = self.history.get(path, "ended")
        number = self.history.tries(path)
        outcome = self.history.get(path, "outcome", number) if number else None
        if ended is not None:
            error, output = ended.data.get("error"), ended.data.get("output") or {}
            status = ended.data["status"]
            self.names.settle(path, step.id, {"status": status, "output": {} if error else output, "error": error})
            if isinstance(step.body, SetVariables) and status == "succeeded":
                self.names.vars.update(output)
        elif outcome is not None and outcome.data["result"] == "done":
            self._done(step, path, outcome.data)
        self._retrace(step, path)
        if isinstance(step.on_failure, tuple):
            for handler in step.on_failure:
                self._retrace_step(handler, f"{path}/on_failure/{handler.segment}")

    def _record(self, path: str, kind: FactKind, data: Mapping[str, Any], attempt: int = 0) -> Fact:
        fact = Fact(path, kind, attempt, self.history.now, data)
        self.history.add(fact)
        self.round.facts.append(fact)
        return fact

    def _scope(self, frame: Frame) -> dict[str, Any]:
        return self.names.scope(now=self.history.now, error=frame.error)
