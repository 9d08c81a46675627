"""Each construct of the language as it is read."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from soar.clock import as_millis
from soar.model.approval import Approvers, Stage
from soar.model.playbook import (
    AskApproval,
    CallPlaybook,
    ForEach,
    Parallel,
    Switch,
    UndoSteps,
    WaitEvent,
    WaitFor,
    WaitUntil,
    While,
)
from soar.model.trigger import Schedule
from soar.playbook import check_playbook, parse_playbook
from tests.unit.playbook.constructs import GOOD, TRIGGERS
from tests.unit.playbook.reading import ACTIONS, book


def read(name: str) -> Any:
    """The first step's body of a construct."""
    return book(*GOOD[name]).steps[0].body


@pytest.mark.parametrize("name", GOOD)
def test_each_construct_holds(name: str) -> None:
    assert check_playbook(book(*GOOD[name]), ACTIONS) == []


def test_parallel() -> None:
    body = read("parallel")
    assert isinstance(body, Parallel) and [step.segment for step in body.branches] == ["@0", "@1"]
    assert body.join == "any" and read("parallel_join_number").join == 2


def test_for_each() -> None:
    body = read("for_each")
    assert isinstance(body, ForEach)
    assert (body.alias, body.concurrency, body.on_item_failure) == ("tag", 5, "stop")
    scope = {"tag": "a", "item": "a", "loop": {"index": 1}}
    assert body.steps[0].body.values.render(scope) == {"last": "a a 1"}


def test_k03_a_template_gives_the_concurrency_when_it_runs() -> None:
    body = read("for_each_template")
    assert body.concurrency.render({"inputs": {"n": 0}}) == 0
    assert body.alias == "item" and body.on_item_failure == "finish"


def test_a_loop_that_says_nothing_takes_one_item_at_a_time() -> None:
    body = book("- {for_each: alert.tags, steps: [{stop: a}]}\n").steps[0].body
    assert (body.concurrency, body.on_item_failure, body.alias) == (1, "finish", "item")


def test_switch() -> None:
    body = read("switch")
    assert isinstance(body, Switch)
    assert [case.when.source for case in body.cases] == ["alert.severity == 'high'", "alert.user is none"]
    assert len(body.otherwise) == 1


def test_while() -> None:
    body = read("while")
    assert isinstance(body, While) and (body.condition.source, body.max_iterations) == ("vars.n < 3", 5)


def test_s14_the_three_ways_to_wait() -> None:
    assert read("wait_for") == WaitFor(600.0)
    until = read("wait_until")
    assert isinstance(until, WaitUntil) and until.moment.source == "alert.occurred_at"
    event = read("wait_event")
    assert isinstance(event, WaitEvent) and (event.event, event.timeout) == ("containment.lifted", 3600.0)
    assert event.match is not None
    assert event.match.render({"alert": {"src_ip": "192.0.2.1"}}) == {"target": "192.0.2.1"}


def test_a_sub_playbook() -> None:
    body = read("playbook")
    assert isinstance(body, CallPlaybook) and (body.playbook, body.inputs.source) == ("other", {"a": 1})


def test_s34_an_undo_step_names_steps() -> None:
    contain, undo = book(*GOOD["undo_step"]).steps
    assert undo.body == UndoSteps(("block",))
    assert contain.body.undo.never and contain.body.undo.after == ()


def test_s32_a_ladder_and_a_call_of_ones_own() -> None:
    ladder = read("undo_ladder").undo
    assert ladder.after == (3600.0, 86_400.0, 604_800.0) and ladder.reset == 30 * 86_400
    own = read("undo_action").undo
    assert (own.after, own.connection, own.action) == ((86_400.0,), "tickets", "create")
    assert own.inputs.render({}) == {"title": "unblock"}


def test_an_approval_alone_and_as_a_guard() -> None:
    (alone,) = book(*GOOD["approval_alone"]).steps
    assert alone.body == AskApproval() and alone.approval.timeout == 900.0
    assert alone.approval.message.render({"alert": {"user": "eve"}}) == "Sure, eve?"
    assert (alone.approval.approvers, alone.approval.on_timeout) == (Approvers(), "reject")
    rule = book(*GOOD["approval_guard"]).steps[0].approval
    assert rule.approvers == Approvers(("soc",), ("lead",), ("ana",), 2, ("requester", "author"))
    assert (rule.notify, rule.remind) == (("slack:#soc",), 300.0)
    assert rule.escalate == (Stage(("oncall",), 900.0), Stage(("ana", "slack:#all"), 3600.0))


def test_group_and_groups_are_one_list() -> None:
    steps = "- {approval: {message: a, timeout: 1h, approvers: {group: [a, b], groups: [b, c], user: x, users: y}}}\n"
    approvers = book(steps).steps[0].approval.approvers
    assert (approvers.groups, approvers.users) == (("a", "b", "c"), ("x", "y"))


@pytest.mark.parametrize("kind", ["action", "parallel", "for_each", "if", "switch", "while", "steps", "playbook"])
def test_whatever_may_change_something_can_be_guarded(kind: str) -> None:
    body = {
        "action": "action: gateway.block_ip", "parallel": "parallel: [{set: {a: 1}}]",
        "for_each": "for_each: alert.tags, steps: [{set: {a: 1}}]", "if": "if: alert.user == 'x', then: [{stop: a}]",
        "switch": "switch: [{when: alert.user == 'x', steps: [{stop: a}]}]",
        "while": "while: vars.n < 1, max_iterations: 2, steps: [{set: {n: 1}}]", "steps": "steps: [{stop: a}]",
        "playbook": "playbook: other",
    }[kind]  # fmt: skip
    (step,) = book(f"- {{approval: {{message: a, timeout: 1h}}, {body}}}\n").steps
    assert step.approval is not None and not isinstance(step.body, AskApproval)


def test_inputs_and_outputs() -> None:
    found = book(*GOOD["inputs_and_outputs"])
    user, level, ips, more = found.inputs
    assert (user.name, user.required, user.schema["pattern"]) == ("user", True, "^[a-z]+$")
    assert (level.default, level.schema) == ("low", {"type": "string", "enum": ["low", "high"]})
    assert ips.schema["items"] == {"type": "string", "format": "ipv4"} and ips.default is None
    assert more.schema["properties"] == {"n": {"type": "number", "minimum": 0, "maximum": 1.5}}
    assert found.outputs["user"].render({"inputs": {"user": "eve"}}) == "eve"
    assert found.outputs["n"].render({}) == 5


def test_the_head_of_a_playbook() -> None:
    found = book(*GOOD["head"])
    assert (found.author, found.mode, found.priority, found.exclusive) == ("ana", "shadow", -100, True)
    assert found.valid_from == as_millis(datetime(2026, 1, 31, tzinfo=UTC))
    assert found.valid_until == as_millis(datetime(2026, 2, 28, 8, tzinfo=timezone(timedelta(hours=1))))
    assert found.concurrency is not None
    assert (found.concurrency.limit, found.concurrency.when_full) == (3, "cancel_oldest")


def test_what_a_playbook_does_not_say_is_harmless() -> None:
    found = book("- {stop: a}\n")
    assert (found.mode, found.priority, found.exclusive, found.valid_from, found.concurrency) == (
        "live", 0, False, None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "moment", ["2026-01-31", "2026-01-31T00:00Z", "2026-01-31T01:00:00+01:00", "2026-01-31 00:00:00.5Z"]
)
def test_a_bare_date_is_midnight_in_utc(moment: str) -> None:
    found = book("- {stop: a}\n", f"valid_from: {moment}\n").valid_from
    assert found is not None and found // 1000 == as_millis(datetime(2026, 1, 31, tzinfo=UTC)) // 1000


@pytest.mark.parametrize("name", TRIGGERS)
def test_each_trigger_holds(name: str) -> None:
    parse_playbook(f"id: a\ntrigger: {TRIGGERS[name]}\nsteps: [{{stop: a}}]\n", "p.yaml")


def test_a_schedule_and_an_event() -> None:
    found = parse_playbook(f"id: a\ntrigger: {TRIGGERS['weekly']}\nsteps: [{{stop: a}}]\n", "p.yaml")
    assert found.trigger.schedule == Schedule("0 6 * * mon", "Europe/Berlin", "skip")
    plain = parse_playbook("id: a\ntrigger: {schedule: {cron: 0  6 * * 1}, event: a.b}\nsteps: [{stop: a}]\n", "p.yaml")
    assert plain.trigger.schedule == Schedule("0 6 * * 1", "UTC", "run_once") and plain.trigger.event == "a.b"


def test_the_ids_of_all_steps_are_known_at_any_depth() -> None:
    steps = """
    - {id: a, parallel: [{id: b, set: {x: 1}}], on_failure: [{id: c, stop: a}]}
    - {for_each: alert.tags, steps: [{id: d, stop: a}]}
    - {while: vars.x > 1, max_iterations: 1, steps: [{id: e, stop: a}]}
    - {switch: [{when: vars.x > 1, steps: [{id: f, stop: a}]}], else: [{id: g, stop: a}]}
    """
    found = book(steps.replace("\n    ", "\n").lstrip("\n"), "finally: [{id: h, set: {y: 1}}]\n")
    assert found.step_ids == frozenset("abcdefgh")
