"""A request to people, as it is kept: every call with its values masked, and a digest that binds the answer to them."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from soar.clock import Millis
from soar.engine.round import AskApproval, Shown
from soar.errors import NotFound, Refused
from soar.ids import derived_id
from soar.model.action import ActionSpec, Connections, Prepared
from soar.model.approval import Approval, Stage
from soar.model.execution import Execution, Fact
from soar.model.playbook import UndoRule

SHOWN_LIMIT = 256 * 1024
"""Bytes of what one request shows (S8)."""


@dataclass(frozen=True, slots=True)
class Requests:
    """Puts requests of one execution in their kept form."""

    connections: Connections
    execution: Execution
    author: str | None
    mask: Callable[[Any], Any]

    def make(self, ask: AskApproval, at: Millis) -> tuple[Fact, Approval]:
        """The fact and the row: both are written in one unit."""
        identity = derived_id(self.execution.id, ask.path, "approval", ask.round)
        items = [self._item(shown) for shown in ask.items]
        approvers = ask.rule.approvers
        digest = _digest(items, ask)
        data = {
            "id": identity,
            "items": items,
            "digest": digest,
            "required": approvers.required,
            "excluded": list(approvers.excluded),
        }
        stages = (Stage(ask.rule.notify, ask.rule.timeout), *ask.rule.escalate)
        approval = Approval(
            id=identity,
            execution_id=self.execution.id,
            path=ask.path,
            round=ask.round,
            state="asking",
            message=self.mask(ask.message),
            shown=tuple(items),
            digest=digest,
            approvers=approvers,
            requester=self.execution.actor,
            asked_at=at,
            stages=stages,
            playbook_id=self.execution.playbook_id,
            author=self.author,
            due_at=at + round(stages[0].timeout * 1000),
            on_timeout=ask.rule.on_timeout,
            remind=ask.rule.remind,
        )
        return Fact(ask.path, "approval", ask.round, at, data), approval

    def _item(self, shown: Shown) -> dict[str, Any]:
        name = shown.action.name
        item: dict[str, Any] = {"path": shown.path, "action": name, "open": dict(shown.open)}
        try:
            spec = self.connections.spec(name)
        except NotFound as error:
            return item | {"values": self.mask(dict(shown.values)), "masked": False, "effect": str(error)}
        prepared = self._prepared(shown)
        values = dict(prepared.masked_inputs) if prepared else self.mask(dict(shown.values))
        masked = prepared.masked if prepared else values != dict(shown.values)
        target = prepared.target if prepared else None
        return item | {
            "values": values,
            "masked": masked,
            "target": target,
            "risk": spec.risk,
            "undo": _undo_words(shown.action.undo, spec),
            "effect": _effect(spec, target, shown),
            "asks_again": spec.changes and spec.undo is not None and target is None and bool(shown.open),
            "fingerprint": self.connections.fingerprint(shown.action.connection),
        }

    def _prepared(self, shown: Shown) -> Prepared | None:
        """The values checked; None while some are not known, or do not fit (the step itself will say so)."""
        known = not shown.open or set(_required(self.connections.spec(shown.action.name))) <= set(shown.values)
        if not known:
            return None
        try:
            return self.connections.prepare(shown.action.name, shown.values)
        except Refused:
            return None


def _required(spec: ActionSpec) -> tuple[str, ...]:
    return tuple(spec.params.get("required", ()))


def _effect(spec: ActionSpec, target: str | None, shown: Shown) -> str:
    """What would happen, for people: `Deny every request from one client address: 203.0.113.9`."""
    what = spec.summary.rstrip(".")
    if target is not None:
        return f"{what}: {target}"
    return f"{what} (the target is known later)" if spec.undo is not None and shown.open else what


def _undo_words(rule: UndoRule | None, spec: ActionSpec) -> str:
    if spec.undo is None and (rule is None or rule.action is None):
        return "cannot be taken back" if spec.changes else "changes nothing"
    if rule is not None and rule.after:
        return "lifts itself after " + ", then ".join(_seconds(after) for after in rule.after)
    return "stays until a person lifts it" if rule is not None and rule.never else "lifts as policy says"


def _seconds(seconds: float) -> str:
    for unit, size in (("d", 86_400), ("h", 3_600), ("m", 60)):
        if seconds >= size and seconds % size == 0:
            return f"{seconds / size:g}{unit}"
    return f"{seconds:g}s"


def _digest(items: list[dict[str, Any]], ask: AskApproval) -> str:
    """Over connection, action, values, open expressions, undo and quorum (S25)."""
    bound = [
        {name: item.get(name) for name in ("path", "action", "values", "open", "undo", "fingerprint")} for item in items
    ]
    approvers = ask.rule.approvers
    quorum = [approvers.required, approvers.groups, approvers.roles, approvers.users, approvers.excluded]
    material = orjson.dumps([bound, quorum], option=orjson.OPT_SORT_KEYS, default=str)
    return hashlib.sha256(material).hexdigest()


def too_large(fact: Fact) -> bool:
    """Whether what the request shows is more than anybody could judge, or the store should keep."""
    return len(orjson.dumps(_plain(fact.data), default=str)) > SHOWN_LIMIT


def _plain(data: Mapping[str, Any]) -> dict[str, Any]:
    return dict(data)
