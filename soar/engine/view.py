"""The steps of an execution as people read them, from its facts alone."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from soar.clock import Millis
from soar.model.execution import AttemptView, Fact, StepExecution, StepStatus
from soar.model.playbook import Action, Block, Choice, Playbook, Step

_STATUS: dict[str, StepStatus] = {"done": "succeeded", "refused": "failed", "unknown": "outcome_unknown"}


@dataclass(slots=True)
class _Gathered:
    order: int
    facts: dict[str, dict[int, Fact]] = field(default_factory=dict)


def steps(playbook: Playbook | None, facts: Iterable[Fact]) -> list[StepExecution]:
    """Every step that has begun, in playbook order where the playbook is known, else in order of time."""
    places = {} if playbook is None else _places(playbook)
    gathered: dict[str, _Gathered] = {}
    for fact in facts:
        if not fact.path or fact.path == "on_failure":
            continue
        entry = gathered.setdefault(fact.path, _Gathered(len(gathered)))
        entry.facts.setdefault(fact.kind, {})[fact.attempt] = fact
    ordered = sorted(gathered.items(), key=lambda item: (places.get(item[0], (len(places), ""))[0], item[1].order))
    return [_step(path, entry.facts, places.get(path)) for path, entry in ordered]


def _places(playbook: Playbook) -> dict[str, tuple[int, str]]:
    """Path -> (rank in the file, what kind of step or which action it is)."""
    places: dict[str, tuple[int, str]] = {}

    def visit(listed: Sequence[Step], base: str) -> None:
        for step in listed:
            path = f"{base}/{step.segment}" if base else step.segment
            body = step.body
            places[path] = (len(places), body.name if isinstance(body, Action) else type(body).__name__)
            if isinstance(body, Block):
                visit(body.steps, path)
            elif isinstance(body, Choice):
                visit(body.then, f"{path}/then")
                visit(body.otherwise, f"{path}/else")
            if isinstance(step.on_failure, tuple):
                visit(step.on_failure, f"{path}/on_failure")

    visit(playbook.steps, "")
    visit(playbook.on_failure, "on_failure")
    return places


_KINDS = {"SetVariables": "set", "Block": "block", "Choice": "if", "Stop": "stop", "Fail": "fail"}


def _step(path: str, facts: dict[str, dict[int, Fact]], place: tuple[int, str] | None) -> StepExecution:
    attempts, outcomes = facts.get("attempt", {}), facts.get("outcome", {})
    called = bool(attempts or outcomes)
    name = place[1] if place is not None else None
    ended = facts.get("ended", {}).get(0)
    last = outcomes.get(max([*attempts, *outcomes], default=0))
    status, output, error = _result(ended, last)
    first = min((fact.at for kind in facts.values() for fact in kind.values()), default=None)
    return StepExecution(
        path=path,
        kind="action" if called else _KINDS.get(name or "", "action" if name and "." in name else "step"),
        status=status,
        action=name if name and "." in name else None,
        started_at=_started(first, attempts, outcomes),
        ended_at=ended.at if ended else last.at if last and status == "succeeded" else None,
        input=_input(attempts, outcomes),
        output=output,
        error=error,
        attempts=_attempts(attempts, outcomes),
    )


def _result(ended: Fact | None, last: Fact | None) -> tuple[StepStatus, Any, Any]:
    if ended is not None:
        return ended.data["status"], ended.data.get("output"), ended.data.get("error")
    if last is None:
        return "running", None, None
    result = last.data["result"]
    return _STATUS.get(result, "waiting"), last.data.get("output"), None


def _started(first: Millis | None, attempts: dict[int, Fact], outcomes: dict[int, Fact]) -> Millis | None:
    starts = [fact.at for fact in attempts.values()]
    starts += [fact.data["started_at"] for fact in outcomes.values() if "started_at" in fact.data]
    return min([*starts, *([] if first is None else [first])], default=None)


def _input(attempts: dict[int, Fact], outcomes: dict[int, Fact]) -> Any:
    for fact in (*attempts.values(), *outcomes.values()):
        if "input" in fact.data:
            return fact.data["input"]
    return None


def _attempts(attempts: dict[int, Fact], outcomes: dict[int, Fact]) -> tuple[AttemptView, ...]:
    views = []
    for number in sorted({*attempts, *outcomes}):
        attempt, outcome = attempts.get(number), outcomes.get(number)
        started = attempt.at if attempt else outcome.data.get("started_at") if outcome else None
        views.append(
            AttemptView(
                number=number,
                state=outcome.data["result"] if outcome else "open",
                started_at=started,
                ended_at=outcome.at if outcome else None,
                message=outcome.data.get("message", "") if outcome else "",
                key=attempt.data.get("key") if attempt else None,
            )
        )
    return tuple(views)
