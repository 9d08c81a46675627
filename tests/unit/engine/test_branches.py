"""Parallel branches, switch, stop and fail, handlers, finally: interpreted alone (S9-S13)."""

from __future__ import annotations

from typing import Any

import pytest

from tests.property.interpreter import play
from tests.unit.engine.conftest import book
from tests.unit.engine.test_loops import failing


def statuses(run: Any) -> dict[str, Any]:
    return {path: came[0] if isinstance(came, tuple) else came for path, came in run.ended().items()}


def test_s11_a_failing_branch_lets_its_siblings_finish_then_the_block_fails() -> None:
    steps = "- {id: all, parallel: [{id: a, action: api.call}, {id: b, action: api.call}, {id: c, action: api.call}]}"
    for seed in range(6):
        run = play(book(steps), seed, failing("all/b"))
        assert sorted(path for path, _ in run.called) == ["all/a", "all/b", "all/c"]
        assert run.open_at_once == 3
        assert run.finish.state == "failed"
        assert run.finish.error is not None
        assert run.finish.error["step"] == "all/b"


@pytest.mark.parametrize(("join", "needed"), [("any", 1), ("2", 2)])
def test_s11_join_reached_cuts_the_rest(join: str, needed: int) -> None:
    steps = f"""
    - id: some
      join: {join}
      parallel:
        - {{id: a, action: api.read}}
        - {{id: b, action: api.read}}
        - {{id: c, wait: {{for: 10m}}}}
        - {{id: d, steps: [{{id: e, wait: {{for: 20m}}}}]}}
    - {{id: next, action: api.call}}
    """
    run = play(book(steps), 1)
    assert run.finish.state == "succeeded"
    assert run.called[-1] == ("next", 1)
    came = statuses(run)
    assert [came.get(name) for name in ("some/a", "some/b")].count("done") >= needed
    assert came["some/c"] == came["some/d/e"] == "cancelled"


CUT = """
    - id: some
      join: {join}
      parallel:
        - {{id: a, steps: [{{id: look, action: api.read}}, {first}]}}
        - {{id: b, wait: {{for: 10m}}, on_failure: [{{id: h, set: {{handled: true}}}}]}}
        - {{id: c, on_failure: [{{id: g, action: api.call}}], steps: [{{id: d, action: api.call}}, {{set: {{x: 1}}}}]}}
    """


@pytest.mark.parametrize(("join", "first"), [("any", "{set: {found: true}}"), ("all", "{stop: enough}")])
@pytest.mark.parametrize("restart", [0.0, 1.0])
def test_s22_what_was_cut_is_not_handled_and_begins_nothing_while_the_last_call_ends(
    join: str, first: str, restart: float
) -> None:
    cut = 0
    for seed in range(12):
        run = play(book(CUT.format(join=join, first=first)), seed, restart=restart)
        assert run.finish.state == "succeeded"
        came = statuses(run)
        if run.called[0] == ("some/a/look", 1) and came["some/b"] == "cancelled" and "some/c/@1" not in came:
            cut += 1
            assert came["some/c/d"] == "done"
            assert not [path for path in came if "on_failure" in path]
    assert cut


@pytest.mark.parametrize("restart", [0.0, 1.0])
def test_s22_items_cut_by_a_stop_are_not_handled_and_begin_nothing(restart: float) -> None:
    steps = """
    - id: each
      for_each: '[1, 2]'
      concurrency: 2
      steps:
        - {id: r, action: api.call, on_failure: continue}
        - {id: s, when: 'item == 2', stop: found}
        - {id: t, set: {x: 1}}
    """
    orders = set()
    for seed in range(12):
        run = play(book(steps), seed, restart=restart)
        came = statuses(run)
        assert run.finish.message == "found"
        first = next(fact.path for fact in run.history.facts() if fact.kind == "outcome")
        orders.add(first)
        assert ("each[0]/t" in came) == (first == "each[0]/r")
    assert len(orders) == 2


def test_s11_rejected_and_skipped_do_not_count_for_a_join() -> None:
    steps = """
    - {id: some, join: 2, parallel: [{id: a, action: api.read}, {id: b, when: 'false', action: api.read}]}
    """
    run = play(book(steps))
    assert run.finish.state == "failed"
    assert run.finish.error is not None
    assert "1 of 2 branches succeeded, 2 were needed" in run.finish.error["message"]


def test_s11_skipped_does_not_fail_all() -> None:
    run = play(book("- {parallel: [{id: a, action: api.read}, {id: b, when: 'false', action: api.read}]}"))
    assert run.finish.state == "succeeded"


def test_s06_variables_of_branches_are_merged_in_playbook_order() -> None:
    steps = """
    - parallel:
        - {steps: [{action: api.call}, {set: {who: a}}]}
        - {steps: [{action: api.call}, {set: {who: b}}]}
    - {set: {seen: "{{ vars.who }}"}}
    """
    for seed in range(8):
        run = play(book(steps), seed)
        assert next(fact for fact in run.history.facts() if fact.path == "@1").data["output"] == {"seen": "b"}


@pytest.mark.parametrize("word", ["stop", "fail"])
def test_s13_stop_and_fail_end_the_execution_from_any_depth(word: str) -> None:
    steps = f"""
    - id: outer
      on_failure: continue
      parallel:
        - {{id: slow, wait: {{for: 1h}}}}
        - {{id: block, on_failure: continue, steps: [{{id: first, action: api.read}}, {{id: end, {word}: enough}}]}}
    - {{id: never, action: api.call}}
    """
    run = play(book(steps))
    assert run.finish.state == ("succeeded" if word == "stop" else "failed")
    assert run.finish.message == "enough"
    assert statuses(run)["outer/slow"] == "cancelled"
    assert ("never", 1) not in run.called


def test_s13_in_a_loop_too() -> None:
    steps = """
    - id: each
      for_each: '[1, 2, 3]'
      concurrency: 2
      steps: [{id: a, action: api.read}, {when: 'item == 1', stop: found}, {id: w, wait: {for: 1h}}]
    """
    run = play(book(steps), restart=0.3)
    assert run.finish.message == "found"
    assert "each[2]/a" not in [path for path, _ in run.called]


def test_s09_a_handler_that_ends_well_has_handled_it() -> None:
    steps = """
    - id: a
      action: api.call
      on_failure: [{id: h, action: api.call, with: {text: "{{ error.kind }} at {{ error.step }}"}}]
    - {set: {status: "{{ steps.a.status }}"}}
    """
    run = play(book(steps), answer=failing("a"))
    assert run.finish.state == "succeeded"
    assert ("a/on_failure/h", 1) in run.called
    assert next(fact for fact in run.history.facts() if fact.path == "@1").data["output"] == {"status": "failed"}


def test_s09_a_handler_that_fails_is_attached_to_the_first_error() -> None:
    run = play(
        book("- {id: a, action: api.call, on_failure: [{id: h, action: api.call}]}"),
        answer=failing("a", "a/on_failure/h"),
    )
    assert run.finish.error is not None
    assert run.finish.error["step"] == "a"
    assert run.finish.error["handler"]["step"] == "a/on_failure/h"


def test_k10_after_a_failure_the_rest_is_left_out_and_finally_runs() -> None:
    steps = "- {id: a, action: api.call}\n- {id: b, action: api.call}\n- {id: c, action: api.call}"
    rest = 'finally: [{id: d, action: api.call, with: {text: "{{ error.step }}"}}]\n'
    run = play(book(steps, rest), answer=failing("b"))
    assert [path for path, _ in run.called] == ["a", "b", "finally/d"]
    assert run.finish.state == "failed"


def test_s10_the_order_of_the_end() -> None:
    rest = """
    on_failure: [{id: x, action: api.call}, {id: y, action: api.call}]
    finally: [{id: z, action: api.call}]
    """
    run = play(book("- {id: a, action: api.call}", rest), answer=failing("a", "on_failure/x"))
    assert [path for path, _ in run.called] == ["a", "on_failure/x", "on_failure/y", "finally/z"]
    assert run.finish.error is not None
    assert run.finish.error["step"] == "a"


def test_s10_failing_finally_turns_succeeded_into_failed() -> None:
    rest = "finally: [{id: z, action: api.call}, {id: y, action: api.call}]\n"
    run = play(book("- {id: a, action: api.call}", rest), answer=failing("finally/z"))
    assert run.finish.state == "failed"
    assert ("finally/y", 1) in run.called


def test_s10_outputs_are_rendered_at_the_end() -> None:
    rest = 'outputs: {status: "{{ steps.a.status }}", n: "{{ vars.n }}"}\n'
    run = play(book("- {id: a, action: api.call}\n- {set: {n: 3}}", rest))
    assert run.finish.outputs == {"status": "succeeded", "n": 3}


def test_switch_takes_the_first_case_that_holds() -> None:
    steps = """
    - id: route
      switch:
        - {when: "alert.severity == 'low'", steps: [{id: a, action: api.call}]}
        - {when: "alert.severity == 'high'", steps: [{id: b, action: api.call}]}
        - {when: "true", steps: [{id: c, action: api.call}]}
      else: [{id: d, action: api.call}]
    """
    run = play(book(steps))
    assert [path for path, _ in run.called] == ["route/case2/b"]


def test_a_condition_that_is_an_error_opens_no_gate() -> None:
    run = play(
        book("- {id: route, switch: [{when: alert.gone, steps: [{action: api.call}]}], else: [{action: api.call}]}")
    )
    assert run.finish.state == "failed"
    assert run.called == []


def test_s29_a_rejected_guard_skips_what_is_inside_and_the_run_goes_on() -> None:
    steps = """
    - id: contain
      approval: {message: "Contain {{ alert.src_ip }}?", approvers: {group: soc}, timeout: 15m}
      steps: [{id: a, action: api.call}]
    - {set: {outer: "{{ steps.contain.status }}", inner: "{{ steps.a.status }}"}}
    """
    run = play(book(steps), answers={"contain": "denied"})
    assert run.finish.state == "succeeded"
    assert run.called == []
    output = next(fact for fact in run.history.facts() if fact.path == "@1").data["output"]
    assert output == {"outer": "rejected", "inner": "skipped"}


def test_s16_a_timeout_begins_after_the_guard() -> None:
    steps = """
    - id: contain
      timeout: 1m
      approval: {message: ok?, approvers: {group: soc}, timeout: 15m}
      steps: [{id: w, wait: {for: 30s}}]
    """
    run = play(book(steps))
    entered = next(fact for fact in run.history.facts() if fact.kind == "entered")
    settled = next(fact for fact in run.history.facts() if fact.kind == "settled")
    assert entered.at >= settled.at
    assert run.finish.state == "succeeded"


def test_k11_a_timeout_reaches_the_handler_with_its_kind() -> None:
    steps = """
    - {id: w, timeout: 1m, wait: {for: 1h}, on_failure: [{id: h, action: api.call, with: {text: "{{ error.kind }}"}}]}
    """
    run = play(book(steps))
    assert run.finish.state == "succeeded"
    attempt = next(fact for fact in run.history.facts() if fact.path == "w/on_failure/h" and fact.kind == "attempt")
    assert attempt.data["input"] == {"text": "timeout"}
