"""The steps inside a step, what stands around each, and everything a step evaluates."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from soar.model.playbook import (
    Action,
    AskApproval,
    Block,
    CallPlaybook,
    Choice,
    Fail,
    ForEach,
    Parallel,
    Playbook,
    SetVariables,
    Step,
    Stop,
    Switch,
    WaitEvent,
    WaitUntil,
    While,
)

Path = tuple[str | int, ...]


@dataclass(frozen=True, slots=True, eq=False)
class Mark:
    """One thing that stands around a step; the steps of one list share it."""

    kind: Literal["branch", "for_each", "while", "guard"]
    step: Step


@dataclass(frozen=True, slots=True)
class Placed:
    """A step, and what stands around it."""

    step: Step
    around: tuple[Mark, ...]
    """From the outside in."""
    handling: bool
    """It handles a failure, and may read `error`."""


def everywhere(playbook: Playbook) -> Iterator[Placed]:
    """Every step of a playbook, in the order in which they are written."""
    yield from _placed(playbook.steps, (), handling=False)
    yield from _placed(playbook.on_failure, (), handling=True)
    yield from _placed(playbook.finally_, (), handling=True)


def _placed(steps: tuple[Step, ...], around: tuple[Mark, ...], *, handling: bool) -> Iterator[Placed]:
    for step in steps:
        yield Placed(step, around, handling)
        guarded = step.approval is not None and not isinstance(step.body, AskApproval)
        inner = (*around, Mark("guard", step)) if guarded else around
        for marks, listed in _inner(step):
            yield from _placed(listed, (*inner, *marks), handling=handling)
        if isinstance(step.on_failure, tuple):
            yield from _placed(step.on_failure, around, handling=True)


def _inner(step: Step) -> Iterator[tuple[tuple[Mark, ...], tuple[Step, ...]]]:
    """The lists of a step's body, with what each of them stands in."""
    body = step.body
    match body:
        case Block():
            yield (), body.steps
        case Parallel():
            for branch in body.branches:
                yield (Mark("branch", step),), (branch,)
        case ForEach():
            yield (Mark("for_each", step),), body.steps
        case While():
            yield (Mark("while", step),), body.steps
        case Choice():
            yield (), body.then
            yield (), body.otherwise
        case Switch():
            for case in body.cases:
                yield (), case.steps
            yield (), body.otherwise
        case _:
            pass


def flat(steps: tuple[Step, ...]) -> Iterator[Step]:
    """These steps and all inside them, their handlers too."""
    for placed in _placed(steps, (), handling=False):
        yield placed.step


def evaluated(step: Step) -> Iterator[tuple[Path, Any]]:
    """Every expression and value of a step, with the keys below which it is written."""
    if step.when is not None:
        yield ("when",), step.when
    if step.approval is not None:
        yield ("approval", "message"), step.approval.message
    yield from _of_body(step)


def _of_body(step: Step) -> Iterator[tuple[Path, Any]]:
    body = step.body
    match body:
        case Action():
            yield ("with",), body.inputs
            if body.undo is not None and body.undo.inputs is not None:
                yield ("undo", "with"), body.undo.inputs
        case CallPlaybook():
            yield ("with",), body.inputs
        case SetVariables():
            yield ("set",), body.values
        case Choice():
            yield ("if",), body.condition
        case While():
            yield ("while",), body.condition
        case ForEach():
            yield ("for_each",), body.items
            yield ("concurrency",), body.concurrency
        case Switch():
            for place, case in enumerate(body.cases):
                yield ("switch", place, "when"), case.when
        case WaitUntil():
            yield ("wait", "until"), body.moment
        case WaitEvent():
            yield ("wait", "match"), body.match
        case Stop():
            yield ("stop",), body.message
        case Fail():
            yield ("fail",), body.message
        case _:
            pass
