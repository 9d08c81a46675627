"""Where the steps of a playbook stand: their lists, their paths, and what lies inside what (S5)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from soar.model.playbook import Block, Choice, ForEach, Parallel, Playbook, Step, Switch, WaitEvent, While

TURN: Final = re.compile(r"\[(\d+|\*)\]$|#(\d+|\*)$")
"""The turn at the end of a path's segment: an item's place from 0, or a turn's number from 1."""


def lists(step: Step, path: str, turn: str | None = None) -> Iterator[tuple[tuple[Step, ...], str]]:
    """The lists inside a step with their base paths; a loop's under `turn`, or for any turn."""
    body = step.body
    match body:
        case Block():
            yield body.steps, path
        case Parallel():
            yield body.branches, path
        case Choice():
            yield body.then, f"{path}/then"
            yield body.otherwise, f"{path}/else"
        case Switch():
            for number, case in enumerate(body.cases, start=1):
                yield case.steps, f"{path}/case{number}"
            yield body.otherwise, f"{path}/else"
        case ForEach():
            yield body.steps, f"{path}{turn or '[*]'}"
        case While():
            yield body.steps, f"{path}{turn or '#*'}"
        case _:
            pass
    if isinstance(step.on_failure, tuple):
        yield step.on_failure, f"{path}/on_failure"


def below(base: str, step: Step) -> str:
    """The path of a step in a list."""
    return f"{base}/{step.segment}" if base else step.segment


def inside(step: Step) -> Iterator[Step]:
    """Every step inside one, to any depth."""
    for steps, _ in lists(step, ""):
        for inner in steps:
            yield inner
            yield from inside(inner)


def everywhere(playbook: Playbook) -> Iterator[tuple[Step, str]]:
    """Every step of a playbook with its path, in the order of the file; loops stand for any turn."""

    def visit(steps: tuple[Step, ...], base: str) -> Iterator[tuple[Step, str]]:
        for step in steps:
            path = below(base, step)
            yield step, path
            for listed, inner in lists(step, path):
                yield from visit(listed, inner)

    yield from visit(playbook.steps, "")
    yield from visit(playbook.on_failure, "on_failure")
    yield from visit(playbook.finally_, "finally")


def patterns(playbook: Playbook) -> dict[str, str]:
    """Path by step id, loops standing for any turn."""
    return {step.id: path for step, path in everywhere(playbook) if step.id is not None}


def listened(playbook: Playbook) -> frozenset[str]:
    """The names of events that it is opened by or waits for; they may hold wildcards."""
    names = {step.body.event for step, _ in everywhere(playbook) if isinstance(step.body, WaitEvent)}
    return frozenset(names | ({playbook.trigger.event} if playbook.trigger.event else set()))


def any_turn(path: str) -> str:
    """A path with `[*]` and `#*` in place of its turns."""
    return "/".join(TURN.sub(_star, segment) for segment in path.split("/"))


def within_turn(pattern: str, path: str) -> str:
    """The pattern, with the turns of `path` where both go the same way: inside a loop, this turn (S34)."""
    ours, theirs = path.split("/"), pattern.split("/")
    for place, (own, other) in enumerate(zip(ours, theirs, strict=False)):
        if any_turn(own) != other:
            break
        theirs[place] = own
    return "/".join(theirs)


def covers(pattern: str, path: str) -> bool:
    """Whether a path is one that the pattern stands for."""
    if pattern == path:
        return True
    ours, theirs = path.split("/"), pattern.split("/")
    return len(ours) == len(theirs) and all(
        own == other or any_turn(own) == other for own, other in zip(ours, theirs, strict=True)
    )


def _star(found: re.Match[str]) -> str:
    return "[*]" if found[0].startswith("[") else "#*"
