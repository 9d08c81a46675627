"""What is asked before a changing call goes out: the stop switches, its approvals, policy, budgets (S19, S26, S27)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from soar.clock import Millis
from soar.engine.round import Given, Run
from soar.engine.stops import StopSwitches
from soar.model.action import ActionSpec, Connections, Prepared
from soar.model.execution import Execution, Fact
from soar.model.policy import Demand, Judgement, PolicyView, Proposal
from soar.store.units import Reserve


@dataclass(frozen=True, slots=True)
class Halt:
    """The call cannot be made now: a stop switch holds it, or nobody is there to make it."""

    reason: str
    zone: bool = False
    """Its zone has no live worker (S44): looked at again soon, without anybody's word."""


@dataclass(frozen=True, slots=True)
class Cleared:
    """The call may go out, and counts against these budgets."""

    reserves: tuple[Reserve, ...] = ()
    judgement: Judgement | None = None


class NoPolicy:
    """Everything is allowed: for tests of what lies above the guardrails."""

    digest = ""

    def judge(self, proposal: Proposal) -> Judgement:  # noqa: ARG002
        return Judgement("allowed")

    def over_budget(self, proposal: Proposal, budget: str) -> Demand:
        raise AssertionError(f"{proposal.name}: there is no budget {budget}")

    def default_undo_after(self, proposal: Proposal) -> tuple[float, ...]:  # noqa: ARG002
        return ()


@dataclass(slots=True)
class Guardrails:
    """Everything below the playbooks that can hold a call back."""

    policy: PolicyView = field(default_factory=NoPolicy)
    """The rules of this moment: a reload puts new ones here, and the next call is judged by them."""
    stops: StopSwitches = field(default_factory=StopSwitches)
    lacking: Callable[[str], str | None] = lambda _connection: None
    """Why nobody can make calls through a connection now; None where somebody can."""


class Clearance:
    """The guardrails as they bear on one execution's calls."""

    def __init__(
        self, guardrails: Guardrails, connections: Connections, execution: Execution, alert: Mapping[str, Any]
    ) -> None:
        self._guardrails = guardrails
        self._connections = connections
        self._execution = execution
        self._alert = alert
        title = alert.get("title")
        self.title = title if isinstance(title, str) else None
        """The alert's, for the board."""

    @property
    def _policy(self) -> PolicyView:
        return self._guardrails.policy

    def halted(self, connection: str) -> Halt | None:
        """Whether a stop switch holds calls through that connection, or its zone has nobody to make them."""
        reason = self._guardrails.stops.reason(connection, self._execution.playbook_id)
        if reason is not None:
            return Halt(reason)
        lacking = self._guardrails.lacking(connection)
        return None if lacking is None else Halt(lacking, zone=True)

    def proposal(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> Proposal:
        return Proposal(
            name=run.action.name,
            spec=spec,
            inputs=run.inputs,
            target=target_of(run, prepared),
            alert=self._alert,
            playbook_id=self._execution.playbook_id,
            requester=self._execution.actor,
            at=at,
            containing=spec.undo is not None or (run.action.undo is not None and run.action.undo.action is not None),
        )

    def check(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> Cleared | Fact:
        """Cleared, or the fact that says what comes first: a refusal, a demand, an approval that no longer holds."""
        void = self._voided(run, at)
        if void is not None:
            return void
        proposal = self.proposal(run, spec, prepared, at)
        judgement = self._policy.judge(proposal)
        if judgement.verdict == "forbidden":
            return _refusal(run, prepared, "; ".join(judgement.reasons) or "policy forbids it", at)
        if judgement.demand is not None and not any(_meets(judgement.demand, given, run) for given in run.approvals):
            return demanded(run, judgement.demand, at)
        reserves = tuple(
            Reserve(
                budget=claim.budget,
                path=run.path,
                attempt=run.attempt,
                limit=claim.limit,
                window=claim.window,
                resume_at=claim.resume_at,
                at=at,
                forced=self._may_exceed(proposal, claim.budget, run),
            )
            for claim in judgement.budgets
        )
        return Cleared(reserves, judgement)

    def judged(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> Judgement:
        """What policy says, for a dry run or a shadow to show."""
        return self._policy.judge(self.proposal(run, spec, prepared, at))

    def over_budget(self, run: Run, spec: ActionSpec, prepared: Prepared, budget: str, at: Millis) -> Fact:
        """Over budget is a question, and a failure only where policy says so."""
        demand = self._policy.over_budget(self.proposal(run, spec, prepared, at), budget)
        if demand is None:
            return _refusal(run, prepared, f"the budget '{budget}' is full, and it refuses what is over it", at)
        return demanded(run, demand, at)

    def _may_exceed(self, proposal: Proposal, budget: str, run: Run) -> bool:
        """Whether enough people said yes to this very value, so that a full budget need not ask again (S27)."""
        if not run.approvals:
            return False
        demand = self._policy.over_budget(proposal, budget)
        return demand is not None and any(_meets(demand, given, run) for given in run.approvals)

    def undo_after(self, run: Run, spec: ActionSpec, prepared: Prepared, at: Millis) -> tuple[float, ...]:
        """When the containment lifts itself: as the playbook says, else as policy does."""
        rule = run.action.undo
        if rule is not None and (rule.never or rule.after):
            return () if rule.never else rule.after
        return self._policy.default_undo_after(self.proposal(run, spec, prepared, at))

    def _voided(self, run: Run, at: Millis) -> Fact | None:
        """An approval was for another connector or another address than the call would go to now (S26)."""
        for given in run.approvals:
            item = given.item(run.path)
            if item is None or "fingerprint" not in item:
                continue
            if item["fingerprint"] != self._connections.fingerprint(run.action.connection):
                reason = f"the connection '{run.action.connection}' is no longer the one that was shown"
                return Fact(given.path, "voided", given.round, at, {"reason": reason})
        return None


def target_of(run: Run, prepared: Prepared) -> str | None:
    """What a call contains. Where the playbook says the way back, two that are taken back alike contain the same."""
    rule = run.action.undo
    if prepared.target is not None or rule is None or rule.action is None:
        return prepared.target
    words = [one if isinstance(one, str) else json.dumps(one, sort_keys=True) for one in run.undo_inputs.values()]
    text = " ".join(words)
    return text if len(text) <= 200 else f"{text[:160]} {hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _refusal(run: Run, prepared: Prepared, message: str, at: Millis) -> Fact:
    """A guardrail's no: the step fails, and nothing has left."""
    data = {"result": "refused", "sent": False, "message": message, "error_kind": "guardrail"}
    return Fact(run.path, "outcome", run.attempt, at, data | {"input": prepared.masked_inputs})


def demanded(run: Run, demand: Demand, at: Millis) -> Fact:
    """The fact that a person must say yes first."""
    approvers = demand.approvers
    data = {
        "reason": demand.reason,
        "timeout": demand.timeout,
        "notify": list(demand.notify),
        "approvers": {
            "groups": list(approvers.groups),
            "roles": list(approvers.roles),
            "users": list(approvers.users),
            "required": approvers.required,
            "excluded": list(approvers.excluded),
        },
    }
    return Fact(run.path, "demanded", run.demand + 1, at, data)


def _meets(demand: Demand, given: Given, run: Run) -> bool:
    """Whether an approval that listed this very call, with its values, had the quorum that is demanded (S27)."""
    item = given.item(run.path)
    if item is None or item.get("open"):
        return False
    enough = given.request["required"] >= demand.approvers.required
    return enough and set(demand.approvers.excluded) <= set(given.request["excluded"])
