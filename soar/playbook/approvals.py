"""`approval:` of a step: the question, who may answer, and what no answer means."""

from __future__ import annotations

from typing import Any

from soar.expression import compile_value
from soar.model.approval import ApprovalRule, Approvers, Stage
from soar.playbook import keys
from soar.playbook.reading import Reading
from soar.playbook.source import MapNode, Node

_NO_MESSAGE = compile_value("")


def read_approval(reading: Reading, node: Node | None) -> ApprovalRule | None:
    """The rule; what is missing is noted, and never made up at run time."""
    fields = reading.fields(node, keys.APPROVAL)
    if fields is None:
        return None
    message = fields.get("message")
    reading.text(message, "approval.message")
    kind: Any = keys.APPROVAL.known["on_timeout"].kind
    on_timeout: Any = reading.choice(fields.get("on_timeout"), "approval.on_timeout", kind)
    return ApprovalRule(
        message=reading.value(message, "approval.message") or _NO_MESSAGE,
        approvers=_approvers(reading, fields.get("approvers")),
        timeout=reading.duration(fields.get("timeout"), "approval.timeout") or 0.0,
        notify=reading.texts(fields.get("notify"), "approval.notify"),
        remind=reading.duration(fields.get("remind"), "approval.remind"),
        escalate=_stages(reading, fields.get("escalate")),
        on_timeout=on_timeout or "reject",
    )


def _approvers(reading: Reading, node: Node | None) -> Approvers:
    fields = reading.fields(node, keys.APPROVERS)
    if fields is None:
        return Approvers()
    bounds: Any = keys.APPROVERS.known["required"].kind
    return Approvers(
        groups=_names(reading, fields, "group"),
        roles=_names(reading, fields, "role"),
        users=_names(reading, fields, "user"),
        required=reading.whole(fields.get("required"), "approvers.required", bounds) or 1,
        excluded=_excluded(reading, fields.get("not")),
    )


def _names(reading: Reading, fields: MapNode, key: str) -> tuple[str, ...]:
    """The names under `group` and `groups`, each once."""
    found = [reading.texts(fields.get(one), f"approvers.{one}") for one in (key, f"{key}s")]
    return tuple(dict.fromkeys([*found[0], *found[1]]))


def _excluded(reading: Reading, node: Node | None) -> tuple[Any, ...]:
    nodes = getattr(node, "items", (node,)) if node is not None else ()
    found = [reading.choice(item, "approvers.not", keys.EXCLUDED) for item in nodes]
    return tuple(dict.fromkeys(word for word in found if word))


def _stages(reading: Reading, node: Node | None) -> tuple[Stage, ...]:
    stages = []
    for item in reading.items(node, "approval.escalate"):
        fields = reading.fields(item, keys.STAGE)
        if fields is not None:
            to = reading.texts(fields.get("to"), "escalate.to")
            stages.append(Stage(to, reading.duration(fields.get("timeout"), "escalate.timeout") or 0.0))
    return tuple(stages)
