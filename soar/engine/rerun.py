"""Running an execution again: from the start, from a step, or only the items that failed (S37)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from soar.clock import Millis
from soar.engine.places import TURN, any_turn, everywhere
from soar.errors import Conflict
from soar.expression import near
from soar.ids import derived_id
from soar.model.execution import FINAL, Execution, Fact
from soar.model.playbook import Action, Playbook

_LEFT_BEHIND: Final = frozenset(
    {"approval", "settled", "voided", "demanded", "cancel", "pause", "resume", "phase", "inherits"}
)
"""Approvals are never inherited, nor is what people told the original."""


@dataclass(frozen=True, slots=True)
class Rerun:
    """What a person asks for."""

    by: str
    step: str | None = None
    """The id of the step to begin at; None for the start."""
    failed_items: bool = False
    """Of the loop `step`, only the items that did not succeed."""
    again: bool = False
    """Make changes that succeeded once more."""
    number: int = 1
    """Which rerun of its original this is."""


def plan(
    original: Execution, facts: Iterable[Fact], playbook: Playbook, asked: Rerun, now: Millis, timeout: float
) -> tuple[Execution, list[Fact]]:
    """The new execution on that version of the playbook, with the history it inherits.

    Raises:
        Conflict: the original is not over, or the step cannot be begun at; the message says what can be done.
    """
    known = list(facts)
    if original.state not in FINAL or original.kind != "run":
        raise Conflict(f"execution {original.id} is {original.state}; only one that is over can be run again")
    inherited: list[Fact] = []
    if asked.step is not None:
        path = _path(playbook, asked)
        inherited = [fact for fact in known if _before(fact, path, playbook) or _kept_item(fact, path, known, asked)]
        _check_complete(playbook, path, {any_turn(fact.path) for fact in inherited}, asked.step)
    elif asked.failed_items:
        raise Conflict("name the loop whose failed items are to be run again: --from STEP")
    limit = timeout if playbook.timeout is None else playbook.timeout
    execution = replace(
        original,
        id=derived_id(original.id, "rerun", asked.number),
        playbook_digest=playbook.digest,
        state="queued",
        epoch=0,
        opened_at=now,
        deadline_at=now + round(limit * 1000),
        actor=asked.by,
        awaiting=None,
        due_at=None,
        started_at=None,
        finished_at=None,
        error=None,
        message=None,
        outputs=None,
        parent_id=None,
        parent_path=None,
        rerun_of=original.id,
    )
    marker = Fact("", "inherits", 0, now, {"from": original.id, "again": asked.again})
    return execution, [marker, *(_copied(fact, original.id, now) for fact in inherited)]


def _copied(fact: Fact, original: str, now: Millis) -> Fact:
    return Fact(fact.path, fact.kind, fact.attempt, now, {**fact.data, "inherited": original})


def _path(playbook: Playbook, asked: Rerun) -> str:
    """Where the step stands: outside loops and branches, whose turns and order cannot be begun in the middle."""
    paths = {step.id: path for step, path in everywhere(playbook) if step.id is not None}
    path = paths.get(asked.step or "")
    if path is None:
        remedy = near(asked.step or "", [name for name in paths if name]) or f"it has {', '.join(filter(None, paths))}"
        raise Conflict(f"the playbook {playbook.id!r} has no step {asked.step!r}; {remedy}")
    whole, bodies = "", {path: step.body for step, path in everywhere(playbook)}
    for segment in path.split("/")[:-1]:
        whole = f"{whole}/{segment}" if whole else segment
        kind = type(bodies.get(TURN.sub("", whole))).__name__
        if kind in ("ForEach", "While", "Parallel") or segment in ("on_failure", "finally"):
            raise Conflict(f"the step {asked.step!r} stands inside {whole!r}; begin at that one instead")
    if asked.failed_items and type(bodies[path]).__name__ != "ForEach":
        raise Conflict(f"the step {asked.step!r} is no for_each; --failed-items begins at one")
    return path


def _before(fact: Fact, path: str, playbook: Playbook) -> bool:
    """Whether a fact is about something that comes before the step, or around it."""
    if fact.kind in _LEFT_BEHIND or not fact.path:
        return False
    order = [known for _, known in everywhere(playbook)]
    place, own = any_turn(fact.path), TURN.sub("", any_turn(fact.path))
    found = place if place in order else own
    if found not in order:
        return False
    around = path.startswith(f"{found}/")
    if around:
        return fact.kind in ("entered", "chosen")
    return found != path and not found.startswith(f"{path}/") and order.index(found) < order.index(path)


def _kept_item(fact: Fact, path: str, facts: list[Fact], asked: Rerun) -> bool:
    """Of the loop itself: its list, and the items that succeeded."""
    if not asked.failed_items:
        return False
    if fact.path == path:
        return fact.kind == "items"
    head, bracket, _ = fact.path.removeprefix(path).partition("]")
    if not (fact.path.startswith(f"{path}[") and bracket) or fact.kind in _LEFT_BEHIND:
        return False
    item = f"{path}{head}]"
    return any(one.path == item and one.kind == "ended" and one.data["status"] == "succeeded" for one in facts)


def _check_complete(playbook: Playbook, path: str, known: set[str], step: str) -> None:
    """A step before it that never ran has no result that the later ones could read."""
    for one, place in everywhere(playbook):
        if place == path:
            return
        top = "/" not in place
        if top and not path.startswith(f"{place}/") and place not in known and not _inside(place, known):
            name = one.id or place
            raise Conflict(f"the step {name!r} stands before {step!r} and has no result; begin at {name!r} or earlier")


def _inside(place: str, known: set[str]) -> bool:
    return any(path.startswith((f"{place}/", f"{place}[", f"{place}#")) for path in known)


class Inherited:
    """What the original of a rerun has done: a change is not made twice without being asked for (S37)."""

    def __init__(self, playbook: Playbook, facts: Iterable[Fact]) -> None:
        actions = {path: step.body.name for step, path in everywhere(playbook) if isinstance(step.body, Action)}
        self._done: dict[str, tuple[str, Mapping[str, Any], Mapping[str, Any]]] = {}
        inputs: dict[tuple[str, int], Mapping[str, Any]] = {}
        for fact in facts:
            name = actions.get(any_turn(fact.path))
            if fact.kind == "attempt" and not fact.data.get("masked"):
                inputs[fact.path, fact.attempt] = fact.data["input"]
            elif fact.kind == "outcome" and fact.data["result"] == "done" and name is not None:
                given = inputs.get((fact.path, fact.attempt))
                if given is not None:
                    self._done[fact.path] = (name, given, fact.data.get("output") or {})

    def output(self, path: str, action: str, inputs: Mapping[str, Any]) -> Mapping[str, Any] | None:
        """What the same call at the same path gave; None when it was not made with these values."""
        found = self._done.get(path)
        if found is None or found[0] != action or found[1] != inputs:
            return None
        return found[2]
