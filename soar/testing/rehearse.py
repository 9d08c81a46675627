"""Run the tests beside the playbooks: the real engine, a fake clock, no network (`soar test`)."""

from __future__ import annotations

import operator
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

from soar.engine import Guardrails, view
from soar.errors import Conflict, Location
from soar.ids import derived_id
from soar.ingest.match import explain
from soar.model.action import ActionSpec
from soar.model.approval import Vote
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.playbook import fitted, reachable
from soar.store.pages import ContainmentFilter
from soar.store.units import Event
from soar.testing.connections import Answer, FakeConnections, Prepare
from soar.testing.stage import Stage, given_alert, stage
from soar.testing.suite import Ballot, Expectation, GivenEvent, Mock, Suite, TestCase

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
    suite: Suite,
    playbook: Playbook,
    specs: Mapping[str, ActionSpec],
    prepare: Prepare | None = None,
    others: Mapping[str, Playbook] | None = None,
    guardrails: Guardrails | None = None,
) -> list[CaseResult]:
    """Run every test of one playbook, each on a database of its own that is gone afterwards.

    `others` are the playbooks that it may call; under `guardrails` the policy is in force as it is for real.
    """
    return [await _run(case, playbook, specs, prepare, others or {}, guardrails) for case in suite.cases]


async def _run(
    case: TestCase,
    playbook: Playbook,
    specs: Mapping[str, ActionSpec],
    prepare: Prepare | None,
    others: Mapping[str, Playbook],
    guardrails: Guardrails | None,
) -> CaseResult:
    connections = FakeConnections(dict(specs), prepare)
    unknown = [name for name in case.mocks if name not in specs and not _is_undo(name, specs)]
    if unknown:
        differences = [Difference(f"mocks.{name}", "an action of soar.yaml", "no such action") for name in unknown]
        return CaseResult(playbook.id, case.name, case.location, tuple(differences))
    for name, mocks in case.mocks.items():
        _script(connections, name, mocks, specs)
    weighed = _weighed(case, playbook)
    if weighed is not None:
        return CaseResult(playbook.id, case.name, case.location, weighed)
    with tempfile.TemporaryDirectory(prefix="soar-test-") as folder:
        async with stage(Path(folder), connections, guardrails) as world:
            box = BallotBox(world, case.approvals)
            execution = await _play(world, case, playbook, others, box)
            found = box.differences() + await _differences(world, case.expect, playbook, execution)
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


def _weighed(case: TestCase, playbook: Playbook) -> tuple[Difference, ...] | None:
    """What the trigger has to say: a test that says what a playbook does must begin with an alert it fires on.

    None: it fires as it should, and there is something to play.
    """
    wanted = case.expect.status == "unmatched"
    if playbook.trigger.detection is None:
        return (Difference("status", "unmatched", "it has no `match` to be held against"),) if wanted else None
    alert = given_alert("test", case.alert)
    if playbook.trigger.sources and "source" not in case.alert:
        alert = alert.model_copy(update={"source": min(playbook.trigger.sources)})
    match = explain(alert, playbook)
    if wanted:
        expected, fits = "does not fire on this alert", match.outcome == "unmatched"
    else:
        expected, fits = "fires on this alert", match.outcome == "matched"
    if not fits:
        return (Difference("the trigger", expected, f"{match.outcome}: {match.trace}"),)
    return () if wanted else None


async def _play(
    world: Stage, case: TestCase, playbook: Playbook, others: Mapping[str, Playbook], box: BallotBox
) -> Execution:
    start = world.clock.now()
    world.between = box.answer
    for other in others.values():
        await world.keep(other)
    inputs = fitted(playbook.inputs, case.inputs)
    pins = {name: others[name].digest for name in sorted(reachable(others, playbook.id)) if name in others}
    execution = await world.open(playbook, case.alert, inputs=inputs, mode=case.mode, pins=pins)
    for after, happen in sorted(_happenings(world, case, execution), key=lambda one: one[0]):
        await world.run(until=start + round(after * 1000))
        await happen()
    ended = await world.finish(execution)
    if case.advance is not None:
        await world.run(until=start + round(case.advance * 1000))
        ended = await world.store.executions.get(execution.id)
    return ended


def _happenings(
    world: Stage, case: TestCase, execution: Execution
) -> Iterator[tuple[float, Callable[[], Awaitable[None]]]]:
    """What happens to the execution from outside, and when."""
    if case.restart_at is not None:
        yield case.restart_at, world.restart
    if case.cancel_at is not None:
        told = {"by": "person:test-1", "reason": "the test cancels it", "undo": case.cancel_undo}
        yield case.cancel_at, partial(_tell, world, execution, told)
    for event in case.events:
        yield event.after, partial(_happen, world, event)


async def _tell(world: Stage, execution: Execution, told: Mapping[str, Any]) -> None:
    with suppress(Conflict):  # it is over already: what the test expects of it says so better
        await world.store.executions.tell(execution.id, "cancel", told, world.clock.now())


async def _happen(world: Stage, given: GivenEvent) -> None:
    now = world.clock.now()
    await world.store.events.add([Event(derived_id("test", given.name, now), given.name, given.data, now)])


class BallotBox:
    """Answers requests as a test says, one answer for each stage."""

    def __init__(self, world: Stage, ballots: Mapping[str, tuple[Ballot, ...]]) -> None:
        self._world = world
        self._ballots = {path: list(given) for path, given in ballots.items()}
        self._passed: set[tuple[str, int]] = set()
        self._unanswered: dict[str, str] = {}

    async def answer(self) -> bool:
        """Answer what is asked now; True when somebody voted."""
        voted = False
        for approval in (await self._world.store.approvals.page("open")).items:
            place = (approval.id, approval.stage)
            if place in self._passed:
                continue
            left = self._ballots.get(approval.path)
            if not left:
                self._passed.add(place)
                self._unanswered.setdefault(approval.path, approval.message)
                continue
            ballot = left.pop(0)
            if ballot.word == "no_answer":
                self._passed.add(place)
                continue
            by = ballot.by or f"test-{len(approval.votes) + 1}"
            now = self._world.clock.now()
            vote = Vote(by, ballot.word, now, "test", "said by the test")
            await self._world.store.approvals.vote(approval.id, vote, now)
            voted = True
        return voted

    def differences(self) -> list[Difference]:
        """Requests that the test says nothing about."""
        return [
            Difference(f"approvals.{path}", "an answer: approve, deny or no_answer", f"none for {message!r}")
            for path, message in self._unanswered.items()
        ]


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
    if expect.outputs is not None:
        hold("outputs", expect.outputs, dict(execution.outputs or {}))
    for target, state in expect.containments.items():
        page = await world.store.containments.page(ContainmentFilter(target=target))
        hold(f"containments.{target}", state, page.items[0].state if page.items else "none")
    asked = {one.path: one.state for one in await world.store.approvals.of(execution.id)}
    for path, state in expect.approvals.items():
        hold(f"approvals.{path}", state, asked.get(path, "not asked"))
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
