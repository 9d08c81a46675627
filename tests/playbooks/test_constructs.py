"""Every construct of the language stands in a shipped playbook, and each playbook's tests go down all its ways.

The constructs are those of the shapes that the reader takes its keys from, so a new key is asked for here by itself.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final, get_args

import pytest

from soar.model.playbook import Playbook
from soar.model.trigger import Operator
from soar.playbook import keys, parse_playbook
from soar.playbook.source import plain_data, read_source
from soar.playbook.tree import everywhere
from soar.testing.suite import Suite, read_suite

FOLDER = Path(__file__).parents[2] / "playbooks"
NAMES = sorted(path.stem for path in FOLDER.glob("*.yaml") if not path.stem.endswith(".test"))
TEN = {
    "stolen-token",
    "credential-stuffing",
    "api-key-leaked",
    "client-over-baseline",
    "consent-abuse",
    "bola-scan",
    "mtls-certificate-anomaly",
    "admin-new-country",
    "payout-burst",
    "weekly-containment-review",
}
LEFT_OUT: Final = {
    "the playbook.mode: shadow": "how an operator tries a playbook; what ships is meant to act",
    "the playbook.mode: disabled": "what ships disabled would not be read by anybody",
    "the approval.on_timeout: approve": "the shipped policy takes silence for a yes to no action at all",
    "the step.on_failure: fail": "what holds without it; writing it down says nothing",
    **{f"the input.format: {word}": "one more line of the form" for word in ("date", "email", "ipv6", "uri", "uuid")},
    "the schedule.missed: skip": "a review that is left out is one nobody makes up for",
    "the schedule.missed: run_all": "a board has one state, so one review of it is enough",
}


def labels(kind: keys.Kind, where: str) -> Iterator[str]:
    """Every construct below a kind of value: keys, words, and which of several forms a value takes."""
    yield from _labels(kind, where, set())


def _labels(kind: keys.Kind, where: str, known: set[str]) -> Iterator[str]:
    if isinstance(kind, keys.Shape):
        if kind.what in known:
            return
        known.add(kind.what)
        for name, key in kind.known.items():
            yield f"{_what(kind)}.{name}"
            yield from _labels(key.kind, f"{_what(kind)}.{name}", known)
    elif isinstance(kind, keys.Named | keys.Several):
        yield from _labels(kind.kind, where, known)
    elif isinstance(kind, keys.Either):
        for one in kind.kinds:
            yield from () if isinstance(one, tuple) else (f"{where}: ({_form(one)})",)
            yield from _labels(one, where, known)
    elif isinstance(kind, tuple):
        yield from (f"{where}: {word}" for word in kind)
    elif kind == "steps":
        yield from _labels(keys.STEP, where, known)
    elif kind in ("part", "parts"):
        yield from _labels(keys.INPUT_PART, where, known)


def found(kind: keys.Kind, value: Any, where: str) -> Iterator[str]:
    """The constructs that a value of a file is made of."""
    if isinstance(kind, keys.Shape):
        for name, below in value.items():
            yield f"{_what(kind)}.{name}"
            yield from found(kind.known[name].kind, below, f"{_what(kind)}.{name}")
    elif isinstance(kind, keys.Named):
        for below in value.values():
            yield from found(kind.kind, below, where)
    elif isinstance(kind, keys.Several):
        for below in value if isinstance(value, list) else [value]:
            yield from found(kind.kind, below, where)
    elif isinstance(kind, keys.Either):
        one = next(one for one in kind.kinds if _fits(one, value))
        yield from () if isinstance(one, tuple) else (f"{where}: ({_form(one)})",)
        yield from found(one, value, where)
    elif isinstance(kind, tuple):
        yield f"{where}: {value}"
    elif kind == "steps":
        for below in value:
            yield from found(keys.STEP, below, where)
    elif kind == "part":
        yield from found(keys.INPUT_PART, value, where)
    elif kind == "parts":
        for below in value.values():
            yield from found(keys.INPUT_PART, below, where)


def _what(shape: keys.Shape) -> str:
    """An item of a list and a field of an object are described as an input is."""
    return keys.INPUT.what if shape is keys.INPUT_PART else shape.what


def _form(kind: keys.Kind) -> str:
    return kind.what if isinstance(kind, keys.Shape) else "a number" if isinstance(kind, range) else str(kind)


def _fits(kind: keys.Kind, value: Any) -> bool:
    if isinstance(kind, keys.Shape):
        return isinstance(value, Mapping)
    if isinstance(kind, range):
        return isinstance(value, int)
    if isinstance(kind, tuple):
        return value in kind
    return isinstance(value, list) if kind in ("steps", "ids") else isinstance(value, str)


@cache
def constructs(name: str) -> frozenset[str]:
    root = read_source((FOLDER / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml").root
    assert root is not None
    return frozenset(found(keys.PLAYBOOK, plain_data(root), ""))


@cache
def book(name: str) -> Playbook:
    return parse_playbook((FOLDER / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")


@cache
def suite(name: str) -> Suite:
    return read_suite(FOLDER / f"{name}.test.yaml")


def test_the_ten_playbooks_ship() -> None:
    assert set(NAMES) >= TEN


def test_every_construct_stands_in_a_shipped_playbook() -> None:
    universe = set(labels(keys.PLAYBOOK, ""))
    counted = Counter(label for name in NAMES for label in constructs(name))
    assert set(counted) <= universe, "what the files hold and what the shapes name are told alike"
    print("\n".join(f"{counted[label]:3} {label}" for label in sorted(universe)))  # `pytest -s` shows it
    assert sorted(label for label in universe if not counted[label]) == sorted(LEFT_OUT)


def test_every_kind_of_trigger_and_test_stands_in_one() -> None:
    triggers = [book(name).trigger for name in NAMES]
    detections = [trigger.detection for trigger in triggers if trigger.detection is not None]
    selections = [selection for detection in detections for selection in detection.selections]
    tests = [test for selection in selections for alternative in selection.alternatives for test in alternative]
    assert any(len(selection.alternatives) > 1 for selection in selections)
    assert {test.operator for test in tests} == set(get_args(Operator))
    flags, kinds = ("negated", "every", "cased"), ("detection", "schedule", "event", "sources")
    assert [flag for flag in flags if not any(getattr(test, flag) for test in tests)] == []
    assert [kind for kind in kinds if not any(getattr(trigger, kind) for trigger in triggers)] == []


@pytest.mark.parametrize("name", NAMES)
def test_its_tests_reach_success_failure_and_every_no(name: str) -> None:
    cases = suite(name).cases
    assert suite(name).playbook == name
    assert {"succeeded", "failed"} <= {case.expect.status for case in cases}
    asking = {placed.step.id for placed in everywhere(book(name)) if placed.step.approval is not None}
    for step in asking:
        denied = [
            case
            for case in cases
            for path, ballots in case.approvals.items()
            if path.rpartition("/")[2] == step and any(ballot.word == "deny" for ballot in ballots)
        ]
        assert [case for case in denied if case.expect.steps.get(step or "") == "rejected"], f"nobody says no to {step}"


@pytest.mark.parametrize("name", NAMES)
def test_telling_people_never_holds_it_up_and_failures_are_told(name: str) -> None:
    """A message has a limit of its own, and one that is lost fails nothing; only what is told at the end may."""
    playbook = book(name)
    for placed in everywhere(playbook):
        called = getattr(placed.step.body, "playbook", None) or getattr(placed.step.body, "name", "")
        if called in ("lib-tell", "chat.post_message", "oncall.request"):
            assert placed.step.timeout is not None, f"{placed.step.id} waits as long as it takes"
    assert playbook.on_failure or name.startswith("lib-"), "nobody hears that it failed"


def test_the_page_tells_of_every_playbook_and_of_no_other() -> None:
    text = (FOLDER.parent / "docs" / "shipped-playbooks.md").read_text("utf-8")
    told = re.findall(r"^\| `([a-z-]+)` \|", text, re.MULTILINE)
    assert sorted(told) == NAMES
    assert set(told[:10]) == TEN
