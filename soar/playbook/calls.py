"""`action:` of a step, with its parameters, its retries and its way back."""

from __future__ import annotations

from typing import Any, Final

from soar.expression import CompiledValue, compile_value
from soar.model.playbook import Action, Retry, UndoRule
from soar.playbook import keys
from soar.playbook.reading import Reading, said
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode

_EMPTY: Final = compile_value({})


def map_value(reading: Reading, node: Node | None, what: str) -> CompiledValue:
    """A map of names and values."""
    if node is None:
        return _EMPTY
    if not isinstance(node, MapNode):
        reading.note(node, f"{what!r} must be a map of names and values, not {said(node)}", "write name: value")
        return _EMPTY
    return reading.value(node, what) or _EMPTY


def read_action(reading: Reading, node: Node, fields: MapNode) -> Action:
    """One call through a connection."""
    connection, action = _name(reading, node, "action")
    return Action(
        connection,
        action,
        map_value(reading, fields.get("with"), "with"),
        _retry(reading, fields.get("retry")),
        _undo(reading, fields.get("undo")),
    )


def _name(reading: Reading, node: Node | None, what: str) -> tuple[str, str]:
    name = reading.text(node, what) or ""
    connection, dot, action = name.partition(".")
    if node is not None and name and not (dot and connection and action and "." not in action):
        remedy = "write connection.action, such as gateway.block_ip"
        reading.note(node, f"{name!r} names no action of a connection", remedy)
    return connection, action


def _retry(reading: Reading, node: Node | None) -> Retry:
    fields = reading.fields(node, keys.RETRY)
    if fields is None:
        return Retry()
    plain = Retry()
    bounds: Any = keys.RETRY.known["attempts"].kind
    backoff: Any = reading.choice(fields.get("backoff"), "backoff", ("fixed", "exponential"))
    return Retry(
        reading.whole(fields.get("attempts"), "attempts", bounds) or plain.attempts,
        reading.duration(fields.get("delay"), "delay") or plain.delay,
        backoff or plain.backoff,
    )


def _undo(reading: Reading, node: Node | None) -> UndoRule | None:
    """`never`, or after how long, and how."""
    if node is None:
        return None
    if isinstance(node, ScalarNode) and node.value == "never":
        return UndoRule(never=True)
    if isinstance(node, ListNode):
        message = "beside an action, 'undo' says when it is taken back, not which steps are"
        reading.note(node, message, "write undo: {after: 24h}, or make a step of its own of it")
        return None
    if isinstance(node, ScalarNode):
        remedy = "write undo: {after: 24h}, or undo: never"
        reading.note(node, f"undo must be a map or never, not {said(node)}", remedy)
        return None
    fields = reading.fields(node, keys.UNDO)
    if fields is None:
        return None
    after = reading.durations(fields.get("after"), "undo.after")
    reset = reading.duration(fields.get("reset"), "undo.reset")
    if reset is not None and len(after) < 2:
        place = fields.entries["reset"].location
        message = "'reset' has no meaning without a ladder"
        reading.source.note(place, message, "write after: [1h, 24h, 7d], or remove it")
    return _override(reading, fields, after, reset)


def _override(reading: Reading, fields: MapNode, after: tuple[float, ...], reset: float | None) -> UndoRule:
    """The rule, with the call of the author's own where there is one."""
    plain = UndoRule()
    if "action" not in fields.entries:
        return UndoRule(after, reset or plain.reset)
    connection, action = _name(reading, fields.get("action"), "undo.action")
    inputs = map_value(reading, fields.get("with"), "undo.with")
    return UndoRule(after, reset or plain.reset, connection=connection, action=action, inputs=inputs)
