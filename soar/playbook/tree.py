"""The steps inside a step."""

from __future__ import annotations

from collections.abc import Iterator

from soar.model.playbook import Block, Choice, ForEach, Parallel, Playbook, Step, Switch, While


def inner_lists(step: Step) -> Iterator[tuple[Step, ...]]:
    """The lists of steps that stand in a step's body, and its `on_failure`."""
    body = step.body
    match body:
        case Block() | ForEach() | While():
            yield body.steps
        case Parallel():
            yield body.branches
        case Choice():
            yield body.then
            yield body.otherwise
        case Switch():
            for case in body.cases:
                yield case.steps
            yield body.otherwise
        case _:
            pass
    if isinstance(step.on_failure, tuple):
        yield step.on_failure


def flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    """These steps and all inside them, in the order of the file."""
    for step in steps:
        yield step
        for inner in inner_lists(step):
            yield from flat(inner)


def every_step(playbook: Playbook) -> Iterator[Step]:
    """All steps of a playbook."""
    yield from flat(playbook.steps)
    yield from flat(playbook.on_failure)
    yield from flat(playbook.finally_)
