"""Which playbooks an alert can fire at all, looked up instead of tried one by one.

Pure. For each playbook the index keeps one anchor: tests of which at least one must hold for it to
fire, and whose values can be looked up. Of several possible anchors the one is kept whose values
the fewest playbooks share: `method: POST` stands in every tenth playbook, `rule_id: R-17` in one.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, Final, NamedTuple

from soar.ingest.fieldtests import MISSING, lookup, wildcard_parts
from soar.model.alert import Alert
from soar.model.playbook import Playbook
from soar.model.trigger import And, Condition, FieldTest, Name, Or

_GRAM: Final = 4
"""Characters of a substring that the index looks up."""
_IN_ALERTS: Final = {1: 64, 2: 16, 3: 4, 4: 2}
"""How much more often than a whole value so many characters are found somewhere in an alert's text."""


class _Key(NamedTuple):
    """What is looked up: a field's whole value, or a few characters within it."""

    field: str
    whole: bool
    text: str


_Anchor = list[list[_Key]]
"""For each value one of which must hold: the keys it can be found by, any one of which will do."""


class CandidateIndex:
    """From an alert's values to the numbers of the playbooks that may fire on it."""

    def __init__(self, playbooks: Sequence[Playbook]) -> None:
        choices = [list(_selections(playbook)) for playbook in playbooks]
        shared = Counter(
            key for one in choices for tests in one for test in tests for value in _anchor(test) for key in value
        )
        self._always: list[int] = []
        self._whole: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._within: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(list))
        self._sizes: dict[str, set[int]] = defaultdict(set)
        for number, playbook in enumerate(playbooks):
            keys = _best(playbook, shared)
            if keys is None:
                self._always.append(number)
            for key in keys or ():
                self._add(number, key)

    def _add(self, number: int, key: _Key) -> None:
        if key.whole:
            self._whole[key.field][key.text].append(number)
        else:
            self._within[key.field][key.text].append(number)
            self._sizes[key.field].add(len(key.text))

    def candidates(self, alert: Alert) -> list[int]:
        """Numbers of the playbooks to weigh, in order."""
        found = set(self._always)
        for field, by_value in self._whole.items():
            for text in _texts(lookup(alert, field)):
                found.update(by_value.get(text, ()))
        for field, by_gram in self._within.items():
            for text in _texts(lookup(alert, field)):
                for size in self._sizes[field]:
                    for start in range(len(text) - size + 1):
                        numbers = by_gram.get(text[start : start + size])
                        if numbers is not None:
                            found.update(numbers)
        return sorted(found)


def _selections(playbook: Playbook) -> Iterator[list[FieldTest]]:
    """Every alternative of every selection that must hold for the playbook to fire."""
    detection = playbook.trigger.detection
    if detection is None:
        return
    required = set(_required(detection.condition))
    for selection in detection.selections:
        if selection.name in required:
            yield from map(list, selection.alternatives)


def _best(playbook: Playbook, shared: Counter[_Key]) -> list[_Key] | None:
    """The keys the fewest playbooks share, one of which the alert must have; None when there are none."""
    detection = playbook.trigger.detection
    if detection is None:
        return []
    selections = {selection.name: selection for selection in detection.selections}
    found: list[tuple[int, list[_Key]]] = []
    for name in _required(detection.condition):
        keys = [_rarest(tests, shared) for tests in selections[name].alternatives]
        usable = [one for one in keys if one is not None]
        if len(usable) == len(keys):
            flat = [key for one in usable for key in one]
            found.append((_cost(flat, shared), flat))
    return min(found, key=lambda one: one[0])[1] if found else None


def _rarest(tests: Sequence[FieldTest], shared: Counter[_Key]) -> list[_Key] | None:
    """Of tests that must all hold: the keys of the one that the fewest playbooks share."""
    anchors = [
        [min(value, key=lambda key: (shared[key], key)) for value in anchor] for anchor in map(_anchor, tests) if anchor
    ]
    return min(anchors, key=lambda keys: _cost(keys, shared), default=None)


def _cost(keys: Sequence[_Key], shared: Counter[_Key]) -> int:
    """Playbooks that come up with it, weighed by how many alerts have it: the fewer characters, the more."""
    return sum(shared[key] * (1 if key.whole else _IN_ALERTS[len(key.text)]) for key in keys)


def _anchor(test: FieldTest) -> _Anchor:
    """How a test is looked up; empty when it cannot be: negated, a number, a pattern without text."""
    plain = not test.negated and all(isinstance(value, str) and value for value in test.values)
    if not plain or test.operator not in ("equals", "contains", "startswith", "endswith") or test.field == "severity":
        return []
    keys = [_keys(test, str(value)) for value in test.values]
    return keys if all(keys) else []


def _keys(test: FieldTest, value: str) -> list[_Key]:
    literals = _literals(value)
    if literals and test.operator == "equals" and len(wildcard_parts(value)) == 1:
        return [_Key(test.field, True, literals[0])]
    return [_Key(test.field, False, gram) for literal in literals for gram in _grams(literal)]


def _grams(literal: str) -> Iterator[str]:
    size = min(_GRAM, len(literal))
    return (literal[start : start + size] for start in range(len(literal) - size + 1))


def _required(condition: Condition) -> Iterator[str]:
    """Selections that must hold whenever the condition does."""
    if isinstance(condition, Name):
        yield condition.name
    elif isinstance(condition, And):
        for operand in condition.operands:
            yield from _required(operand)
    elif isinstance(condition, Or) and len(condition.operands) == 1:
        yield from _required(condition.operands[0])


def _literals(value: str) -> list[str]:
    """The stretches without a wildcard, in one case."""
    return [part.casefold() for part in wildcard_parts(value) if isinstance(part, str) and part]


def _texts(value: Any) -> Iterator[str]:
    if value is MISSING:
        return
    for one in value if isinstance(value, list) else (value,):
        if isinstance(one, list):
            yield from _texts(one)
        elif isinstance(one, bool):
            yield "true" if one else "false"
        elif not (one is None or isinstance(one, dict)):
            yield str(one).casefold()
