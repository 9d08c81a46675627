"""Run the tests beside the playbooks: the real engine, a fake clock, no network (`soar test`)."""

from __future__ import annotations

import operator
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from soar.engine import view
from soar.errors import Location
from soar.ingest.match import explain
from soar.model.action import ActionSpec
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.testing.connections import Answer, FakeConnections, Prepare
from soar.testing.stage import Stage, given_alert, stage
from soar.testing.suite import Expectation, Mock, Suite, TestCase

_COMPARE: Final[Mapping[str, Callable[[float, float], bool]]] = {
    "lte": operator.le,
    "lt": operator.lt,
    "gte": operator.ge,
    "gt": operator.gt,
}
_FAMILIES: Final = {"unknown": "lost"}


@dataclass(frozen=True, slots=True)
class Difference:
    """One expectation that did not hold."""

    what: str
    expected: str
    found: str

    def __str__(self) -> str:
        return f"{self.what}\n  - expected: {self.expected}\n  + found:    {self.found}"


@dataclass(frozen=True, slots=True)
class CaseResult:
    """What one test came to; it passed when there is no difference."""

    playbook: str
    name: str
    location: Location
    differences: tuple[Difference, ...] = ()

    @property
    def passed(self) -> bool:
        return not self.differences


async def run_suite(
    suite: Suite, playbook: Playbook, specs: Mapping[str, ActionSpec], prepare: Prepare | None = None
) -> list[CaseResult]:
    """Run every test of one playbook, each on a database of its own that is gone afterwards."""
    return [await _run(case, playbook, specs, prepare) for case in suite.cases]


async def _run(
    case: TestCase, playbook: Playbook, specs: Mapping[str, ActionSpec], prepare: Prepare | None
) -> CaseResult:
    connections = FakeConnections(dict(specs), prepare)
    unknown = [name for name in case.mocks if name not in specs and not _is_undo(name, specs)]
    if unknown:
        differences = [Difference(f"mocks.{name}", "an action of soar.yaml", "no such action") for name in unknown]
        return CaseResult(playbook.id, case.name, case.location, tuple(differences))
    for name, mocks in case.mocks.items():
        _script(connections, name, mocks, specs)
    unmatched = _unmatched(case, playbook)
    if unmatched is not None:
        return CaseResult(playbook.id, case.name, case.location, (unmatched,))
    with tempfile.TemporaryDirectory(prefix="soar-test-") as folder:
        async with stage(Path(folder), connections) as world:
            execution = await _play(world, case, playbook)
            found = await _differences(world, case.expect, playbook, execution)
    return CaseResult(playbook.id, case.name, case.location, tuple(found))


def _is_undo(name: str, specs: Mapping[str, ActionSpec]) -> bool:
    connection, _, action = name.partition(".")
    return any(spec.undo == action and spec.name.startswith(f"{connection}.") for spec in specs.values())


def _script(connections: FakeConnections, name: str, mocks: Sequence[Mock], specs: Mapping[str, ActionSpec]) -> None:
    answers = [_answer(mock) for mock in mocks]
    if name in specs:
        connections.script(name, *answers)
    else:
        connections.script_undo(name, *answers)


def _answer(mock: Mock) -> Answer:
    if mock.error is None:
        return Answer.done(mock.output or {})
    kind = _FAMILIES.get(mock.error, mock.error)
    return Answer.error(kind, mock.message, happened=mock.happened)  # type: ignore[arg-type]


def _unmatched(case: TestCase, playbook: Playbook) -> Difference | None:
    """A test that says what a playbook does must begin with an alert it fires on."""
    if playbook.trigger.detection is None:
        return None
    alert = given_alert("test", case.alert)
    if playbook.trigger.sources:
        alert = alert.model_copy(update={"source": min(playbook.trigger.sources)})
    match = explain(alert, playbook)
    if match.outcome == "matched":
        return None
    return Difference("the trigger", "fires on this alert", f"{match.outcome}: {match.trace}")


async def _play(world: Stage, case: TestCase, playbook: Playbook) -> Execution:
    start = world.clock.now()
    execution = await world.open(playbook, case.alert)
    if case.restart_at is not None:
        await world.run(until=start + round(case.restart_at * 1000))
        await world.restart()
    ended = await world.finish(execution)
    if case.advance is not None:
        await world.run(until=start + round(case.advance * 1000))
        ended = await world.store.executions.get(execution.id)
    return ended


async def _differences(world: Stage, expect: Expectation, playbook: Playbook, execution: Execution) -> list[Difference]:
    found: list[Difference] = []

    def hold(what: str, expected: object, actual: object) -> None:
        if expected is not None and expected != actual:
            found.append(Difference(what, str(expected), str(actual)))

    error = execution.error or {}
    hold("status", expect.status, execution.state)
    hold("error", expect.error, error.get("kind"))
    hold("message", expect.message, execution.message or error.get("message"))
    if expect.status and found and error:
        found[0] = replace(found[0], found=f"{found[0].found} ({error.get('step')}: {error.get('message')})")
    steps = view.steps(playbook, await world.facts(execution))
    states = {step.path: step.status for step in steps} | {step.path.rpartition("/")[2]: step.status for step in steps}
    for name, status in expect.steps.items():
        hold(f"steps.{name}", status, states.get(name, "not_run"))
    found += _calls(world, expect)
    took = ((execution.finished_at or world.clock.now()) - execution.opened_at) / 1000
    for relation, seconds in expect.elapsed.items():
        if not _COMPARE[relation](took, seconds):
            found.append(Difference(f"elapsed|{relation}", f"{seconds:g} s", f"{took:g} s"))
    return found


def _calls(world: Stage, expect: Expectation) -> list[Difference]:
    found: list[Difference] = []
    made = world.connections.names()
    shown = ", ".join(made) or "no calls"
    found += [Difference("called", name, shown) for name in expect.called if name not in made]
    found += [Difference("not_called", f"no call of {name}", shown) for name in expect.not_called if name in made]
    rest = iter(made)
    if not all(name in rest for name in expect.calls_in_order):
        found.append(Difference("calls_in_order", ", ".join(expect.calls_in_order), shown))
    for name, values in expect.sent.items():
        calls = world.connections.called(name)
        sent: Mapping[str, Any] = calls[-1].inputs if calls else {}
        for key, value in values.items():
            found += _sent(name, key, value, sent)
    return found


def _sent(name: str, key: str, value: Any, sent: Mapping[str, Any]) -> list[Difference]:
    if key in sent and sent[key] == value:
        return []
    return [Difference(f"sent.{name}.{key}", repr(value), repr(sent.get(key, "not sent")))]
