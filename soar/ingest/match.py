"""Which playbooks fire on an alert, and why the others do not.

Pure. An index names, for each playbook, one test that must hold for it to fire;
only playbooks whose test can hold are weighed, so 10,000 cost little more than
ten. What the index left out is explained on demand by `explain`, from the same
alert and the same version of the playbook.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from soar.ingest.fieldtests import (
    MISSING,
    Answer,
    CompiledTest,
    Incomparable,
    both,
    either,
    lookup,
    opposite,
    wildcard_parts,
)
from soar.model.alert import Alert, Match
from soar.model.playbook import Playbook
from soar.model.trigger import And, Condition, FieldTest, Name, Not, Or

_OVER: Final = frozenset({"resolved", "closed"})
_GRAM: Final = 4
"""Characters of a substring that the index looks up."""


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
        self._index = _Index(triggered)

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


class _Index:
    """From an alert's values to the playbooks that may fire on it."""

    def __init__(self, playbooks: list[Playbook]) -> None:
        anchors = [_anchors(playbook) for playbook in playbooks]
        grams = Counter(
            gram
            for tests in anchors
            for test in tests or ()
            for value in test.values
            for gram in _grams(_literal(value))
        )
        self._always: list[int] = []
        self._equal: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._within: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._sizes: dict[str, set[int]] = defaultdict(set)
        for number, tests in enumerate(anchors):
            if tests is None:
                self._always.append(number)
                continue
            for test in tests:
                self._add(number, test, grams)

    def _add(self, number: int, test: FieldTest, grams: Counter[str]) -> None:
        for value in test.values:
            if _exact(test, value):
                self._equal[test.field][_key(value)].append(number)
            else:
                rarest = min(_grams(_literal(value)), key=lambda gram: (grams[gram], gram))
                self._within[test.field][rarest].append(number)
                self._sizes[test.field].add(len(rarest))

    def candidates(self, alert: Alert) -> list[int]:
        """Numbers of the playbooks to weigh, in order."""
        found = set(self._always)
        for field, by_value in self._equal.items():
            for key in _keys(lookup(alert, field)):
                found.update(by_value.get(key, ()))
        for field, by_gram in self._within.items():
            for key in _keys(lookup(alert, field)):
                for size in self._sizes[field]:
                    for start in range(len(key) - size + 1):
                        numbers = by_gram.get(key[start : start + size])
                        if numbers is not None:
                            found.update(numbers)
        return sorted(found)


def _anchors(playbook: Playbook) -> list[FieldTest] | None:
    """Tests of which at least one must hold for the playbook to fire; None when there is no such list."""
    detection = playbook.trigger.detection
    if detection is None:
        return None
    selections = {selection.name: selection for selection in detection.selections}
    best: list[FieldTest] | None = None
    for name in _required(detection.condition):
        tests = [min(map(_rank, enumerate(tests)), default=None) for tests in selections[name].alternatives]
        chosen = [selections[name].alternatives[number][test[1]] for number, test in enumerate(tests) if test]
        usable = len(chosen) == len(tests) and all(test is not None and test[0] < _UNUSABLE for test in tests)
        if usable and (best is None or len(chosen) < len(best)):
            best = chosen
    return best


_UNUSABLE: Final = 9


def _rank(numbered: tuple[int, FieldTest]) -> tuple[int, int]:
    """How well a test narrows: exact values first, long substrings next; the rest cannot be looked up."""
    number, test = numbered
    plain = not test.negated and all(isinstance(value, str) and value for value in test.values)
    if not plain or test.operator not in ("equals", "contains", "startswith", "endswith") or test.field == "severity":
        return _UNUSABLE, number
    if all(_exact(test, value) for value in test.values):
        return 0, number
    shortest = min(len(_literal(value)) for value in test.values)
    return (1 if shortest >= _GRAM else 2 if shortest else _UNUSABLE), number


def _required(condition: Condition) -> Iterator[str]:
    """Selections that must hold whenever the condition does."""
    if isinstance(condition, Name):
        yield condition.name
    elif isinstance(condition, And):
        for operand in condition.operands:
            yield from _required(operand)
    elif isinstance(condition, Or) and len(condition.operands) == 1:
        yield from _required(condition.operands[0])


def _exact(test: FieldTest, value: Any) -> bool:
    return (
        test.operator == "equals"
        and isinstance(value, str)
        and len(wildcard_parts(value)) == 1
        and bool(_literal(value))
    )


def _literal(value: Any) -> str:
    """The longest stretch without a wildcard, in one case."""
    parts = [part for part in wildcard_parts(str(value)) if isinstance(part, str)]
    return max(parts, key=len, default="").casefold()


def _grams(literal: str) -> list[str]:
    size = min(_GRAM, len(literal))
    return [literal[start : start + size] for start in range(len(literal) - size + 1)] if size else []


def _key(value: Any) -> str:
    return _literal(value)


def _keys(value: Any) -> Iterator[str]:
    if value is MISSING:
        return
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, list):
            yield from _keys(one)
        elif isinstance(one, bool):
            yield "true" if one else "false"
        elif not (one is None or isinstance(one, dict)):
            yield str(one).casefold()
