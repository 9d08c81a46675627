"""What an approval is about: every call that may run under it, with its values as far as they are known (S25)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soar.engine.history import History
from soar.engine.places import below, inside, lists
from soar.engine.round import Shown
from soar.engine.scope import Names
from soar.engine.walk import Frame
from soar.errors import ExpressionFailed
from soar.expression import compile_value
from soar.model.playbook import Action, ForEach, SetVariables, Step, While

EXPANDED_LIMIT: Final = 500
"""Items of a loop that are listed one by one; a longer list is shown by its expressions."""


@dataclass(frozen=True, slots=True)
class _Unsettled:
    """What only running the guarded steps can tell."""

    steps: frozenset[str]
    vars: frozenset[str]
    names: frozenset[str] = frozenset({"error"})

    def also(self, *names: str) -> _Unsettled:
        return _Unsettled(self.steps, self.vars, self.names | set(names))

    def touched_by(self, references: frozenset[tuple[str, ...]]) -> bool:
        return any(self._touches(reference) for reference in references)

    def _touches(self, reference: tuple[str, ...]) -> bool:
        head, second = reference[0], reference[1] if len(reference) > 1 else None
        if head == "steps":
            return second is None or second in self.steps
        if head == "vars":
            return (second is None and bool(self.vars)) or second in self.vars
        return head in self.names or (head == "execution" and second in (None, "summary"))


def shown_inside(step: Step, path: str, frame: Frame, history: History) -> tuple[Shown, ...]:
    """Every call that may run at the step or inside it, in the order of the file."""
    within = [step, *inside(step)]
    unsettled = _Unsettled(
        frozenset(one.id for one in within if one.id is not None),
        frozenset(name for one in within for name in _sets(one)),
    )
    listing = _Listing(history.now, frame.error)
    listing.visit(step, path, frame.names, unsettled)
    return tuple(listing.items)


class _Listing:
    def __init__(self, now: int, error: Mapping[str, Any] | None) -> None:
        self.items: list[Shown] = []
        self._now = now
        self._error = error

    def visit(self, step: Step, path: str, names: Names, unsettled: _Unsettled) -> None:
        body = step.body
        if isinstance(body, Action):
            self.items.append(self._shown(body, path, names, unsettled))
        if isinstance(body, ForEach):
            for turn, forked, left in self._turns(body, names, unsettled):
                self._visit_steps(body.steps, f"{path}{turn}", forked, left)
        else:
            left = unsettled.also("loop") if isinstance(body, While) else unsettled
            for steps, base in lists(step, path):
                if not base.endswith("/on_failure"):
                    self._visit_steps(steps, base, names, left)
        if isinstance(step.on_failure, tuple):
            self._visit_steps(step.on_failure, f"{path}/on_failure", names, unsettled)

    def _visit_steps(self, steps: tuple[Step, ...], base: str, names: Names, unsettled: _Unsettled) -> None:
        for step in steps:
            self.visit(step, below(base, step), names, unsettled)

    def _turns(self, body: ForEach, names: Names, unsettled: _Unsettled) -> Iterator[tuple[str, Names, _Unsettled]]:
        """Each item of a list that is known; else any turn, with the item's name left open."""
        items = None
        if not unsettled.touched_by(getattr(body.items, "references", frozenset())):
            try:
                items = body.items.evaluate(self._scope(names))
            except ExpressionFailed:
                items = None
        if not isinstance(items, list) or len(items) > EXPANDED_LIMIT:
            yield "[*]", names, unsettled.also(body.alias, "item", "loop")
            return
        for place, item in enumerate(items):
            forked = names.fork(**{"item": item, body.alias: item, "loop": {"index": place + 1}})
            yield f"[{place}]", forked, unsettled

    def _shown(self, action: Action, path: str, names: Names, unsettled: _Unsettled) -> Shown:
        values: dict[str, Any] = {}
        open_: dict[str, str] = {}
        scope = self._scope(names)
        for name, source in action.inputs.source.items():
            value = compile_value(source)
            if unsettled.touched_by(value.references):
                open_[name] = source if isinstance(source, str) else repr(source)
                continue
            try:
                values[name] = value.render(scope)
            except ExpressionFailed:
                open_[name] = str(source)  # the step may never run; if it does, it says so itself
        return Shown(path, action, values, open_)

    def _scope(self, names: Names) -> dict[str, Any]:
        return names.scope(now=self._now, error=self._error)


def _sets(step: Step) -> list[str]:
    body = step.body
    return list(body.values.source) if isinstance(body, SetVariables) else []
