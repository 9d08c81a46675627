"""The steps of an execution as people read them, from its facts alone."""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from soar.clock import Millis
from soar.engine.places import TURN, any_turn, everywhere
from soar.model.execution import AttemptView, Fact, StepExecution, StepStatus
from soar.model.playbook import Action, ForEach, Playbook

_STATUS: dict[str, StepStatus] = {"done": "succeeded", "refused": "failed", "unknown": "outcome_unknown"}


Place = tuple[int, str]


@dataclass(slots=True)
class _Gathered:
    order: int
    facts: dict[str, dict[int, Fact]] = field(default_factory=dict)


def steps(playbook: Playbook | None, facts: Iterable[Fact]) -> list[StepExecution]:
    """Every step that has begun, in playbook order where the playbook is known, else in order of time.

    The steps inside one that was skipped or rejected are told as skipped (S29). Turns of a loop come turn by turn.
    """
    places = {} if playbook is None else _places(playbook)
    gathered: dict[str, _Gathered] = {}
    for fact in facts:
        if fact.path in _NO_STEPS or fact.path.endswith("/guardrail") or fact.path.startswith("@undo"):
            continue
        entry = gathered.setdefault(fact.path, _Gathered(len(gathered)))
        entry.facts.setdefault(fact.kind, {})[fact.attempt] = fact
    found = [_step(path, entry.facts, places.get(any_turn(path))) for path, entry in gathered.items()]
    found += _skipped_inside(found, places, gathered.keys())
    return sorted(found, key=lambda step: _order(step.path, places))


_NO_STEPS = frozenset({"", "on_failure", "finally"})


def _skipped_inside(
    found: list[StepExecution], places: dict[str, Place], begun: Container[str]
) -> Iterator[StepExecution]:
    for step in found:
        if step.status in ("skipped", "rejected"):
            inside = f"{step.path}/"
            for path, place in places.items():
                if path.startswith(inside) and path not in begun:
                    yield StepExecution(path=path, kind=_kind(place[1]), status="skipped", action=_action(place[1]))


def _order(path: str, places: dict[str, Place]) -> tuple[Any, ...]:
    """In the order of the file; inside a loop, turn by turn."""
    order: list[Any] = []
    whole = ""
    for segment in path.split("/"):
        whole = f"{whole}/{segment}" if whole else segment
        order.append(places.get(any_turn(whole), (len(places), ""))[0])
        turn = TURN.search(segment)
        order.append(int(turn[0].strip("[]#")) if turn else -1)
    return tuple(order)


def _places(playbook: Playbook) -> dict[str, Place]:
    """Path -> (rank in the file, what kind of step or which action it is); loops stand for any turn."""
    places: dict[str, Place] = {}
    for step, path in everywhere(playbook):
        body = step.body
        places[path] = (len(places), body.name if isinstance(body, Action) else type(body).__name__)
        if isinstance(body, ForEach):
            places[f"{path}[*]"] = (places[path][0], "Item")
    return places


_KINDS = {
    "SetVariables": "set",
    "Choice": "if",
    "Switch": "switch",
    "Parallel": "parallel",
    "ForEach": "for_each",
    "Item": "item",
    "While": "while",
    "WaitFor": "wait",
    "WaitUntil": "wait",
    "WaitEvent": "wait",
    "CallPlaybook": "playbook",
    "UndoSteps": "undo",
    "AskApproval": "approval",
    "Block": "block",
    "Stop": "stop",
    "Fail": "fail",
}


def _kind(name: str | None) -> str:
    return _KINDS.get(name or "", "action" if name and "." in name else "step")


def _action(name: str | None) -> str | None:
    return name if name and "." in name else None


def _step(path: str, facts: dict[str, dict[int, Fact]], place: Place | None) -> StepExecution:
    attempts, outcomes = facts.get("attempt", {}), facts.get("outcome", {})
    called = bool(attempts or outcomes)
    name = place[1] if place is not None else None
    ended = facts.get("ended", {}).get(0)
    last = outcomes.get(max([*attempts, *outcomes], default=0))
    status, output, error = _result(ended, last, facts)
    first = min((fact.at for kind in facts.values() for fact in kind.values()), default=None)
    return StepExecution(
        path=path,
        kind="action" if called else _kind(name),
        status=status,
        action=_action(name),
        started_at=_started(first, attempts, outcomes),
        ended_at=ended.at if ended else last.at if last and status == "succeeded" else None,
        input=_input(attempts, outcomes),
        output=output,
        error=error,
        attempts=_attempts(attempts, outcomes),
    )


def _result(ended: Fact | None, last: Fact | None, facts: dict[str, dict[int, Fact]]) -> tuple[StepStatus, Any, Any]:
    if ended is not None:
        output = ended.data.get("output")
        return ended.data["status"], last.data.get("output", output) if last else output, ended.data.get("error")
    if last is not None:
        result = last.data["result"]
        return _STATUS.get(result, "waiting"), last.data.get("output"), None
    waits = not facts.keys() & {"attempt", "entered", "items", "turn", "cut"}
    return "waiting" if waits else "running", None, None


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
                simulated=bool(outcome and outcome.data.get("simulated")),
                guardrail=outcome.data.get("guardrail") if outcome else None,
            )
        )
    return tuple(views)
