"""Where an action stands: to be called, tried again, asked about, cut, or done (S17, S19-S22)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soar.engine.guard import ask, inputs_shown, withdraw
from soar.engine.retries import pause_after
from soar.engine.round import Ask, Error, Given, Run, Shown, Wait
from soar.engine.walk import RESTING, Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.model.approval import ApprovalRule, Approvers
from soar.model.execution import Fact
from soar.model.playbook import Action, Step


def action(walk: Walk, step: Step, body: Action, path: str, inner: Frame, outer: Frame) -> Flow:
    """One call, from its values to its end."""
    return _Call(walk, step, body, path, inner, outer).flow()


class _Call:
    def __init__(self, walk: Walk, step: Step, body: Action, path: str, inner: Frame, outer: Frame) -> None:
        self.walk, self.history = walk, walk.history
        self.step, self.body, self.path = step, body, path
        self.inner, self.outer = inner, outer

    def flow(self) -> Flow:
        number = self.history.tries(self.path)
        outcome = self.history.get(self.path, "outcome", number) if number else None
        if outcome is None:
            return self._call(max(number, 1))
        data = outcome.data
        if data["result"] == "done":
            return self.walk.done(self.step, self.path, data.get("output") or {}, self.outer)
        if data["result"] == "refused":
            return self._fail(data.get("error_kind") or "refused", data.get("message", ""))
        answered = self.history.get(self.path, "answered", number)
        if answered is not None:
            return self._answered(number, answered)
        if self.inner.cut is not None:
            return self._cut(number, data, self.inner.cut)
        return self._again(number, outcome)

    def _fail(self, kind: str, message: str) -> Flow:
        return self.walk.fail(self.step, self.path, kind, message, self.outer)

    # -- calling ------------------------------------------------------------------------------

    def _call(self, number: int) -> Flow:
        """The call that should be under way: with its inputs, and what time it has left."""
        written = self.history.get(self.path, "attempt", number) is not None
        cut = self.inner.cut
        if not written and cut is not None:
            return self._cut_unsent(cut)
        if not written and self.inner.held:
            return RESTING
        try:
            approvals = self._approvals(written=written)
            if isinstance(approvals, Flow):
                return approvals
            inputs = self._inputs(approvals)
            undo = self._undo_inputs()
        except ExpressionFailed as failure:
            return self._fail("expression", str(failure))
        due = self.inner.due
        left = None if due is None else max(due - self.history.now, 0) / 1000
        demand = self.history.last(self.path, "demanded")
        self.walk.round.runs.append(Run(self.path, number, self.body, inputs, left, cut, approvals, undo, demand))
        return RESTING

    def _undo_inputs(self) -> Mapping[str, Any]:
        rule = self.body.undo
        if rule is None or rule.inputs is None:
            return {}
        scope = self.inner.names.scope(now=self.history.rendered_at(self.path), error=self.outer.error)
        inputs: Mapping[str, Any] = rule.inputs.render(scope)
        return inputs

    def _cut_unsent(self, cut: Error) -> Flow:
        """Nothing is under way at a system; what people were asked needs no answer."""
        lacking = self.history.get(self.path, "lacking", 1)
        if lacking is not None:
            cut = {**cut, "message": f"{cut['message']}; {lacking.data['reason']}"}
        withdraw(self.walk, self.path, cut)
        withdraw(self.walk, f"{self.path}/guardrail", cut)
        return self.walk.cut_short(self.step, self.path, cut, self.outer)

    def _inputs(self, approvals: tuple[Given, ...]) -> Mapping[str, Any]:
        inputs = self.history.rendered(self.path)
        if inputs is None:
            scope = self.inner.names.scope(now=self.history.rendered_at(self.path), error=self.outer.error)
            inputs = inputs_shown(self.body, approvals, self.path, self.inner, scope)
            self.history.keep_rendered(self.path, inputs)
        return inputs

    # -- approvals ----------------------------------------------------------------------------

    def _approvals(self, *, written: bool) -> tuple[Given, ...] | Flow:
        """The approvals it goes out under; where it rests when there is something to ask first."""
        given = tuple(one for one in self.inner.guards if one.item(self.path) is not None)
        nearest = given[0].item(self.path) if given else None
        if nearest is not None and nearest.get("asks_again") and given[0].path != self.path:
            again = self._asked(self.path, given[0].rule, given, written=written)
            if isinstance(again, Flow):
                return again
            given = (again, *given)
        number = self.history.last(self.path, "demanded")
        if number:
            demand = self.history.get(self.path, "demanded", number)
            assert demand is not None
            met = self._asked(f"{self.path}/guardrail", _rule_of(demand), given, number, written=written)
            if isinstance(met, Flow):
                return met
            given = (met, *given)
        return given

    def _asked(
        self, place: str, rule: ApprovalRule, given: tuple[Given, ...], least: int = 1, *, written: bool
    ) -> Given | Flow:
        def items() -> tuple[Shown, ...]:
            return (Shown(self.path, self.body, self._inputs(given), {}),)

        answer = ask(self.walk, place, rule, items, self.inner, least)
        if isinstance(answer, Given):
            return answer
        if answer == "rejected" and not written:
            return self.walk.end(self.step, self.path, "rejected", self.outer)
        return RESTING

    # -- after a try --------------------------------------------------------------------------

    def _again(self, number: int, outcome: Fact) -> Flow:
        """Not done: try again after a pause, ask a person, or give up (S17, S21)."""
        data = outcome.data
        unknown = data["result"] == "unknown"
        if number >= self.body.retry.attempts or (unknown and not data.get("repeatable")):
            if unknown:
                self._put_question(number, data)
                self.walk.round.awaits.add("person")
                return RESTING
            tried = f" (tried {number} times)" if number > 1 else ""
            return self._fail(data.get("error_kind") or "unavailable", f"{data.get('message', '')}{tried}")
        if not data.get("at_once") and self.history.get(self.path, "due", number) is None:
            key = f"{self.history.execution.id}/{self.path}"
            pause = pause_after(self.body.retry, number, data.get("retry_after"), key)
            self.walk.round.waits.append(Wait(self.path, number, outcome.at + pause))
            return RESTING
        return self._call(number + 1)

    def _put_question(self, number: int, data: Mapping[str, Any]) -> None:
        if self.history.get(self.path, "asked", number) is None:
            message = data.get("message") or "no answer came"
            self.walk.record(self.path, "asked", {"message": message}, number)
            self.walk.round.asks.append(Ask(self.path, number, self.body.name, message))

    def _answered(self, number: int, answered: Fact) -> Flow:
        answer = answered.data["answer"]
        if answer == "happened":
            return self.walk.end(self.step, self.path, "succeeded", self.outer)
        if answer == "again" and self.inner.cut is None:
            return self._call(number + 1)
        message = f"nobody can tell whether it happened; {answered.data.get('by', 'a person')} gave it up"
        return self._fail("outcome_unknown", message)

    def _cut(self, number: int, data: Mapping[str, Any], cut: Error) -> Flow:
        """Its time is over. What cannot be told stays a question beside the execution (S22)."""
        if data["result"] != "unknown":
            return self.walk.cut_short(self.step, self.path, cut, self.outer)
        self._put_question(number, data)
        return self.walk.cut_short(self.step, self.path, cut, self.outer, status="outcome_unknown")


def _rule_of(demand: Fact) -> ApprovalRule:
    """The request that a guardrail's demand makes (S27)."""
    data, approvers = demand.data, demand.data["approvers"]
    excluded: Any = tuple(approvers["excluded"])
    return ApprovalRule(
        message=_Plain(str(data["reason"])),
        approvers=Approvers(
            groups=tuple(approvers["groups"]),
            roles=tuple(approvers["roles"]),
            users=tuple(approvers["users"]),
            required=approvers["required"],
            excluded=excluded,
        ),
        timeout=data["timeout"],
        notify=tuple(data["notify"]),
    )


class _Plain:
    """Text that is no template."""

    def __init__(self, text: str) -> None:
        self.source = text

    def render(self, scope: Mapping[str, Any]) -> str:  # noqa: ARG002 # the protocol's: plain text needs no names
        return self.source
