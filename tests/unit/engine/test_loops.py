"""`for_each` and `while`, interpreted alone (S12, K01-K03, K09)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from tests.property.interpreter import play
from tests.unit.engine.conftest import book


def failing(*paths: str) -> Any:
    def answer(path: str, _attempt: int) -> Mapping[str, Any]:
        return (
            {"result": "refused", "message": f"{path} refused"} if path in paths else {"result": "done", "output": {}}
        )

    return answer


def test_k01_an_empty_list_is_done_at_once_and_the_run_goes_on() -> None:
    run = play(book("- {id: each, for_each: '[]', steps: [{action: api.call}]}\n- {id: next, action: api.call}"))
    assert run.finish.state == "succeeded"
    assert run.called == [("next", 1)]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ("alert.src_ip", "text"),
        ("alert", "object"),
        ("alert.nothing", "nothing"),
    ],
)
def test_k01_what_is_no_list_is_an_error_never_letters_one_by_one(given: str, says: str) -> None:
    run = play(book(f"- {{id: each, for_each: {given}, steps: [{{action: api.call}}]}}"))
    assert run.finish.state == "failed"
    assert run.finish.error is not None
    assert run.finish.error["kind"] == "expression"
    assert says in run.finish.error["message"]
    assert run.called == []


def test_k01_null_is_an_error_too() -> None:
    run = play(book("- {id: a, action: api.read}\n- {for_each: steps.a.error, steps: [{action: api.call}]}"))
    assert run.finish.error is not None
    assert "null" in run.finish.error["message"]


@pytest.mark.parametrize("at_once", [1, 2, 10])
def test_k02_all_items_are_tried_and_then_it_fails_with_a_list(at_once: int) -> None:
    steps = f"- {{id: each, for_each: '[7, 8, 9]', concurrency: {at_once}, steps: [{{id: do, action: api.call}}]}}"
    run = play(book(steps), answer=failing("each[0]/do"))
    assert sorted(run.called) == [("each[0]/do", 1), ("each[1]/do", 1), ("each[2]/do", 1)]
    assert run.open_at_once == min(at_once, 3)
    error = run.finish.error
    assert error is not None
    assert error["step"] == "each[0]/do"
    assert error["message"].startswith("1 of 3 items failed")
    assert error["items"] == [{"index": 0, "kind": "refused", "message": "each[0]/do refused"}]


def test_k02_stop_starts_no_more() -> None:
    steps = "- {id: each, for_each: '[7, 8, 9]', on_item_failure: stop, steps: [{id: do, action: api.call}]}"
    run = play(book(steps), answer=failing("each[1]/do"))
    assert [path for path, _ in run.called] == ["each[0]/do", "each[1]/do"]


@pytest.mark.parametrize("drawn", ["0", "-1", "alert.src_ip", "true", "1.5"])
def test_k03_a_concurrency_that_turns_out_wrong_fails_at_once_and_is_named(drawn: str) -> None:
    steps = f"- {{id: each, for_each: '[1]', concurrency: '{{{{ {drawn} }}}}', steps: [{{action: api.call}}]}}"
    run = play(book(steps))
    assert run.finish.error is not None
    assert "concurrency must be a whole number" in run.finish.error["message"]
    assert run.called == []


def test_s12_items_are_readable_after_the_loop() -> None:
    steps = """
    - id: each
      for_each: '[7, 8]'
      as: n
      on_failure: continue
      steps: [{id: do, action: api.call, with: {n: "{{ n }}"}}]
    - set:
        first: "{{ steps.each.items[0].status }}"
        second: "{{ steps.each.items[1].item }}"
        why: "{{ steps.each.items[0].error.message }}"
        inner: "{{ steps.each.items[1].steps.do.status }}"
    """
    run = play(book(steps), answer=failing("each[0]/do"), restart=0.5)
    ended = next(fact for fact in run.history.facts() if fact.path == "@1" and fact.kind == "ended")
    assert ended.data["output"] == {"first": "failed", "second": 8, "why": "each[0]/do refused", "inner": "succeeded"}


def test_s06_variables_of_items_are_merged_in_item_order() -> None:
    steps = """
    - {id: each, for_each: '[7, 8, 9]', concurrency: 3, steps: [{action: api.call}, {set: {last: "{{ item }}"}}]}
    - {set: {seen: "{{ vars.last }}"}}
    """
    for seed in range(10):
        run = play(book(steps), seed)
        ended = next(fact for fact in run.history.facts() if fact.path == "@1" and fact.kind == "ended")
        assert ended.data["output"] == {"seen": 9}


def test_k09_each_turn_of_a_while_is_on_record_with_its_number() -> None:
    steps = """
    - id: poll
      while: "loop.index <= 3"
      max_iterations: 5
      steps: [{id: look, action: api.read, with: {n: "{{ loop.index }}"}}]
    - {set: {status: "{{ steps.look.status }}", turns: "{{ steps.poll.output.turns }}"}}
    """
    run = play(book(steps), restart=0.5)
    assert [path for path, _ in run.called] == ["poll#1/look", "poll#2/look", "poll#3/look"]
    ended = next(fact for fact in run.history.facts() if fact.path == "@1" and fact.kind == "ended")
    assert ended.data["output"] == {"status": "succeeded", "turns": 3}


def test_s12_a_while_that_goes_on_for_too_long_fails_with_limit() -> None:
    run = play(book("- {id: poll, while: 'true', max_iterations: 2, steps: [{action: api.read}]}"))
    assert run.finish.error is not None
    assert run.finish.error["kind"] == "limit"
    assert len(run.called) == 2


def test_s06_variables_of_a_turn_are_seen_by_the_next() -> None:
    steps = """
    - {set: {n: 0}}
    - {id: count, while: "vars.n < 3", max_iterations: 9, steps: [{action: api.read}, {set: {n: "{{ vars.n + 1 }}"}}]}
    - {set: {seen: "{{ vars.n }}"}}
    """
    run = play(book(steps), restart=0.3)
    ended = next(fact for fact in run.history.facts() if fact.path == "@2" and fact.kind == "ended")
    assert ended.data["output"] == {"seen": 3}


def test_s08_ten_thousand_items_stay_linear() -> None:
    """Walked items are looked at once each: the rounds of a loop of n items walk O(n) items in all."""
    from soar.engine.loops import _ForEach

    walked = 0
    original = _ForEach._walk_item

    def counted(self: _ForEach, *given: Any) -> Any:
        nonlocal walked
        walked += 1
        return original(self, *given)

    _ForEach._walk_item = counted  # type: ignore[method-assign]
    try:
        steps = f"- {{id: each, for_each: '{list(range(600))}', concurrency: 3, steps: [{{action: api.call}}]}}"
        run = play(book(steps))
    finally:
        _ForEach._walk_item = original  # type: ignore[method-assign]
    assert run.finish.state == "succeeded"
    assert len(run.called) == 600
    assert walked < 600 * 6
