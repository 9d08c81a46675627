"""`trigger.match`: the shape of a Sigma detection, checked field by field and value by value."""

from __future__ import annotations

import ipaddress
from typing import Final, get_args

from soar.errors import ExpressionFailed
from soar.expression import near
from soar.expression.patterns import compiled
from soar.model.alert import ALERT_FIELDS
from soar.model.severity import RANKS, SEVERITIES
from soar.model.trigger import And, Condition, Detection, FieldTest, Name, Operator, Scalar, Selection
from soar.playbook.condition import read_condition
from soar.playbook.reading import Reading, said
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode

OPERATORS: Final = frozenset(get_args(Operator)) - {"equals"}
_COMPARISONS: Final = frozenset({"lt", "lte", "gt", "gte"})
_TEXTUAL: Final = frozenset({"contains", "startswith", "endswith", "re"})
REGEX_FLAGS: Final = {"i": "i", "ignorecase": "i", "m": "m", "multiline": "m", "s": "s", "dotall": "s"}
FLAGS: Final = ("all", "cased", "neq")
_NOT_HERE: Final = frozenset(
    "base64 base64offset wide utf16 utf16le utf16be windash expand minute hour day week month year".split()
)
OBSERVABLE: Final = ("type", "value", "role")


def read_detection(reading: Reading, node: Node) -> Detection | None:
    """The selections and the condition that joins them."""
    if not isinstance(node, MapNode) or not node.entries:
        reading.note(node, f"match must be a map of selections, not {said(node)}", "write selection: {rule_name: ...}")
        return None
    names = [name for name in node.entries if name != "condition"]
    selections = [_selection(reading, name, node.entries[name].value) for name in names]
    if not names:
        reading.note(node, "match has no selection", "add one, such as selection: {rule_name: ...}")
        return None
    condition = node.get("condition")
    joined = read_condition(reading, condition, names) if condition is not None else _all_of(names)
    _note_unused(reading, node, names, joined)
    return Detection(tuple(found for found in selections if found), joined) if joined else None


def _all_of(names: list[str]) -> Condition:
    return And(tuple(Name(name) for name in names)) if len(names) > 1 else Name(names[0])


def _note_unused(reading: Reading, node: MapNode, names: list[str], condition: Condition | None) -> None:
    used = _names(condition)
    for name in names:
        if condition is not None and name not in used:
            entry = node.entries[name]
            message = f"the selection {name!r} is not used by the condition"
            reading.source.note(entry.location, message, "name it there, or remove it", warning=True)


def _names(condition: Condition | None) -> set[str]:
    if condition is None:
        return set()
    if isinstance(condition, Name):
        return {condition.name}
    operands = getattr(condition, "operands", None) or (getattr(condition, "operand", None),)
    return set().union(*(_names(operand) for operand in operands))


def _selection(reading: Reading, name: str, node: Node) -> Selection | None:
    alternatives = node.items if isinstance(node, ListNode) else (node,)
    tests = []
    for alternative in alternatives:
        if isinstance(alternative, MapNode) and alternative.entries:
            tests.append(_tests(reading, alternative))
        else:
            message = f"the selection {name!r} must hold fields, not {said(alternative)}"
            remedy = "write field: value below it; a field stands in a selection: selection: {rule_name: ...}"
            reading.note(alternative, message, remedy)
    if not alternatives:
        reading.note(node, f"the selection {name!r} is empty", "add fields to it")
    return Selection(name, tuple(tests)) if tests else None


def _tests(reading: Reading, node: MapNode) -> tuple[FieldTest, ...]:
    tests = [_test(reading, node, key) for key in node.entries]
    return tuple(test for test in tests if test is not None)


def _test(reading: Reading, node: MapNode, key: str) -> FieldTest | None:
    entry = node.entries[key]
    field, *modifiers = key.split("|")
    here = ScalarNode(entry.location, key, key)
    known = _check_field(reading, here, field)
    operator = _operator(reading, here, modifiers)
    if operator is None or not known:
        return None
    values = _values(reading, entry.value, key)
    checker = _ValueCheck(reading, field, operator)
    checked = tuple(checker.value(item) for item in values)
    flags = "".join(sorted({REGEX_FLAGS[word] for word in modifiers if word in REGEX_FLAGS}))
    if flags:
        checked = tuple(f"(?{flags}){pattern}" for pattern in checked)
    if not checked:
        return None
    every, cased, negated = (flag in modifiers for flag in FLAGS)
    return FieldTest(field, operator, checked, every, negated, cased, key)


def _check_field(reading: Reading, here: ScalarNode, field: str) -> bool:
    head, dot, rest = field.partition(".")
    if head == "raw" and dot and rest:
        return True
    if head == "observables":
        if rest in OBSERVABLE:
            return True
        reading.note(here, "observables are objects", "test observables.type, observables.value or observables.role")
        return False
    if field in ALERT_FIELDS and field != "raw":
        return True
    if field.startswith("alert."):
        remedy = f"write {field.removeprefix('alert.')}: a trigger names the field alone"
    elif field == "raw":
        remedy = "write raw.path.to.field"
    else:
        remedy = near(head, ALERT_FIELDS) or f"a field of the sender's own is written raw.{field or 'path'}"
    reading.note(here, f"an alert has no field {field!r}" if field else "a field is missing before '|'", remedy)
    return False


def _operator(reading: Reading, here: ScalarNode, modifiers: list[str]) -> Operator | None:
    operator: Operator = "equals"
    chosen: list[str] = []
    fine = True
    for word in modifiers:
        if word in OPERATORS:
            chosen.append(word)
            operator = word  # type: ignore[assignment]
        elif word not in FLAGS and not (word in REGEX_FLAGS and "re" in modifiers):
            fine = _note_modifier(reading, here, word)
    if len(chosen) > 1:
        reading.note(here, f"{chosen[0]!r} and {chosen[1]!r} cannot be joined", "use one of them")
        return None
    if "cased" in modifiers and operator in _COMPARISONS | {"cidr", "exists", "re"}:
        reading.note(here, f"'cased' has no meaning with {operator!r}", "remove it")
        return None
    return operator if fine else None


def _note_modifier(reading: Reading, here: ScalarNode, word: str) -> bool:
    words = [*OPERATORS, *FLAGS]
    if word in _NOT_HERE:
        reading.note(
            here, f"the modifier {word!r} of Sigma is not known here", f"the modifiers are {', '.join(sorted(words))}"
        )
    else:
        remedy = near(word, words) or f"the modifiers are {', '.join(sorted(words))}"
        reading.note(here, f"there is no modifier {word!r}", remedy)
    return False


def _values(reading: Reading, node: Node, key: str) -> tuple[ScalarNode, ...]:
    items = node.items if isinstance(node, ListNode) else (node,)
    if not items:
        reading.note(node, f"{key}: an empty list matches nothing", "add a value, or remove the field")
    for item in items:
        if not isinstance(item, ScalarNode):
            reading.note(item, f"{key}: a value must be a text or a number, not {said(item)}", "write single values")
    return tuple(item for item in items if isinstance(item, ScalarNode))


class _ValueCheck:
    """Whether a value can be meant by its field and operator."""

    def __init__(self, reading: Reading, field: str, operator: Operator) -> None:
        self._reading = reading
        self._field = field
        self._operator = operator

    def value(self, node: ScalarNode) -> Scalar:
        """The value; what is wrong with it is noted."""
        problem = self._problem(node)
        if problem:
            message, remedy = problem
            self._reading.note(node, f"{self._field}: {message}", remedy)
        return node.value

    def _problem(self, node: ScalarNode) -> tuple[str, str] | None:
        value, operator = node.value, self._operator
        if operator in _TEXTUAL and (not isinstance(value, str) or not value):
            return f"{operator!r} needs a text, not {said(node)}", f"write '{node.text}' in quotes"
        if operator == "exists" and not isinstance(value, bool):
            return f"'exists' needs true or false, not {said(node)}", "write true or false"
        if operator in _COMPARISONS:
            return self._comparison(node)
        if operator == "cidr":
            return _network_problem(value)
        if operator == "fieldref":
            return self._reference(value)
        if operator == "re":
            return _pattern_problem(str(value))
        return self._equality(value) if operator == "equals" else None

    def _comparison(self, node: ScalarNode) -> tuple[str, str] | None:
        if self._field == "severity":
            if node.value in RANKS:
                return None
            remedy = near(node.text, SEVERITIES) or f"write one of {', '.join(SEVERITIES)}"
            return f"{node.text!r} is no severity", remedy
        if isinstance(node.value, bool) or not isinstance(node.value, int | float):
            return f"{self._operator!r} needs a number, not {said(node)}", "write a number without quotes"
        return None

    def _equality(self, value: Scalar) -> tuple[str, str] | None:
        if self._field != "severity" or value is None:
            return None
        word = str(value).lower()
        if word in RANKS or "*" in word or "?" in word:
            return None
        remedy = near(word, SEVERITIES) or f"write one of {', '.join(SEVERITIES)}"
        return f"{value!r} is no severity and never matches", remedy

    def _reference(self, value: Scalar) -> tuple[str, str] | None:
        if isinstance(value, str) and (value in ALERT_FIELDS or value.startswith("raw.")):
            return None
        return f"an alert has no field {value!r} to compare with", near(
            str(value), ALERT_FIELDS
        ) or "write an alert field"


def _network_problem(value: Scalar) -> tuple[str, str] | None:
    try:
        ipaddress.ip_network(str(value), strict=True)
    except ValueError:
        try:
            loose = ipaddress.ip_network(str(value), strict=False)
        except ValueError:
            return f"{value!r} is no network", "write such as 10.0.0.0/8 or 2001:db8::/32"
        return f"{value!r} is an address inside its network", f"write {loose}"
    return None


def _pattern_problem(pattern: str) -> tuple[str, str] | None:
    try:
        compiled(pattern)
    except ExpressionFailed as error:
        perl = "perl operator" in str(error) or "escape" in str(error)
        return str(error), "RE2 has no look-around and no back-references" if perl else "check brackets and repetitions"
    return None
