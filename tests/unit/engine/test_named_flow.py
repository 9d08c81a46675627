"""The clauses of the rules of flow that no other test names, interpreted alone (S2, S5, S6, S8-S13)."""

from __future__ import annotations

from typing import Any

import pytest

from soar.engine.decide import decide
from soar.engine.retries import pause_after
from soar.model.execution import Fact
from soar.model.playbook import Retry
from tests.property.interpreter import OPENED, Play, new_history, play
from tests.unit.engine.conftest import book
from tests.unit.engine.test_branches import statuses
from tests.unit.engine.test_loops import failing
from tests.unit.playbook.reading import checked


def output(run: Play, path: str) -> Any:
    return next(fact for fact in run.history.facts() if fact.path == path and "output" in fact.data).data["output"]


def attempt(run: Play, path: str) -> Any:
    return next(fact for fact in run.history.facts() if fact.path == path and fact.kind == "attempt").data["input"]


def test_s2_what_was_evaluated_is_a_fact_before_what_depends_on_it_and_stays() -> None:
    steps = """
    - {set: {n: 1}}
    - {id: w, when: vars.n == 1, action: api.call}
    - {id: i, if: vars.n == 1, then: [{id: t, action: api.call}]}
    - {id: s, switch: [{when: vars.n == 1, steps: [{id: c, action: api.call}]}]}
    - {id: e, for_each: "[vars.n]", steps: [{id: m, action: api.call}]}
    - {id: l, while: loop.index <= vars.n, max_iterations: 3, steps: [{id: o, action: api.call}]}
    - {wait: {for: 1h}}
    """
    run = play(book(steps), restart=0.6)
    facts = list(run.history.facts())
    places = [(fact.path, fact.kind, fact.attempt) for fact in facts]
    assert len(places) == len(set(places)), "evaluated twice"
    order = [fact.path for fact in facts]
    for chosen, after in (("i", "i/then/t"), ("s", "s/case1/c"), ("e", "e[0]/m"), ("l", "l#1/o")):
        assert order.index(chosen) < order.index(after)
    assert [path for path, _ in run.called] == ["w", "i/then/t", "s/case1/c", "e[0]/m", "l#1/o"]


def test_s3_a_fact_is_never_older_than_the_one_before_though_the_clock_is() -> None:
    history = new_history(book("- {set: {n: 1}}\n- {id: a, wait: {for: 1h}}"), [], OPENED)
    history.move_to(OPENED - 3_600_000)
    assert history.now == OPENED
    round = decide(book("- {set: {n: 1}}\n- {id: a, wait: {for: 1h}}"), history)
    assert {fact.at for fact in round.facts} == {OPENED}


def test_s3_a_clock_set_back_while_the_process_was_down_makes_no_fact_older() -> None:
    known = [Fact("@0", "ended", 0, OPENED + 500, {"status": "succeeded", "output": {"n": 1}})]
    history = new_history(book("- {set: {n: 1}}\n- {set: {m: 2}}"), known, OPENED - 3_600_000)
    round = decide(book("- {set: {n: 1}}\n- {set: {m: 2}}"), history)
    assert [fact.at for fact in round.facts] == [OPENED + 500]


def test_s3_jitter_follows_from_key_and_attempt() -> None:
    rule = Retry(attempts=9, delay=10.0, backoff="fixed")
    pauses = [pause_after(rule, number, None, "key-1") for number in (1, 2, 3)]
    assert pauses == [pause_after(rule, number, None, "key-1") for number in (1, 2, 3)]
    assert len({*pauses, pause_after(rule, 1, None, "key-2")}) == 4


def test_s5_every_place_has_its_path() -> None:
    steps = """
    - {action: api.call}
    - {id: check, if: alert.severity == 'high', then: [{id: a, action: api.call}]}
    - {id: no, if: alert.severity == 'low', then: [{id: a0, action: api.call}], else: [{action: api.call}]}
    - {id: route, switch: [{when: 'false', steps: [{id: x, action: api.call}]},
                           {when: 'true', steps: [{id: y, action: api.call}]}]}
    - {id: other, switch: [{when: 'false', steps: [{id: z, action: api.call}]}], else: [{id: q, action: api.call}]}
    - {id: both, parallel: [{id: p, action: api.call}, {steps: [{id: r, action: api.call}]}]}
    - {id: each, for_each: '[7]', steps: [{id: n, action: api.call, with: {n: "{{ loop.index }}"}}]}
    - {id: poll, while: loop.index <= 1, max_iterations: 2, steps: [{id: look, action: api.call}]}
    - {id: bad, action: api.call, on_failure: [{id: h, action: api.call}]}
    - {id: last, action: api.call}
    """
    rest = "on_failure: [{id: f, action: api.call}]\nfinally: [{id: g, action: api.call}]\n"
    run = play(book(steps, rest), answer=failing("bad", "last"))
    straight = "@0 check/then/a no/else/@0 route/case2/y other/else/q both/p both/@1/r each[0]/n poll#1/look"
    failed = "bad bad/on_failure/h last on_failure/f finally/g"
    assert sorted(path for path, _ in run.called) == sorted(f"{straight} {failed}".split())
    assert attempt(run, "each[0]/n") == {"n": 1}


def test_s5_steps_of_a_turn_are_this_turns_and_after_a_while_the_last_ones() -> None:
    steps = """
    - id: poll
      while: loop.index <= 3
      max_iterations: 5
      steps: [{set: {n: "{{ loop.index }}"}}, {id: a, action: api.call, with: {n: "{{ vars.n }}"}},
              {id: b, action: api.call, with: {text: "{{ steps.a.status }}"}}]
    - {id: after, action: api.call, with: {text: "{{ steps.a.status }}"}}
    """
    run = play(book(steps), answer=failing("poll#3/a"), restart=0.4)
    assert [attempt(run, f"poll#{turn}/b")["text"] for turn in (1, 2)] == ["succeeded", "succeeded"]
    assert run.finish.state == "failed"
    softly = steps.replace("{id: a, action: api.call,", "{id: a, on_failure: continue, action: api.call,")
    run = play(book(softly), answer=failing("poll#3/a"), restart=0.4)
    assert [attempt(run, f"poll#{turn}/b")["text"] for turn in (1, 2, 3)] == ["succeeded", "succeeded", "failed"]
    assert attempt(run, "after") == {"text": "failed"}


def test_s5_after_a_for_each_a_step_of_its_turns_is_no_step_of_the_playbook() -> None:
    steps = "- {id: each, for_each: '[1]', steps: [{id: a, set: {n: 1}}]}\n- {stop: '{{ steps.a.status }}'}\n"
    (said,) = checked(steps)
    assert "read steps.each.items" in said


def test_s6_a_reference_to_a_step_of_a_sibling_branch_is_an_error_of_the_check() -> None:
    (said,) = checked("- parallel:\n    - {id: a, set: {n: 1}}\n    - {id: b, stop: '{{ steps.a.status }}'}\n")
    assert "branches are blind to each other" in said


def test_s6_what_a_branch_sets_is_not_seen_beside_it() -> None:
    steps = """
    - {set: {who: nobody}}
    - id: both
      parallel:
        - {id: a, steps: [{set: {who: a}}]}
        - {id: b, steps: [{wait: {for: 1m}}, {id: see, action: api.call, with: {text: "{{ vars.who }}"}}]}
    - {id: after, action: api.call, with: {text: "{{ vars.who }}"}}
    """
    run = play(book(steps))
    assert attempt(run, "both/b/see") == {"text": "nobody"}
    assert attempt(run, "after") == {"text": "a"}


def test_s8_a_history_of_fifty_thousand_facts_ends_the_execution() -> None:
    played = book("- {id: a, wait: {for: 1h}}\n- {id: b, action: api.call}")
    facts = [Fact(f"x[{number}]", "note", 1, OPENED, {}) for number in range(50_000)]  # type: ignore[arg-type]
    history = new_history(played, facts, OPENED)
    rounds = 0
    round = decide(played, history)
    while round.finish is None and rounds < 5:
        round = decide(played, history)
        rounds += 1
    assert round.finish is not None
    assert (round.finish.state, (round.finish.error or {})["kind"]) == ("failed", "limit")


def test_s9_when_comes_before_the_guard_and_the_guard_before_the_body() -> None:
    guarded = "approval: {message: ok?, timeout: 1h}, action: api.call, on_failure: [{id: h, action: api.call}]"
    skipped = play(book(f"- {{id: a, when: 'false', {guarded}}}"))
    assert [fact.kind for fact in skipped.history.facts() if fact.kind == "approval"] == []
    assert skipped.called == []
    denied = play(book(f"- {{id: a, {guarded}}}"), answers={"a": "denied"})
    assert (denied.called, denied.finish.state) == ([], "succeeded")
    run = play(book(f"- {{id: a, {guarded}}}"), answer=failing("a"))
    kinds = [(fact.path, fact.kind) for fact in run.history.facts()]
    assert kinds.index(("a", "settled")) < kinds.index(("a", "attempt")) < kinds.index(("a/on_failure/h", "attempt"))


def test_s9_a_handler_says_fail_to_fail_and_the_step_is_the_innermost() -> None:
    steps = """
    - id: outer
      steps: [{id: inner, action: api.call, on_failure: [{id: h, action: api.call}, {fail: "not so"}]}]
    - {id: next, action: api.call}
    """
    run = play(book(steps), answer=failing("outer/inner"))
    assert (run.finish.state, run.finish.message) == ("failed", "not so")
    assert ("next", 1) not in run.called
    unhandled = play(book("- {id: outer, steps: [{id: inner, action: api.call}]}"), answer=failing("outer/inner"))
    assert (unhandled.finish.error or {})["step"] == "outer/inner"


@pytest.mark.parametrize("place", ["on_failure", "finally"])
@pytest.mark.parametrize("word", ["stop", "fail"])
def test_s10_stop_and_fail_at_the_end_are_errors_of_the_check(place: str, word: str) -> None:
    for step in (f"{{{word}: enough}}", f"{{if: 'true', then: [{{{word}: enough}}]}}"):
        (said,) = checked("- {id: a, set: {n: 1}}\n", f"{place}: [{step}]\n")
        assert f"the playbook's {place} cannot stop or fail" in said


def test_s10_a_failing_on_failure_changes_nothing_more_and_finally_runs() -> None:
    rest = "on_failure: [{id: x, action: api.call}]\nfinally: [{id: z, action: api.call}]\n"
    run = play(book("- {id: a, action: api.call}", rest), answer=failing("a", "on_failure/x"))
    assert (run.finish.error or {})["step"] == "a"
    assert ("finally/z", 1) in run.called


def test_s10_the_two_lists_have_a_limit_of_their_own() -> None:
    rest = "finally: [{id: z, wait: {for: 10h}}, {id: y, action: api.call}]\n"
    run = play(book("- {id: a, action: api.call}", rest))
    assert statuses(run)["finally/z"] in ("failed", "cancelled")
    assert run.history.now - OPENED < 3_600_000


def test_s11_join_out_of_reach_lets_the_rest_finish_and_then_fails() -> None:
    steps = """
    - id: some
      join: 2
      parallel: [{id: a, action: api.call}, {id: b, action: api.call}, {id: c, wait: {for: 10m}}]
    """
    run = play(book(steps), answer=failing("some/a", "some/b"))
    assert run.finish.state == "failed"
    assert "some/c" not in statuses(run) or statuses(run)["some/c"] == "succeeded"
    assert run.history.now - OPENED >= 600_000


def test_s11_an_approval_beside_a_failure_stays_asked_and_its_answer_counts() -> None:
    steps = """
    - id: both
      on_failure: continue
      parallel:
        - {id: a, action: api.call}
        - {id: g, steps: [{wait: {for: 1m}}, {id: ask, approval: {message: ok?, timeout: 1h}, action: api.call}]}
    """
    run = play(book(steps), answer=failing("both/a"))
    assert ("both/g/ask", 1) in run.called


def test_s11_a_rejected_branch_does_not_fail_all() -> None:
    steps = """
    - parallel:
        - {id: a, action: api.call}
        - {id: g, approval: {message: ok?, timeout: 1h}, action: api.call}
    """
    assert play(book(steps), answers={"@0/g": "denied"}).finish.state == "succeeded"


def test_s12_one_item_at_a_time_unless_said_otherwise() -> None:
    run = play(book("- {id: each, for_each: '[1, 2, 3]', steps: [{id: a, action: api.call}]}"))
    assert run.open_at_once == 1


def test_s16_a_timeout_runs_over_what_is_inside_its_retries_and_an_inner_approval() -> None:
    steps = """
    - id: outer
      timeout: 1m
      steps: [{wait: {for: 50s}}, {id: w, wait: {for: 50s}}]
      on_failure: [{id: h, action: api.call, with: {text: "{{ error.kind }} {{ error.step }}"}}]
    """
    run = play(book(steps), restart=0.5)
    assert attempt(run, "outer/on_failure/h")["text"].startswith("timeout")
    assert run.history.now - OPENED < 70_000


def test_s29_a_step_that_only_asks_ends_succeeded_or_rejected_and_the_run_goes_on() -> None:
    steps = "- {id: ask, approval: {message: ok?, timeout: 1h}}\n- {set: {was: '{{ steps.ask.status }}'}}\n"
    for word, status in (("approved", "succeeded"), ("denied", "rejected"), ("expired", "rejected")):
        run = play(book(steps), answers={"ask": word})
        assert run.finish.state == "succeeded"
        assert output(run, "@1") == {"was": status}


def test_s26_a_guard_on_a_loop_asks_once_and_one_inside_it_asks_for_each() -> None:
    on = "- {id: each, approval: {message: ok?, timeout: 1h}, for_each: '[1, 2]', steps: [{id: a, action: api.call}]}"
    inside = (
        "- {id: each, for_each: '[1, 2]', steps: [{id: a, approval: {message: ok?, timeout: 1h}, action: api.call}]}"
    )
    asked = [
        [fact.path for fact in play(book(text)).history.facts() if fact.kind == "approval"] for text in (on, inside)
    ]
    assert asked == [["each"], ["each[0]/a", "each[1]/a"]]


def test_s26_guards_nest_the_inner_one_after_the_outer() -> None:
    steps = """
    - id: outer
      approval: {message: all?, timeout: 1h}
      steps: [{id: inner, approval: {message: this?, timeout: 1h}, action: api.call}]
    """
    asked = [fact.path for fact in play(book(steps)).history.facts() if fact.kind in ("approval", "settled")]
    assert asked == ["outer", "outer", "outer/inner", "outer/inner"]
    assert play(book(steps), answers={"outer": "denied"}).called == []
    assert play(book(steps), answers={"outer/inner": "denied"}).called == []
