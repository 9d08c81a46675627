"""The page of the playbook language is what it is made from, and what it shows by hand holds too."""

from __future__ import annotations

import re
import runpy
from dataclasses import replace
from typing import Any

import pytest

from soar.playbook import keys, parse_playbook
from soar.testing import suite
from tests.architecture.tree import ROOT

PAGE = (ROOT / "docs" / "reference" / "playbooks.md").read_text("utf-8")
BLOCKS = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
HEAD = "id: p\ntrigger: {}\nsteps:\n"


@pytest.fixture(scope="module")
def generator() -> dict[str, Any]:
    return runpy.run_path(str(ROOT / "scripts" / "reference.py"))


def test_the_page_is_what_it_is_made_from(generator: dict[str, Any]) -> None:
    assert generator["page"]() == PAGE, "write it anew with `make reference`"


def test_the_template_may_leave_no_key_out(generator: dict[str, Any]) -> None:
    samples = generator["Samples"](ROOT / "playbooks")
    template = generator["TEMPLATE"].read_text("utf-8").replace("@step while\n", "")
    with pytest.raises(SystemExit, match="says nothing of step while"):
        list(generator["filled"](template, samples))


def test_every_key_stands_there_with_an_example(generator: dict[str, Any]) -> None:
    known: dict[str, keys.Shape] = {}
    generator["shapes"](keys.PLAYBOOK, known)
    for shape in known.values():
        for key in shape.known:
            rows = re.findall(rf"^\| `{key}` \|(.*)\|$", PAGE, re.MULTILINE)
            assert [row for row in rows if len(re.split(r"(?<!\\)\|", row)) == 4], f"{shape.what}: {key}"


def test_the_examples_by_hand_hold() -> None:
    playbooks = [block for block in BLOCKS if block.startswith("id: ") and "\ntrigger:" in block]
    tests = [block for block in BLOCKS if block.startswith("playbook: ") and "\ntests:" in block]
    assert playbooks
    assert tests
    for block in playbooks:
        parse_playbook(block, "page.yaml")
    for block in tests:
        suite.parse_suite(block, "page.test.yaml")


def test_every_key_of_a_test_stands_there() -> None:
    told = PAGE[PAGE.index("## Tests beside") :]
    words = {*suite._CASE.known, *suite._EXPECT.known, *suite._MOCK.known, *suite._EVENT.known} - {"retry_after"}
    assert sorted(word for word in words if not re.search(rf"\b{word.partition('|')[0]}\b", told)) == []


DEFAULTS = {
    "schedule.missed": ("id: p\ntrigger: {schedule: {cron: 0 6 * * 1%s}}\nsteps: [{stop: a}]\n", ", missed: run_once"),
    "schedule.timezone": ("id: p\ntrigger: {schedule: {cron: 0 6 * * 1%s}}\nsteps: [{stop: a}]\n", ", timezone: UTC"),
    "input.required": (HEAD + "- {stop: a}\ninputs: {a: {type: string%s}}\n", ", required: false"),
    "input.default": None,
    "concurrency.limit": (HEAD + "- {stop: a}\nconcurrency: {key: a%s}\n", ", limit: 1"),
    "concurrency.when_full": (HEAD + "- {stop: a}\nconcurrency: {key: a%s}\n", ", when_full: queue"),
    "approvers.required": (
        HEAD + "- {id: a, approval: {message: a, timeout: 1m, approvers: {group: b%s}}}\n", ", required: 1"),
    "approval.on_timeout": (HEAD + "- {id: a, approval: {message: a, timeout: 1m%s}}\n", ", on_timeout: reject"),
    "undo.reset": (HEAD + "- {id: a, action: b.c, undo: {after: [1m, 2m]%s}}\n", ", reset: 30d"),
    "retry.attempts": (HEAD + "- {id: a, action: b.c, retry: {delay: 2s%s}}\n", ", attempts: 3"),
    "retry.delay": (HEAD + "- {id: a, action: b.c, retry: {attempts: 3%s}}\n", ", delay: 2s"),
    "retry.backoff": (HEAD + "- {id: a, action: b.c, retry: {attempts: 3%s}}\n", ", backoff: exponential"),
    "step.on_failure": (HEAD + "- {id: a, stop: a%s}\n", ", on_failure: fail"),
    "step.join": (HEAD + "- {id: a, parallel: [{set: {a: 1}}]%s}\n", ", join: all"),
    "step.concurrency": (HEAD + "- {id: a, for_each: '[1]', steps: [{stop: a}]%s}\n", ", concurrency: 1"),
    "step.on_item_failure": (
        HEAD + "- {id: a, for_each: '[1]', steps: [{stop: a}]%s}\n", ", on_item_failure: finish"),
    "playbook.mode": (HEAD + "- {stop: a}\n%s", "mode: live\n"),
    "playbook.priority": (HEAD + "- {stop: a}\n%s", "priority: 0\n"),
    "playbook.exclusive": (HEAD + "- {stop: a}\n%s", "exclusive: false\n"),
    "playbook.timeout": None,
}  # fmt: skip
"""A text, and the words that say what holds without them. The playbook's timeout is a setting (execution.timeout), and
the default of an input must be of its type, which null is not."""


@pytest.mark.parametrize("name", [name for name, text in DEFAULTS.items() if text])
def test_a_default_is_what_holds_without_it(name: str) -> None:
    text, words = DEFAULTS[name]  # type: ignore[misc]
    bare, said = parse_playbook(text % "", "p.yaml"), parse_playbook(text % words, "p.yaml")
    found = [re.sub(r"Location\(.*?\)| at 0x\w+", "", repr(replace(one, digest="", source=""))) for one in (bare, said)]
    assert found[0] == found[1]


def test_every_default_is_held(generator: dict[str, Any]) -> None:
    known: dict[str, keys.Shape] = {}
    generator["shapes"](keys.PLAYBOOK, known)
    told = {
        f"{what.removeprefix('the ')}.{name}": str(key.default)
        for what, shape in known.items()
        for name, key in shape.known.items()
        if key.default is not None
    }
    assert told.keys() == DEFAULTS.keys()
    for name, text in DEFAULTS.items():
        assert text is None or text[1].rpartition(": ")[2].strip() == told[name], name
