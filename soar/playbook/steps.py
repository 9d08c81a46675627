"""The steps of a playbook: what all kinds have in common, and which kind each is."""

from __future__ import annotations

import re
from typing import Any, Final, Literal

from soar.errors import Location
from soar.model.playbook import AskApproval, Block, Body, Step
from soar.playbook import keys
from soar.playbook.approvals import read_approval
from soar.playbook.bodies import BodyReader
from soar.playbook.reading import Reading
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode

_RESERVED: Final = re.compile(keys.RESERVED)


class StepReader:
    """Reads lists of steps, one file at a time, and knows which ids are taken."""

    def __init__(self, reading: Reading) -> None:
        self._reading = reading
        self._bodies = BodyReader(reading, self.read)
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
            when=reading.condition(fields.get("when"), "when"),
            timeout=reading.duration(fields.get("timeout"), "timeout"),
            on_failure=self._on_failure(fields.get("on_failure")),
            approval=read_approval(reading, fields.get("approval")),
        )
        return step if body is not None else None

    def _id(self, node: Node | None) -> str | None:
        word = self._reading.word(node, "the step's id")
        if word is None or node is None:
            return None
        if "." in word:
            self._reading.note(node, f"the step's id {word!r} holds a dot", "use letters, digits, '_' and '-'")
            return None
        if _RESERVED.fullmatch(word):
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
        running = _running(fields)
        self._check_belonging(fields, running)
        if len(running) > 1:
            first, second = running[:2]
            location = fields.entries[second].location
            message = f"the step has both {first!r} and {second!r}; it can do only one thing"
            self._reading.source.note(location, message, "make two steps of it")
        elif not running:
            message = f"the step does nothing: it has none of {', '.join(keys.BODIES)}"
            self._reading.note(fields, message, "add one of them")
            return None
        bodies = [AskApproval() if key == "approval" else self._bodies.read(key, fields) for key in running]
        return bodies[0]

    def _check_belonging(self, fields: MapNode, running: list[str]) -> None:
        beside = next((key for key in running if key != "approval"), None)
        if "undo" in fields.entries and "undo" not in running and "action" not in fields.entries and running:
            self._misplaced(fields, "undo", "'action'")
        if "approval" in fields.entries and beside is not None and beside not in keys.GUARDED:
            place = fields.entries["approval"].location
            message = f"'approval' cannot guard {beside!r}"
            self._reading.source.note(place, message, f"put the step into a block: approval beside steps: [{beside}]")

    def _misplaced(self, fields: MapNode, key: str, owners: str) -> None:
        place = fields.entries[key].location
        self._reading.source.note(place, f"{key!r} has no meaning without {owners}", f"add {owners}, or remove it")

    def _on_failure(self, node: Node | None) -> Literal["fail", "continue"] | tuple[Step, ...]:
        if node is None:
            return "fail"
        if isinstance(node, ScalarNode):
            found: Any = self._reading.choice(node, "on_failure", ("fail", "continue"))
            return found or "fail"
        return self.read(node, "on_failure")


def _running(fields: MapNode) -> list[str]:
    """The keys of a step that say what it does; one that only serves another is left out."""
    present = [key for key in keys.BODIES if key in fields.entries]
    if "for_each" in present or "while" in present:
        present = [key for key in present if key != "steps"]
    if "undo" in present:
        others = [key for key in present if key not in ("undo", "approval")]
        if "action" in others or (others and not isinstance(fields.get("undo"), ListNode)):
            present.remove("undo")
    if "approval" in present and len(present) > 1:
        present.remove("approval")
    return present
