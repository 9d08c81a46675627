"""Which playbooks fire on an alert, and why the others do not.

Pure. An index names, for each playbook, one test that must hold for it to fire;
only playbooks whose test can hold are weighed, so 10,000 cost little more than
ten. What the index left out is explained on demand by `explain`, from the same
alert and the same version of the playbook.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soar.ingest.candidates import CandidateIndex
from soar.ingest.fieldtests import Answer, CompiledTest, Incomparable, both, either, opposite
from soar.model.alert import Alert, Match
from soar.model.playbook import Playbook
from soar.model.trigger import And, Condition, Name, Not, Or

_OVER: Final = frozenset({"resolved", "closed"})


@dataclass(frozen=True, slots=True)
class _Compiled:
    playbook: Playbook
    selections: dict[str, tuple[tuple[CompiledTest, ...], ...]]
    tests_status: bool


class Matcher:
    """A set of playbooks, ready to be weighed against alerts."""

    def __init__(self, playbooks: Iterable[Playbook]) -> None:
        triggered = sorted((book for book in playbooks if book.trigger.detection is not None), key=lambda book: book.id)
        self._compiled = [_compile(playbook) for playbook in triggered]
        self._index = CandidateIndex(triggered)

    def match(self, alert: Alert) -> list[Match]:
        """One Match for every playbook that the index lets through, in order of their ids."""
        return [_weigh(self._compiled[number], alert) for number in self._index.candidates(alert)]


def explain(alert: Alert, playbook: Playbook) -> Match:
    """Why this playbook does or does not fire on this alert: every selection, every test."""
    if playbook.trigger.detection is None:
        return Match(playbook.id, playbook.digest, "unmatched", {"reason": "it has no trigger: it runs by hand only"})
    return _weigh(_compile(playbook), alert)


def _compile(playbook: Playbook) -> _Compiled:
    detection = playbook.trigger.detection
    selections: dict[str, tuple[tuple[CompiledTest, ...], ...]] = {}
    tests_status = False
    for selection in detection.selections if detection else ():
        selections[selection.name] = tuple(
            tuple(CompiledTest.of(test) for test in tests) for tests in selection.alternatives
        )
        tests_status = tests_status or any(test.field == "status" for tests in selection.alternatives for test in tests)
    return _Compiled(playbook, selections, tests_status)


def _weigh(compiled: _Compiled, alert: Alert) -> Match:
    playbook = compiled.playbook
    trigger = playbook.trigger
    if trigger.sources and alert.source not in trigger.sources:
        reason = f"it listens to {', '.join(sorted(trigger.sources))}, not to {alert.source}"
        return Match(playbook.id, playbook.digest, "unmatched", {"reason": reason})
    if (alert.status or "").lower() in _OVER and not compiled.tests_status:
        reason = f"the alert is {alert.status}; only a trigger that tests `status` fires on the end of an alert"
        return Match(playbook.id, playbook.digest, "unmatched", {"reason": reason})
    return _judge(compiled, alert)


def _judge(compiled: _Compiled, alert: Alert) -> Match:
    playbook = compiled.playbook
    results = {
        name: either(both(test.holds(alert) for test in tests) for tests in alternatives)
        for name, alternatives in compiled.selections.items()
    }
    detection = playbook.trigger.detection
    held = detection is not None and _holds(detection.condition, results)
    trace: dict[str, Any] = {"selections": _trace(compiled, alert, results)}
    errors = [f"selection '{name}': {answer}" for name, answer in results.items() if isinstance(answer, Incomparable)]
    if errors and held is not False:
        return Match(playbook.id, playbook.digest, "error", {"error": errors[0], **trace})
    return Match(playbook.id, playbook.digest, "matched" if held is True else "unmatched", trace)


def _holds(condition: Condition, results: Mapping[str, Answer]) -> Answer:
    """False when it is false whatever the selections in error would say; an error never makes it true."""
    match condition:
        case Name():
            return results[condition.name]
        case Not():
            return opposite(_holds(condition.operand, results))
        case And():
            return both(_holds(operand, results) for operand in condition.operands)
        case Or():
            return either(_holds(operand, results) for operand in condition.operands)


def _trace(compiled: _Compiled, alert: Alert, results: Mapping[str, Answer]) -> dict[str, Any]:
    """Per selection the alternatives with the answers of their tests."""
    told: dict[str, Any] = {}
    for name, alternatives in compiled.selections.items():
        lists = [[test.trace(alert) for test in tests] for tests in alternatives]
        told[name] = {"held": results[name] is True, "tests": lists if len(lists) > 1 else lists[0]}
    return told
