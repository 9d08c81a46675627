"""What policy says to one call: the protected ones, risk and ways back, the alert's weight, budgets."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from typing import Any, Final

import orjson

from soar.model.action import Risk
from soar.model.approval import Approvers
from soar.model.policy import BudgetClaim, Demand, Judgement, Proposal, Verdict
from soar.model.severity import RANKS
from soar.policy.file import CLASSES, ActionRule, Budget, Minimum
from soar.policy.load import Rules, approvers_of

_ORDER: Final[tuple[Verdict, ...]] = ("allowed", "approval", "two", "forbidden")
_STRICTEST_KNOWN: Final[Verdict] = "approval"
"""Where the matrix says nothing."""


@dataclass(frozen=True, slots=True)
class _Said:
    """What the rules say of one action, key by key."""

    risk: Risk
    verdict: Verdict
    four_eyes: bool
    host_names: bool
    counts_as: str
    undo_after: tuple[float, ...]
    reasons: tuple[str, ...]


class Policy:
    """The policy in force: pure, the same call gives the same judgement."""

    def __init__(self, rules: Rules) -> None:
        self.rules = rules
        material = [rules.file.model_dump(mode="json", by_alias=True), rules.own.hosts]
        self._digest = hashlib.sha256(orjson.dumps(material, option=orjson.OPT_SORT_KEYS)).hexdigest()

    @property
    def digest(self) -> str:
        return self._digest

    def judge(self, proposal: Proposal) -> Judgement:
        """Whether this call may go out."""
        if not proposal.spec.changes:
            return Judgement("allowed")
        said = self._said(proposal)
        objections = self._objections(proposal, said)
        if objections:
            return Judgement("forbidden", objections)
        verdict, reasons = said.verdict, list(said.reasons)
        if verdict == "allowed":
            reasons = []
        short = tuple(self._short(proposal, said))
        if short:
            verdict, reasons = _stricter(verdict, "approval"), [*reasons, *short]
        if said.four_eyes:
            verdict = _stricter(verdict, "approval")
            reasons.append("four eyes: neither who started it nor who wrote the playbook may say yes")
        if verdict == "forbidden":
            return Judgement("forbidden", tuple(reasons))
        demand = None if verdict == "allowed" else self._demand(proposal, said, verdict, reasons)
        return Judgement(verdict, tuple(reasons), demand, tuple(self._claims(proposal, said)))

    def over_budget(self, proposal: Proposal, budget: str) -> Demand | None:
        """The question for a full budget; None when it refuses instead."""
        said = self._said(proposal)
        for name, one in self._budgets(proposal, said):
            if _claimed(name, one, proposal) == budget and one.when_full == "refuse":
                return None
        return self._demand(proposal, said, "approval", [f"the budget '{budget}' is full"])

    def default_undo_after(self, proposal: Proposal) -> tuple[float, ...]:
        """When a containment lifts itself where its playbook says nothing."""
        return self._said(proposal).undo_after

    def may_approve_on_timeout(self, action: str) -> bool:
        """Whether a playbook may take silence for a yes."""
        return any(fnmatchcase(action, pattern) for pattern in self.rules.file.approve_on_timeout or ())

    # -- the parts of a judgement -------------------------------------------------------------

    def _said(self, proposal: Proposal) -> _Said:
        rules = [rule for rule in self.rules.file.actions if _fits(rule, proposal)]
        risk: Risk = _first(rules, "risk") or proposal.spec.risk
        row = getattr(self.rules.file.risk, risk)
        # What only the playbook calls a way back may lead nowhere: it makes no action milder.
        reverse = "irreversible" if proposal.spec.undo is None else "reversible"
        by_risk: Verdict = getattr(row, reverse) or _STRICTEST_KNOWN
        by_rule: Verdict | None = _first(rules, "verdict")
        why = next((rule.reason for rule in rules if rule.verdict is not None), "")
        told = f"a rule of the policy for {proposal.name}{f' ({why})' if why else ''}"
        reasons = (told if by_rule is not None else f"{proposal.name} is of {risk} risk and {reverse}",)
        counts_as: str | None = _first(rules, "counts_as")
        if counts_as is None:
            contains = "containing" if proposal.containing else "guarded"
            counts_as = "notifying" if risk == "low" and not proposal.containing else contains
        return _Said(
            risk,
            by_rule or by_risk,
            bool(_first(rules, "four_eyes")),
            bool(_first(rules, "host_names")),
            counts_as,
            _first(rules, "undo_after") or (),
            reasons,
        )

    def _objections(self, proposal: Proposal, said: _Said) -> tuple[str, ...]:
        """Protected ones are held against what could hurt them; telling somebody about them is no harm (I06)."""
        if said.counts_as == "notifying":
            return ()
        containing = said.counts_as == "containing"
        return self.rules.protection.objections(proposal, containing=containing, host_names=said.host_names)

    def _short(self, proposal: Proposal, said: _Said) -> Iterator[str]:
        """What of the alert is too little for this action."""
        for name, minimum in self.rules.file.minimum.items():
            if minimum is not None and _selected(minimum.for_, proposal, said):
                for told in _too_little(minimum, proposal.alert):
                    yield f"{told} (minimum '{name}')"

    def _demand(self, proposal: Proposal, said: _Said, verdict: Verdict, reasons: list[str]) -> Demand:
        asking = self.rules.file.approval
        assert asking.approvers is not None, "the shipped file names approvers"
        assert asking.timeout is not None, "the shipped file says how long a question stands"
        approvers = approvers_of(asking.approvers)
        if verdict == "two":
            approvers = replace(approvers, required=max(2, approvers.required))
        if said.four_eyes:
            approvers = Approvers(
                approvers.groups, approvers.roles, approvers.users, approvers.required, ("requester", "author")
            )
        reason = "; ".join(reasons) or proposal.name
        return Demand(reason, approvers, asking.timeout, asking.notify or ())

    def _budgets(self, proposal: Proposal, said: _Said) -> Iterator[tuple[str, Budget]]:
        for name, budget in self.rules.file.budgets.items():
            if budget is not None and _selected(budget.for_, proposal, said):
                yield name, budget

    def _claims(self, proposal: Proposal, said: _Said) -> Iterator[BudgetClaim]:
        for name, budget in self._budgets(proposal, said):
            yield BudgetClaim(_claimed(name, budget, proposal), budget.limit, budget.window, budget.resumes_at)


def _fits(rule: ActionRule, proposal: Proposal) -> bool:
    named = any(fnmatchcase(proposal.name, pattern) for pattern in rule.action)
    return named and rule.connector in (None, proposal.spec.connector)


def _first(rules: list[ActionRule], key: str) -> Any:
    """The first rule that says something wins, key by key."""
    return next((found for rule in rules if (found := getattr(rule, key)) is not None), None)


def _selected(selectors: tuple[str, ...], proposal: Proposal, said: _Said) -> bool:
    classes = {"changing", said.counts_as} | ({"guarded"} if said.counts_as == "containing" else set())
    return any(one in classes if one in CLASSES else fnmatchcase(proposal.name, one) for one in selectors)


def _claimed(name: str, budget: Budget, proposal: Proposal) -> str:
    """A budget's name with what it is counted by."""
    connection = proposal.name.partition(".")[0]
    match budget.per:
        case "connection":
            return f"{name}/{connection}"
        case "playbook":
            return f"{name}/{proposal.playbook_id}"
        case "channel":
            return f"{name}/{connection}/{str(proposal.inputs.get('channel', ''))[:200]}"
    return name


def _too_little(minimum: Minimum, alert: Any) -> Iterator[str]:
    if minimum.severity is not None:
        word = alert.get("severity") or "unknown"
        if word == "unknown":
            if minimum.when_missing == "ask":
                yield "the alert says no severity"
        elif RANKS.get(word, 0) < RANKS[minimum.severity]:
            yield f"the alert's severity is {word}, below {minimum.severity}"
    for key, least in (("confidence", minimum.confidence), ("risk_score", minimum.risk_score)):
        if least is None:
            continue
        value = alert.get(key)
        if value is None:
            if minimum.when_missing == "ask":
                yield f"the alert says no {key}"
        elif value < least:
            yield f"the alert's {key} is {value:g}, below {least:g}"


def _stricter(one: Verdict, other: Verdict) -> Verdict:
    return max(one, other, key=_ORDER.index)
