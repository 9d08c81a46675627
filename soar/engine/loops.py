"""`for_each` and `while`: the same steps again, for every item or as long as a condition holds (S12).

What is over is remembered beside the history, so that a walk looks at open items only and
10,000 of them stay linear (S8).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Final

from soar.engine.branches import ELSEWHERE, already_cut, cut_open
from soar.engine.places import inside
from soar.engine.retrace import fallen, item_names
from soar.engine.round import Error, Finish, Round
from soar.engine.scope import Names
from soar.engine.walk import RESTING, Flow, Frame, Walk
from soar.errors import ExpressionFailed
from soar.expression import describe
from soar.model.execution import Fact
from soar.model.playbook import ForEach, Step, While

_TOLD: Final = 20
"""Failed items that the step's error lists."""


class TooMany(Exception):
    """More items than one step may go over."""


def for_each(walk: Walk, step: Step, body: ForEach, path: str, inner: Frame, outer: Frame) -> Flow:
    """The steps for every item, some at once."""
    begun = walk.history.get(path, "items")
    if begun is None:
        unbegun = walk.unbegun(step, path, inner, outer)
        if unbegun is not None:
            return unbegun
        try:
            begun = walk.record(path, "items", _listed(walk, body, inner))
        except ExpressionFailed as failure:
            return walk.fail(step, path, "expression", str(failure), outer)
        except TooMany as failure:
            return walk.fail(step, path, "limit", str(failure), outer)
    return _ForEach(walk, step, body, path, inner, begun).flow(outer)


def _listed(walk: Walk, body: ForEach, frame: Frame) -> dict[str, Any]:
    """The list and how many at once, evaluated once (K01, K03)."""
    scope = walk.scope(frame)
    items = body.items.evaluate(scope)
    if not isinstance(items, list | tuple):
        raise ExpressionFailed(f"for_each needs a list, and {body.items.source!r} gives {describe(items)}")
    limit = walk.history.items_limit
    if len(items) > limit:
        raise TooMany(f"for_each goes over at most {limit:,} items, and there are {len(items):,}")
    at_once = body.concurrency if isinstance(body.concurrency, int) else body.concurrency.render(scope)
    if isinstance(at_once, bool) or not isinstance(at_once, int) or at_once < 1:
        raise ExpressionFailed(f"concurrency must be a whole number from 1, and it is {at_once!r}")
    return {"items": list(items), "concurrency": at_once}


@dataclass(slots=True)
class Items:
    """The items of one `for_each` that are over, as far as they are in a row."""

    over: dict[int, tuple[Names, Error | None]] = field(default_factory=dict)
    first_open: int = 0
    failed: list[int] = field(default_factory=list)
    finish: Finish | None = None
    """What a `stop` or `fail` in one of them says."""


class _ForEach:
    def __init__(self, walk: Walk, step: Step, body: ForEach, path: str, inner: Frame, begun: Fact) -> None:
        self.walk, self.step, self.body, self.path = walk, step, body, path
        self.inner = already_cut(walk, path, inner)
        self.items: list[Any] = begun.data["items"]
        self.at_once: int = begun.data["concurrency"]
        self.known: Items = walk.history.memo.setdefault(path, Items())

    def flow(self, outer: Frame) -> Flow:
        resting = self._walk_open(self.inner.cut)
        ending = self.known.finish
        if ending is not None and resting and self.inner.cut is None:
            said = resting
            resting = self._walk_open(cut_open(self.walk, self.path, ELSEWHERE))
            for part in said.values():
                part.keep_settled()
                self.walk.round.take(part)
        for part in resting.values():
            self.walk.round.take(part)
        if resting:
            return Flow("resting", finish=ending)
        for place in sorted(self.known.over):
            self.inner.names.merge(self.known.over[place][0], steps=False)
        if ending is not None:
            return Flow("ended", finish=ending)
        return self.walk.close(self.step, self.path, self._came_to(), outer)

    def _walk_open(self, cut: Error | None) -> dict[int, Round]:
        """Walk the items under way and begin as many more as may be; the parts of those that rest."""
        resting: dict[int, Round] = {}
        known = self.known
        place = known.first_open
        while place < len(self.items) and len(resting) < self.at_once:
            if place not in known.over:
                base = f"{self.path}[{place}]"
                ended = self.walk.history.get(base, "ended")
                if ended is not None:
                    names = item_names(self.walk.history, self.body, base, self.inner.names)
                    self._note(place, names, ended.data.get("error"))
                elif not self.walk.history.begun(base) and self._begins_no_more(cut):
                    break
                else:
                    part = self._walk_item(place, base, cut)
                    if part is not None:
                        resting[place] = part
            place += 1
        while known.first_open in known.over:
            known.first_open += 1
        return resting

    def _begins_no_more(self, cut: Error | None) -> bool:
        stopped = bool(self.known.failed) and self.body.on_item_failure == "stop"
        return cut is not None or self.inner.held or self.known.finish is not None or stopped

    def _walk_item(self, place: int, base: str, cut: Error | None) -> Round | None:
        """The commands of an item that rests; None when it is over."""
        item = self.items[place]
        frame = self.inner.fork(**{"item": item, self.body.alias: item, "loop": {"index": place + 1}})
        frame = replace(frame, cut=cut)
        flow, part = self.walk.aside(lambda: self.walk.steps(self.body.steps, base, frame))
        if flow.state == "resting":
            self.known.finish = self.known.finish or flow.finish
            return part
        self.walk.round.take(part)
        if flow.state == "ended":
            self.known.finish = flow.finish
            self.known.over[place] = (frame.names, None)
            return None
        status = "succeeded" if flow.state == "done" else fallen(flow.error)
        error = {"error": dict(flow.error)} if flow.error is not None else {}
        self.walk.record(base, "ended", {"status": status, **error})
        self._note(place, frame.names, flow.error)
        return None

    def _note(self, place: int, names: Names, error: Error | None) -> None:
        self.known.over[place] = (names, error)
        if error is not None:
            self.known.failed.append(place)

    def _came_to(self) -> Flow:
        if self.inner.cut is not None and len(self.known.over) < len(self.items):
            return Flow("failed", self.inner.cut)
        failed = sorted(self.known.failed)
        if not failed:
            return Flow("done")
        errors = [(place, self.known.over[place][1] or {}) for place in failed]
        listed = [{"index": place, "kind": error["kind"], "message": error["message"]} for place, error in errors]
        place, first = errors[0]
        message = f"{len(failed)} of {len(self.items)} items failed; the first, [{place}]: {first['message']}"
        return Flow("failed", {**first, "message": message, "items": listed[:_TOLD]})


@dataclass(slots=True)
class Turns:
    """The turns of one `while` that are over, and what they left."""

    over: int
    names: Names


def while_(walk: Walk, step: Step, body: While, path: str, inner: Frame, outer: Frame) -> Flow:
    """The steps again while the condition holds, turn after turn."""
    ids = frozenset(one.id for one in inside(step) if one.id is not None)
    turns: Turns = walk.history.memo.setdefault(path, Turns(0, inner.names.fork()))
    inner.names.merge(turns.names)
    while True:
        turn = turns.over + 1
        try:
            go = _goes_round(walk, body, path, turn, inner)
        except ExpressionFailed as failure:
            return walk.fail(step, path, "expression", str(failure), outer)
        if go is None:
            return walk.unbegun(step, path, inner, outer) or RESTING
        if not go:
            return walk.end(step, path, "succeeded", outer, output={"turns": turns.over})
        if turn > body.max_iterations:
            message = f"the condition {body.condition.source!r} still held after {body.max_iterations} turns"
            return walk.fail(step, path, "limit", message, outer)
        frame = inner.fork(loop={"index": turn})
        frame.names.forget(ids)
        flow = walk.steps(body.steps, f"{path}#{turn}", frame)
        if flow.state != "done":
            inner.names.merge(frame.names)
            return walk.close(step, path, flow, outer)
        inner.names.merge(frame.names)
        turns.names.merge(frame.names)
        turns.over = turn


def _goes_round(walk: Walk, body: While, path: str, turn: int, frame: Frame) -> bool | None:
    """Whether there is an n-th turn, decided once; None when nothing may begin."""
    decided = walk.history.get(path, "turn", turn)
    if decided is None:
        if frame.cut is not None or frame.held:
            return None
        decided = walk.record(
            path, "turn", {"go": body.condition.holds(walk.scope(frame.fork(loop={"index": turn})))}, turn
        )
    go: bool = decided.data["go"]
    return go
