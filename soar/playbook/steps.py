"""The steps of a playbook."""

from __future__ import annotations

from typing import Any, Literal

from soar.errors import Location
from soar.expression import compile_expression, compile_value
from soar.model.playbook import Action, Block, Body, Choice, Fail, Retry, SetVariables, Step, Stop, UndoRule
from soar.playbook import keys
from soar.playbook.reading import Later, Reading, said
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode

_BROKEN = compile_expression("true")
"""Stands where an expression could not be read; a playbook with problems never runs."""
_EMPTY = compile_value({})
_RESERVED = frozenset({"then", "else", "on_failure"})
"""What history calls the branches of a step: an id of that name would stand for two places at once."""


class StepReader:
    """Reads lists of steps, one file at a time, and knows which ids are taken."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self.named: dict[str, Location] = {}

    def read(self, node: Node | None, what: str) -> tuple[Step, ...]:
        """All steps of a list that could be read."""
        items = self._reading.items(node, what)
        steps = [self._step(item, place) for place, item in enumerate(items)]
        return tuple(step for step in steps if step is not None)

    def _step(self, node: Node, place: int) -> Step | None:
        fields = self._reading.fields(node, keys.STEP)
        if fields is None:
            return None
        step_id = self._id(fields.get("id"))
        body = self._body(fields)
        reading = self._reading
        step = Step(
            segment=step_id or f"@{place}",
            id=step_id,
            body=body or Block(()),
            location=fields.location,
            name=reading.text(fields.get("name"), "name"),
            when=reading.expression(fields.get("when"), "when"),
            timeout=reading.duration(fields.get("timeout"), "timeout"),
            on_failure=self._on_failure(fields.get("on_failure")),
        )
        return step if body is not None else None

    def _id(self, node: Node | None) -> str | None:
        word = self._reading.word(node, "the step's id")
        if word is None or node is None:
            return None
        if "." in word:
            self._reading.note(node, f"the step's id {word!r} holds a dot", "use letters, digits, '_' and '-'")
            return None
        if word in _RESERVED:
            remedy = f"take another id, such as {word}_step"
            self._reading.note(node, f"the step's id {word!r} is a word of the language", remedy)
            return None
        if word in self.named:
            first = self.named[word]
            message = f"the id {word!r} stands twice: in line {first.line} and in line {node.location.line}"
            self._reading.note(node, message, "give one of the steps another id")
            return word
        self.named[word] = node.location
        return word

    def _body(self, fields: MapNode) -> Body | None:
        present = [key for key in (*keys.BODIES, *keys.STEP.later) if key in fields.entries]
        running = [key for key in present if key in keys.BODIES]
        self._check_belonging(fields, running)
        if len(running) > 1:
            first, second = running[:2]
            location = fields.entries[second].location
            message = f"the step has both {first!r} and {second!r}; it can do only one thing"
            self._reading.source.note(location, message, "make two steps of it")
        elif not present and not self._undo_step(fields):
            message = f"the step does nothing: it has none of {', '.join(keys.BODIES)}"
            self._reading.note(fields, message, "add one of them")
        if not running:
            return None
        bodies = [self._read_body(key, fields) for key in running]
        return bodies[0]

    def _undo_step(self, fields: MapNode) -> bool:
        undo = fields.entries.get("undo")
        if undo is None:
            return False
        self._refuse(undo.location, "undo", keys.UNDO_STEP)
        return True

    def _check_belonging(self, fields: MapNode, running: list[str]) -> None:
        for key, owner in {**keys.BELONGS, "undo": "action"}.items():
            unused = key in fields.entries and owner not in fields.entries
            if unused and (key != "undo" or running):
                self._reading.source.note(
                    fields.entries[key].location,
                    f"{key!r} has no meaning without {owner!r}",
                    f"add {owner!r}, or remove it",
                )

    def _read_body(self, key: str, fields: MapNode) -> Body:
        reading = self._reading
        node = fields.entries[key].value
        if key == "action":
            return self._action(node, fields)
        if key == "set":
            return self._set(node)
        if key == "steps":
            return Block(self.read(node, "steps"))
        if key == "if":
            return self._choice(node, fields)
        reading.text(node, key)
        message = reading.value(node, key) or _EMPTY
        return Stop(message) if key == "stop" else Fail(message)

    def _action(self, node: Node, fields: MapNode) -> Action:
        name = self._reading.text(node, "action") or ""
        connection, dot, action = name.partition(".")
        if name and not (dot and connection and action and "." not in action):
            remedy = "write connection.action, such as gateway.block_ip"
            self._reading.note(node, f"{name!r} names no action of a connection", remedy)
        return Action(
            connection,
            action,
            self._map_value(fields.get("with"), "with"),
            self._retry(fields.get("retry")),
            self._undo(fields.get("undo")),
        )

    def _map_value(self, node: Node | None, what: str) -> Any:
        if node is None:
            return _EMPTY
        if not isinstance(node, MapNode):
            self._reading.note(
                node, f"{what!r} must be a map of names and values, not {said(node)}", "write name: value"
            )
            return _EMPTY
        return self._reading.value(node, what) or _EMPTY

    def _set(self, node: Node) -> SetVariables:
        if isinstance(node, MapNode):
            if not node.entries:
                self._reading.note(node, "'set' sets nothing", "write name: value")
            for name, entry in node.entries.items():
                if not name.isidentifier():
                    message = f"{name!r} cannot be read as vars.{name}"
                    self._reading.source.note(entry.location, message, "use letters, digits and '_'")
        return SetVariables(self._map_value(node, "set"))

    def _choice(self, node: Node, fields: MapNode) -> Choice:
        if "then" not in fields.entries:
            self._reading.note(fields, "'if' has no 'then'", "add then: with a list of steps")
        return Choice(
            self._reading.expression(node, "if") or _BROKEN,
            self.read(fields.get("then"), "then"),
            self.read(fields.get("else"), "else"),
        )

    def _retry(self, node: Node | None) -> Retry:
        fields = self._reading.fields(node, keys.RETRY)
        if fields is None:
            return Retry()
        plain = Retry()
        backoff: Any = self._reading.choice(fields.get("backoff"), "backoff", ("fixed", "exponential"))
        return Retry(
            self._reading.whole(fields.get("attempts"), "attempts", 1, 100) or plain.attempts,
            self._reading.duration(fields.get("delay"), "delay") or plain.delay,
            backoff or plain.backoff,
        )

    def _undo(self, node: Node | None) -> UndoRule | None:
        if node is None:
            return None
        if isinstance(node, ScalarNode) and node.value == "never":
            self._refuse(node.location, "undo: never", keys.UNDO_NEVER)
            return None
        fields = self._reading.fields(node, keys.ACTION_UNDO)
        after = fields.get("after") if fields else None
        if isinstance(after, ListNode):
            self._refuse(after.location, "a ladder of durations", keys.UNDO_LADDER)
            return None
        seconds = self._reading.duration(after, "undo.after")
        return UndoRule((seconds,)) if seconds else None

    def _refuse(self, location: Location, what: str, later: Later) -> None:
        message = f"{what} is not carried out by this version, and ignoring it would {later.danger}"
        self._reading.source.note(location, message, later.remedy)

    def _on_failure(self, node: Node | None) -> Literal["fail", "continue"] | tuple[Step, ...]:
        if node is None:
            return "fail"
        if isinstance(node, ScalarNode):
            found: Any = self._reading.choice(node, "on_failure", ("fail", "continue"))
            return found or "fail"
        return self.read(node, "on_failure")
