"""What a step does: the body of each kind."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from soar.errors import ExpressionFailed
from soar.expression import NAMES, CompiledExpression, CompiledValue, compile_expression, compile_value, describe
from soar.model.playbook import (
    Block,
    Body,
    CallPlaybook,
    Case,
    Choice,
    Fail,
    ForEach,
    Parallel,
    SetVariables,
    Step,
    Stop,
    Switch,
    UndoSteps,
    WaitEvent,
    WaitFor,
    WaitUntil,
    While,
)
from soar.playbook import keys
from soar.playbook.calls import map_value, read_action
from soar.playbook.reading import Reading, said
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode, plain_data

ReadSteps = Callable[[Node | None, str], tuple[Step, ...]]
_BROKEN: Final = compile_expression("true")
"""Stands where an expression could not be read; a playbook with problems never runs."""
_EMPTY: Final = compile_value({})


class BodyReader:
    """Reads the body of a step by the key that names its kind."""

    def __init__(self, reading: Reading, steps: ReadSteps) -> None:
        self._reading = reading
        self._steps = steps
        self._by_key: dict[str, Callable[[Node, MapNode], Body]] = {
            "action": lambda node, fields: read_action(reading, node, fields),
            "parallel": self._parallel,
            "for_each": self._for_each,
            "if": self._choice,
            "switch": self._switch,
            "while": self._while,
            "steps": lambda node, _: Block(steps(node, "steps")),
            "wait": self._wait,
            "playbook": self._playbook,
            "set": self._set,
            "undo": self._undo,
            "stop": lambda node, _: Stop(self._message(node, "stop")),
            "fail": lambda node, _: Fail(self._message(node, "fail")),
        }

    def read(self, key: str, fields: MapNode) -> Body:
        """The body under that key."""
        return self._by_key[key](fields.entries[key].value, fields)

    def _message(self, node: Node, key: str) -> CompiledValue:
        self._reading.text(node, key)
        return self._reading.value(node, key) or _EMPTY

    def _set(self, node: Node, _: MapNode) -> SetVariables:
        if isinstance(node, MapNode):
            if not node.entries:
                self._reading.note(node, "'set' sets nothing", "write name: value")
            for name, entry in node.entries.items():
                if not name.isidentifier():
                    message = f"{name!r} cannot be read as vars.{name}"
                    self._reading.source.note(entry.location, message, "use letters, digits and '_'")
        return SetVariables(map_value(self._reading, node, "set"))

    # -- choices ------------------------------------------------------------------------------

    def _choice(self, node: Node, fields: MapNode) -> Choice:
        self._need(fields, "if", "then", "add then: with a list of steps")
        return Choice(
            self._reading.condition(node, "if") or _BROKEN,
            self._steps(fields.get("then"), "then"),
            self._steps(fields.get("else"), "else"),
        )

    def _switch(self, node: Node, fields: MapNode) -> Switch:
        cases = [self._case(item, place) for place, item in enumerate(self._reading.items(node, "switch"))]
        return Switch(tuple(case for case in cases if case), self._steps(fields.get("else"), "else"))

    def _case(self, node: Node, place: int) -> Case | None:
        fields = self._reading.fields(node, keys.CASE)
        if fields is None:
            return None
        what = f"switch[{place}]"
        when = self._reading.condition(fields.get("when"), f"{what}.when")
        return Case(when or _BROKEN, self._steps(fields.get("steps"), f"{what}.steps"))

    # -- branches and loops -------------------------------------------------------------------

    def _parallel(self, node: Node, fields: MapNode) -> Parallel:
        branches = self._steps(node, "parallel")
        join: Any = self._join(fields.get("join"), len(node.items) if isinstance(node, ListNode) else 0)
        return Parallel(branches, join or "all")

    def _join(self, node: Node | None, branches: int) -> str | int | None:
        if isinstance(node, ScalarNode) and isinstance(node.value, int) and not isinstance(node.value, bool):
            number = self._reading.whole(node, "join", keys.BRANCHES)
            if number is not None and number > branches > 0:
                message = f"join waits for {number} branches, and there are {branches}"
                self._reading.note(node, message, f"write at most {branches}, or all")
            return number
        return self._reading.choice(node, "join", ("all", "any"), "a number of branches")

    def _for_each(self, node: Node, fields: MapNode) -> ForEach:
        reading = self._reading
        self._need(fields, "for_each", "steps", "add steps: with what is done for each item")
        items = reading.expression(node, "for_each", "alert.tags")
        self._check_list(node, items)
        alias = self._alias(fields.get("as"))
        concurrency = self._at_once(fields.get("concurrency"))
        finish: Any = reading.choice(fields.get("on_item_failure"), "on_item_failure", ("finish", "stop"))
        around, reading.names = reading.names, (*reading.names, alias)
        steps = self._steps(fields.get("steps"), "steps")
        reading.names = around
        return ForEach(items or _BROKEN, steps, alias, concurrency, finish or "finish")

    def _check_list(self, node: Node, items: CompiledExpression | None) -> None:
        """A list that is written out is known now (K01)."""
        if items is None or items.references:
            return
        try:
            value = items.evaluate({})
        except ExpressionFailed as error:
            self._reading.note(node, f"for_each: {error}", "write an expression that gives a list")
            return
        if not isinstance(value, list | tuple):
            message = f"for_each needs a list, not {describe(value)}"
            self._reading.note(node, message, "write an expression that gives a list, such as alert.tags")

    def _alias(self, node: Node | None) -> str:
        word = self._reading.word(node, "as")
        if word is None or node is None or word == "item":
            return "item"
        if not word.isidentifier():
            self._reading.note(node, f"as: {word!r} cannot be read as a name", "use letters, digits and '_'")
        elif word in NAMES or word in _WORDS:
            message = f"as: {word!r} would hide what expressions call {word!r}"
            self._reading.note(node, message, f"take another name, such as {word}_item")
        elif word in self._reading.names:
            message = f"as: {word!r} is the item of a loop around this one"
            self._reading.note(node, message, f"take another name, such as inner_{word}")
        else:
            return word
        return "item"

    def _at_once(self, node: Node | None) -> CompiledValue | int:
        if isinstance(node, ScalarNode) and isinstance(node.value, str) and "{{" in node.value:
            return self._reading.value(node, "concurrency") or 1
        return self._reading.whole(node, "concurrency", keys.ITEMS_AT_ONCE) or 1

    def _while(self, node: Node, fields: MapNode) -> While:
        self._need(fields, "while", "steps", "add steps: with what is done in each turn")
        self._need(fields, "while", "max_iterations", "add max_iterations: with the most turns it may take")
        return While(
            self._reading.condition(node, "while") or _BROKEN,
            self._steps(fields.get("steps"), "steps"),
            self._reading.whole(fields.get("max_iterations"), "max_iterations", keys.ITERATIONS) or 1,
        )

    def _need(self, fields: MapNode, owner: str, key: str, remedy: str) -> None:
        if key not in fields.entries:
            self._reading.note(fields, f"{owner!r} has no {key!r}", remedy)

    # -- waiting, other playbooks, taking back ------------------------------------------------

    def _wait(self, node: Node, _: MapNode) -> WaitFor | WaitUntil | WaitEvent:
        reading = self._reading
        fields = reading.fields(node, keys.WAIT)
        if fields is None:
            return WaitFor(0.0)
        seconds = reading.duration(fields.get("for"), "wait.for")
        moment = reading.expression(fields.get("until"), "wait.until", "alert.occurred_at")
        event = self._event(fields)
        return event or (WaitUntil(moment) if moment else WaitFor(seconds or 0.0))

    def _event(self, fields: MapNode) -> WaitEvent | None:
        reading = self._reading
        name = reading.word(fields.get("event"), "wait.event")
        match = map_value(reading, fields.get("match"), "wait.match") if "match" in fields.entries else None
        timeout = reading.duration(fields.get("timeout"), "wait.timeout")
        return WaitEvent(name, match, timeout) if name else None

    def _playbook(self, node: Node, fields: MapNode) -> CallPlaybook:
        if isinstance(node, ScalarNode) and "{{" in node.text:
            message = "the id of a sub-playbook is written out, never made by a template"
            self._reading.note(node, message, "choose between playbooks with `switch`")
            name = None
        else:
            name = self._reading.word(node, "playbook")
        return CallPlaybook(name or "", map_value(self._reading, fields.get("with"), "with"))

    def _undo(self, node: Node, _: MapNode) -> UndoSteps:
        if not isinstance(node, ListNode):
            message = f"a step that takes back names the steps in a list, not {said(node)}"
            given = plain_data(node)
            remedy = f"write undo: [{given}]" if isinstance(given, str) and given != "never" else "write undo: [step]"
            self._reading.note(node, message, remedy)
            return UndoSteps(())
        items = self._reading.items(node, "undo")
        found = [self._reading.word(item, "undo: each item") for item in items]
        return UndoSteps(tuple(word for word in found if word))


_WORDS: Final = frozenset({"true", "false", "none", "and", "or", "not", "in", "is", "if", "else", "for"})
"""Words of expressions, which no name can be."""
