"""The nouns as the API shows them: plain data, instants as RFC 3339."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from soar.clock import rfc3339
from soar.ids import derived_id
from soar.model.alert import Match
from soar.model.approval import Approval, Vote
from soar.model.containment import Containment, Hold
from soar.model.execution import Execution, Question, StepExecution
from soar.model.message import Message
from soar.model.playbook import Playbook
from soar.model.review import Review
from soar.model.severity import SEVERITIES
from soar.model.switch import Switch
from soar.store import AlertSummary, AuditEntry, BudgetView, StoredAlert


def severity(rank: int | None) -> str | None:
    """The word of a severity's rank."""
    return None if rank is None or not 0 <= rank < len(SEVERITIES) else SEVERITIES[rank]


def alert_line(alert: AlertSummary) -> dict[str, Any]:
    """One alert in a list."""
    return {
        "id": alert.id,
        "source": alert.source,
        "source_ref": alert.source_ref,
        "state": alert.state,
        "received_at": rfc3339(alert.received_at),
        "severity": severity(alert.severity_id),
        "severity_id": alert.severity_id,
        "title": alert.title,
        "rule_id": alert.rule_id,
        "src_ip": alert.src_ip,
        "user": alert.user,
        "duplicates": alert.duplicates,
        "error": alert.error,
    }


def alert_whole(stored: StoredAlert) -> dict[str, Any]:
    """One alert with all its fields; without them while it waits and when it is a dead letter."""
    fields = stored.alert.model_dump(mode="json") if stored.alert else {}
    return fields | {
        "id": stored.id,
        "source": stored.source,
        "state": stored.state,
        "received_at": rfc3339(stored.received_at),
        "duplicates": stored.duplicates,
        "error": stored.error,
        "catalog_digest": stored.catalog_digest,
    }


def match(found: Match) -> dict[str, Any]:
    """Why one playbook did or did not fire."""
    return {
        "playbook_id": found.playbook_id,
        "playbook_digest": found.playbook_digest,
        "outcome": found.outcome,
        "trace": found.trace,
    }


def execution(one: Execution) -> dict[str, Any]:
    """One execution without its steps."""
    return {
        "id": one.id,
        "kind": one.kind,
        "status": one.state,
        "awaiting": one.awaiting,
        "playbook_id": one.playbook_id,
        "playbook_digest": one.playbook_digest,
        "alert_id": one.alert_id,
        "containment_id": one.containment_id,
        "severity": severity(one.severity_id),
        "actor": one.actor,
        "opened_at": rfc3339(one.opened_at),
        "started_at": rfc3339(one.started_at),
        "finished_at": rfc3339(one.finished_at),
        "due_at": rfc3339(one.due_at),
        "deadline_at": rfc3339(one.deadline_at),
        "error": one.error,
        "message": one.message,
        "mode": one.mode,
        "priority": one.priority,
        "parent_id": one.parent_id,
        "parent_path": one.parent_path,
        "rerun_of": one.rerun_of,
        "inputs": one.inputs,
        "outputs": one.outputs,
    }


def lineage(children: Iterable[Execution], reruns: Iterable[Execution]) -> dict[str, Any]:
    """What an execution led to: its sub-playbooks, and what was run again of it."""
    return {
        "children": [_relative(one) | {"path": one.parent_path} for one in children if one.kind == "run"],
        "reruns": [_relative(one) for one in reruns],
    }


def _relative(one: Execution) -> dict[str, Any]:
    return {"id": one.id, "playbook_id": one.playbook_id, "status": one.state}


def steps(found: Iterable[StepExecution]) -> list[dict[str, Any]]:
    """The steps of an execution."""
    return [_step(step) for step in found]


def _step(step: StepExecution) -> dict[str, Any]:
    segment = step.path.rpartition("/")[2]
    return {
        "path": step.path,
        "id": None if segment.startswith("@") else segment,
        "kind": step.kind,
        "status": step.status,
        "action": step.action,
        "started_at": rfc3339(step.started_at),
        "ended_at": rfc3339(step.ended_at),
        "input": step.input,
        "output": step.output,
        "error": step.error,
        "attempts": [
            {
                "number": attempt.number,
                "state": attempt.state,
                "started_at": rfc3339(attempt.started_at),
                "ended_at": rfc3339(attempt.ended_at),
                "message": attempt.message,
                "key": attempt.key,
                "simulated": attempt.simulated,
                "guardrail": attempt.guardrail,
            }
            for attempt in step.attempts
        ],
    }


def containment(one: Containment) -> dict[str, Any]:
    """One entry of the ledger, with who holds it."""
    return {
        "id": one.id,
        "status": one.state,
        "connection": one.connection,
        "action": one.action,
        "undo": one.family,
        "target": one.target,
        "started_at": rfc3339(one.started_at),
        "expires_at": rfc3339(one.expires_at),
        "ended_at": rfc3339(one.ended_at),
        "round": one.round,
        "playbook_id": one.playbook_id,
        "alert_id": one.alert_id,
        "reason": one.reason,
        "lifted_by": one.lifted_by,
        "lift_reason": one.lift_reason,
        "lift_id": lift_id(one),
        "rung": one.rung,
        "missing_since": rfc3339(one.missing_since),
        "checked_at": rfc3339(one.checked_at),
        "holds": [_hold(hold) for hold in one.holds],
    }


def lift_id(one: Containment) -> str | None:
    """The execution of its last lift, which tells what became of it."""
    return derived_id(one.id, "lift", one.round) if one.round else None


def _hold(hold: Hold) -> dict[str, Any]:
    return {
        "id": hold.id,
        "execution_id": hold.execution_id,
        "path": hold.path,
        "state": hold.state,
        "expires_at": rfc3339(hold.expires_at),
    }


def question(one: Question) -> dict[str, Any]:
    """An outcome only a person can tell."""
    return {
        "id": one.id,
        "status": one.state,
        "execution_id": one.execution_id,
        "path": one.path,
        "attempt": one.attempt,
        "action": one.action,
        "message": one.message,
        "opened_at": rfc3339(one.opened_at),
        "answer": one.answer,
        "answered_by": one.answered_by,
        "answered_at": rfc3339(one.answered_at),
        "reason": one.reason,
    }


def approval(one: Approval) -> dict[str, Any]:
    """A request to people, with what they said."""
    return {
        "id": one.id,
        "status": one.state,
        "execution_id": one.execution_id,
        "playbook_id": one.playbook_id,
        "path": one.path,
        "round": one.round,
        "message": one.message,
        "shown": [dict(item) for item in one.shown],
        "digest": one.digest,
        "approvers": {
            "groups": list(one.approvers.groups),
            "roles": list(one.approvers.roles),
            "users": list(one.approvers.users),
            "required": one.approvers.required,
            "not": list(one.approvers.excluded),
        },
        "requester": one.requester,
        "asked_at": rfc3339(one.asked_at),
        "due_at": rfc3339(one.due_at),
        "on_timeout": one.on_timeout,
        "stage": one.stage,
        "stages": [{"to": list(stage.to), "timeout": stage.timeout} for stage in one.stages],
        "settled_at": rfc3339(one.settled_at),
        "settled_by": one.settled_by,
        "reason": one.reason,
        "votes": [_vote(vote) for vote in one.votes],
    }


def message(one: Message) -> dict[str, Any]:
    """Whether a channel has taken a request, or a line below one."""
    return {
        "kind": one.kind,
        "channel": one.destination,
        "stage": one.stage,
        "status": one.state,
        "tries": one.tries,
        "error": one.error,
        "at": rfc3339(one.at),
    }


def _vote(vote: Vote) -> dict[str, Any]:
    return {
        "person": vote.person,
        "decision": vote.decision,
        "at": rfc3339(vote.at),
        "channel": vote.channel,
        "reason": vote.reason,
        "break_glass": bool(vote.evidence.get("break_glass")),
    }


def review(one: Review) -> dict[str, Any]:
    """What one person approved alone, and what another one found."""
    return {
        "id": one.id,
        "status": one.state,
        "approval_id": one.approval_id,
        "execution_id": one.execution_id,
        "playbook_id": one.playbook_id,
        "message": one.message,
        "by": one.by,
        "reason": one.reason,
        "opened_at": rfc3339(one.opened_at),
        "closed_by": one.closed_by,
        "closed_at": rfc3339(one.closed_at),
        "finding": one.finding,
    }


def switch(one: Switch) -> dict[str, Any]:
    """A stop button."""
    return {"scope": one.scope, "by": one.by, "reason": one.reason, "at": rfc3339(one.at)}


def audit_entry(one: AuditEntry) -> dict[str, Any]:
    """One entry of the audit trail; number and hash come when it is chained."""
    return {
        "at": rfc3339(one.at),
        "actor": one.actor,
        "action": one.action,
        "subject": one.subject,
        "data": dict(one.data),
        "number": one.seq,
        "hash": one.hash,
    }


def budget(one: BudgetView) -> dict[str, Any]:
    """How much of a budget is used."""
    return {
        "budget": one.budget,
        "used": one.used,
        "limit": one.limit,
        "window": one.window,
        "full_since": rfc3339(one.full_since),
    }


def playbook(one: Playbook) -> dict[str, Any]:
    """A loaded playbook."""
    return {
        "id": one.id,
        "name": one.name,
        "description": one.description,
        "digest": one.digest,
        "file": one.location.file,
        "tags": list(one.tags),
        "sources": sorted(one.trigger.sources),
        "trigger": "match" if one.trigger.detection else "by hand",
        "timeout": one.timeout,
    }
