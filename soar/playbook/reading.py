"""Reading a tree with expectations: each getter notes what is wrong, and the reading goes on."""

from __future__ import annotations

import re
from collections.abc import Collection
from contextlib import suppress
from datetime import UTC, datetime
from typing import Final

from soar.clock import Millis, as_millis
from soar.errors import ExpressionFailed, ExpressionSyntax, Location
from soar.expression import CompiledExpression, CompiledValue, compile_expression, compile_value, near
from soar.playbook import keys
from soar.playbook.keys import Shape
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode, Source, below, plain_data, texts

_UNITS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
_DURATION = re.compile(keys.DURATION)
_LONGEST: Final = 3650 * 86_400
_MOMENT = re.compile(keys.MOMENT, re.ASCII)
_ZONELESS = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d{1,6})?)?", re.ASCII)
_WORD = re.compile(keys.WORD)


class Reading:
    """One file being read."""

    def __init__(self, source: Source) -> None:
        self.source = source
        self.names: tuple[str, ...] = ()
        """What `as` of the loops around calls the item, besides the names that expressions always have."""

    def note(self, node: Node, message: str, remedy: str = "") -> None:
        self.source.note(node.location, message, remedy)

    def fields(self, node: Node | None, shape: Shape) -> MapNode | None:
        """The map, with its keys checked; None when it is none."""
        if not isinstance(node, MapNode):
            if node is not None:
                self.note(node, f"{shape.what} must be a map, not {said(node)}", f"write keys such as {_some(shape)}")
            return None
        for key, entry in node.entries.items():
            if key not in shape.known:
                self._unknown_key(entry.location, key, shape)
        for key in shape.needed:
            if key not in node.entries:
                self.note(node, f"{shape.what} has no {key!r}", f"add {key!r}")
        if len(node.entries) < shape.least:
            self.note(node, f"{shape.what} says nothing", f"write keys such as {_some(shape)}")
        self._check_belonging(node, shape)
        return node

    def _check_belonging(self, node: MapNode, shape: Shape) -> None:
        for key, owners in shape.belongs.items():
            if key in node.entries and not any(owner in node.entries for owner in owners):
                named = " or ".join(map(repr, owners))
                message = f"{key!r} has no meaning without {named}"
                self.source.note(node.entries[key].location, message, f"add {named}, or remove it")
        present = [key for key in shape.needs_one if key in node.entries]
        if shape.needs_one and len(present) != 1:
            message = (
                f"{shape.what} has both {' and '.join(map(repr, present))}" if present else f"{shape.what} is empty"
            )
            self.note(node, message, f"write one of {', '.join(shape.needs_one)}")

    def _unknown_key(self, location: Location, key: str, shape: Shape) -> None:
        remedy = near(key, shape.known) or f"the keys here are {', '.join(sorted(shape.known))}"
        self.source.note(location, f"{shape.what} has no key {key!r}", remedy)

    def text(self, node: Node | None, what: str) -> str | None:
        """A text that is not empty."""
        if node is None:
            return None
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and node.value.strip():
            return node.value
        remedy = f"write '{node.text}' in quotes" if isinstance(node, ScalarNode) and node.text else "write a text"
        self.note(node, f"{what} must be a text, not {said(node)}", remedy)
        return None

    def word(self, node: Node | None, what: str) -> str | None:
        """A name: letters, digits, `_`, `-`, `.`."""
        text = self.text(node, what)
        if text is not None and node is not None and not _WORD.fullmatch(text):
            self.note(node, f"{what}: {said(node)} is no name", "use letters, digits, '_' and '-', up to 100 of them")
            return None
        return text

    def texts(self, node: Node | None, what: str) -> tuple[str, ...]:
        """A list of texts; one text stands for a list of one."""
        if node is None:
            return ()
        if isinstance(node, ListNode):
            items = self.items(node, what)
            return tuple(text for item in items if (text := self.text(item, f"{what}: each item")))
        text = self.text(node, what)
        return (text,) if text else ()

    def items(self, node: Node | None, what: str) -> tuple[Node, ...]:
        """A list that holds something."""
        if node is None:
            return ()
        if isinstance(node, ListNode) and node.items:
            return node.items
        message = (
            f"{what} is an empty list" if isinstance(node, ListNode) else f"{what} must be a list, not {said(node)}"
        )
        self.note(node, message, "begin each item with '- '")
        return ()

    def duration(self, node: Node | None, what: str) -> float | None:
        """Seconds of `30s`, `15m`, `24h`, `7d`."""
        if node is None:
            return None
        found = _DURATION.fullmatch(node.text) if isinstance(node, ScalarNode) else None
        if not found:
            given = isinstance(node, ScalarNode) and isinstance(node.value, int) and not isinstance(node.value, bool)
            remedy = (
                f"write {plain_data(node)}s for seconds" if given else "write a number and s, m, h or d, such as 15m"
            )
            self.note(node, f"{what} must be a duration, not {said(node)}", remedy)
            return None
        seconds = int(found[0][:-1]) * _UNITS[found[0][-1]]
        if not 0 < seconds <= _LONGEST:
            self.note(node, f"{what} must be more than nothing and at most 3650d, not {found[0]}", "write such as 15m")
            return None
        return float(seconds)

    def durations(self, node: Node | None, what: str) -> tuple[float, ...]:
        """A duration, or a list of them."""
        if not isinstance(node, ListNode):
            seconds = self.duration(node, what)
            return (seconds,) if seconds else ()
        found = [self.duration(item, f"{what}[{place}]") for place, item in enumerate(self.items(node, what))]
        return tuple(seconds for seconds in found if seconds)

    def whole(self, node: Node | None, what: str, bounds: range) -> int | None:
        """A whole number within bounds."""
        if node is None:
            return None
        value = node.value if isinstance(node, ScalarNode) else None
        if isinstance(value, int) and not isinstance(value, bool) and value in bounds:
            return value
        low, high = bounds[0], bounds[-1]
        message = f"{what} must be a whole number from {low} to {high}, not {said(node)}"
        self.note(node, message, f"write such as {max(low, min(high, 1))}")
        return None

    def flag(self, node: Node | None, what: str) -> bool | None:
        """True or false."""
        if node is None:
            return None
        if isinstance(node, ScalarNode) and isinstance(node.value, bool):
            return node.value
        self.note(node, f"{what} must be true or false, not {said(node)}", "write true or false")
        return None

    def moment(self, node: Node | None, what: str) -> Millis | None:
        """An instant: a date, which is its midnight in UTC, or a date and time with its zone."""
        text = node.text if isinstance(node, ScalarNode) and isinstance(node.value, str) else None
        if node is None:
            return None
        remedy = "write a date such as 2026-01-31, or a time with its zone such as 2026-01-31T08:00:00+01:00"
        if text is not None and _ZONELESS.fullmatch(text):
            self.note(node, f"{what}: the time {text!r} has no zone", f"write {text}Z for UTC")
            return None
        if text is None or not _MOMENT.fullmatch(text):
            self.note(node, f"{what} must be a date or a time, not {said(node)}", remedy)
            return None
        try:
            moment = datetime.fromisoformat(text)
        except ValueError as error:
            self.note(node, f"{what}: {text!r} is no date: {error}", remedy)
            return None
        return as_millis(moment if moment.tzinfo else moment.replace(tzinfo=UTC))

    def choice(self, node: Node | None, what: str, choices: Collection[str], also: str = "") -> str | None:
        """One of a few words."""
        if node is None:
            return None
        if isinstance(node, ScalarNode) and node.value in choices:
            return str(node.value)
        remedy = near(node.text, choices) if isinstance(node, ScalarNode) else ""
        words = ", ".join([*sorted(choices), *([also] if also else [])])
        self.note(node, f"{what} cannot be {said(node)}", remedy or f"write one of {words}")
        return None

    def expression(self, node: Node | None, what: str, example: str = "vars.score >= 70") -> CompiledExpression | None:
        """A bare expression."""
        if node is None:
            return None
        if not isinstance(node, ScalarNode) or node.value is None:
            self.note(node, f"{what} must be an expression, not {said(node)}", f"write such as {example}")
            return None
        try:
            return compile_expression(node.text, names=self.names)
        except ExpressionSyntax as error:
            self._note_faults(node, error, what)
            return None

    def condition(self, node: Node | None, what: str) -> CompiledExpression | None:
        """A bare expression that is true or false; one that can never be is told now."""
        found = self.expression(node, what)
        if found is None or found.references or node is None:
            return found
        try:
            found.holds({})
        except ExpressionFailed as error:
            self.note(node, f"{what}: {error}", "write a condition, such as vars.score >= 70")
        return found

    def value(self, node: Node | None, what: str) -> CompiledValue | None:
        """Data that may hold templates; where one is broken the rest is still there to be checked."""
        if node is None:
            return None
        self._refuse_key_templates(node)
        try:
            return compile_value(plain_data(node), names=self.names)
        except ExpressionSyntax as error:
            self._note_faults(node, error, what)
            return CompiledValue(plain_data(node), None, _readable_references(node, self.names))

    def _note_faults(self, node: Node, error: ExpressionSyntax, what: str) -> None:
        for fault in error.faults:
            place = below(node, fault.path)
            names = ".".join(map(str, (what, *fault.path)))
            location = self.source.find(place, fault.word, fault.line)
            self.source.note(location, f"{names}: {fault.message}", fault.remedy)

    def _refuse_key_templates(self, node: Node) -> None:
        if isinstance(node, ListNode):
            for item in node.items:
                self._refuse_key_templates(item)
        elif isinstance(node, MapNode):
            for entry in node.entries.values():
                if "{{" in entry.key or "{%" in entry.key:
                    self.source.note(
                        entry.location, "a key cannot be a template", "write the key out; only values are templates"
                    )
                self._refuse_key_templates(entry.value)


def _readable_references(node: Node, names: tuple[str, ...]) -> frozenset[tuple[str, ...]]:
    found: frozenset[tuple[str, ...]] = frozenset()
    for _, text in texts(node):
        with suppress(ExpressionSyntax):
            found |= compile_value(text.value, names=names).references
    return found


def said(node: Node) -> str:
    """What stands there, for a message."""
    if isinstance(node, MapNode):
        return "a map"
    if isinstance(node, ListNode):
        return "a list"
    if node.value is None:
        return "nothing"
    if isinstance(node.value, bool):
        return node.text
    if isinstance(node.value, int | float):
        return f"the number {node.text}"
    shown = node.value if len(node.value) <= 60 else f"{node.value[:57]}..."
    return f"the text {shown!r}"


def _some(shape: Shape) -> str:
    return ", ".join(list(shape.needed or sorted(shape.known))[:3])
