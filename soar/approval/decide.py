"""A person's word on a request: whether they may say it, then the row that settles it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from soar.approval.glass import CLOSED, Glass
from soar.clock import Millis
from soar.errors import NotAllowed, RequestInvalid
from soar.model.approval import Approval, Approvers, Decision, Vote
from soar.playbook import Staff
from soar.store import Store

REASON_LIMIT: Final = 2_000


@dataclass(frozen=True, slots=True)
class Word:
    """What somebody says, and by which way it came."""

    person: str
    decision: Decision
    channel: str
    """`cli`, `api`, `web`, `slack`."""
    reason: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    """Raw ids of the channel, for auditors."""
    break_glass: bool = False
    """Approve at once and alone, as the policy lets certain roles; it is told, and reviewed by somebody else."""


async def decide(
    store: Store, staff: Staff, approval_id: str, word: Word, now: Millis, glass: Glass = CLOSED
) -> Approval:
    """Take a person's word in. `glass`: who may break it, as the policy says now.

    Raises:
        NotFound: there is no such request.
        NotAllowed: this person may not answer it; the message says why, and it stands in the audit trail.
        Conflict: it is settled, or this person has said something already.
        RequestInvalid: a no, or a broken glass, without a reason.
    """
    if word.break_glass:
        return await _break_glass(store, staff, approval_id, word, now, glass)
    if word.decision == "deny" and not word.reason.strip():
        raise RequestInvalid("a denial needs a reason: whoever reads the history wants to know why")
    found = await store.approvals.get(approval_id)
    reason = refusal(found, word.person, staff)
    if reason is not None:
        await store.approvals.refused(found, f"person:{word.person}", word.channel, reason, now, word.evidence)
        raise NotAllowed(f"approval {approval_id}: {reason}")
    vote = Vote(word.person, word.decision, now, word.channel, word.reason.strip()[:REASON_LIMIT], word.evidence)
    return await store.approvals.vote(approval_id, vote, now)


async def _break_glass(store: Store, staff: Staff, approval_id: str, word: Word, now: Millis, glass: Glass) -> Approval:
    """Quorum, approvers and four eyes are passed by; what guardrails forbid and stop buttons hold back is not asked."""
    said = word.reason.strip()[:REASON_LIMIT]
    if word.decision != "approve":
        raise RequestInvalid("breaking the glass is a yes: to deny, answer as everybody does")
    if not said:
        raise RequestInvalid("breaking the glass needs a reason: it is told, and somebody else looks at it")
    found = await store.approvals.get(approval_id)
    evidence = {**word.evidence, "break_glass": True}
    reason = glass.refusal(word.person, staff)
    if reason is not None:
        await store.approvals.refused(found, f"person:{word.person}", word.channel, reason, now, evidence)
        raise NotAllowed(f"approval {approval_id}: {reason}")
    vote = Vote(word.person, "approve", now, word.channel, said, evidence)
    announcements = glass.announcements(found, word.person, said, now)
    return await store.reviews.break_glass(approval_id, vote, announcements, now)


def refusal(approval: Approval, person: str, staff: Staff) -> str | None:
    """Why that person may not answer that request; None when they may."""
    if person not in staff.roles:
        return f"'{person}' is nobody in soar.yaml"
    if "requester" in approval.approvers.excluded and approval.requester in (f"person:{person}", f"cli:{person}"):
        return f"'{person}' has asked for it, and somebody else must answer (four eyes)"
    if "author" in approval.approvers.excluded and approval.author == person:
        return f"'{person}' has written the playbook, and somebody else must answer (four eyes)"
    if person not in staff.entitled(approval.approvers) | _added(approval, staff):
        return f"'{person}' is not among those who may answer: {described(approval.approvers)}"
    return None


def described(approvers: Approvers) -> str:
    """Who may answer, in words."""
    words = [("group", approvers.groups), ("role", approvers.roles), ("person", approvers.users)]
    named = [f"{kind} {name}" for kind, names in words for name in names]
    return ", ".join(named) or "everybody in soar.yaml"


def _added(approval: Approval, staff: Staff) -> frozenset[str]:
    """Those whom an escalation named; they may answer from their stage on, and those before them still may (S28)."""
    named = [name for stage in approval.stages[1 : approval.stage + 1] for name in stage.to if ":" not in name]
    members = {person for name in named for person in staff.groups.get(name, ())}
    holders = {person for person, roles in staff.roles.items() if not set(roles).isdisjoint(named)}
    return frozenset(members | holders | {name for name in named if name in staff.roles})
