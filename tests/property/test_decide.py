"""Any playbook, any order of completions, any number of restarts: one outcome (S1, S2, S5, S6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from zlib import crc32

from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from soar.engine.decide import decide
from soar.engine.places import any_turn, everywhere
from soar.errors import Location
from soar.expression import compile_expression, compile_value
from soar.model.playbook import (
    Action,
    Block,
    Body,
    Case,
    Choice,
    Fail,
    ForEach,
    Parallel,
    Playbook,
    Retry,
    SetVariables,
    Step,
    Stop,
    Switch,
    WaitFor,
    While,
)
from soar.model.trigger import Trigger
from tests.property.interpreter import new_history, play

drawn = settings(max_examples=100, deadline=None, phases=[Phase.explicit, Phase.reuse, Phase.generate])
"""Shrinking a playbook takes minutes; the seed in the failure is enough to look at it."""
HERE = Location("drawn.yaml")
NOTHING = compile_value({})


@st.composite
def bodies(draw: st.DrawFn, depth: int, *, racing: bool) -> Body:
    """A body of any kind; with `racing`, those too whose end depends on who is first."""
    plain = ["call", "read", "set", "wait"]
    nested = ["block", "if", "switch", "parallel", "for_each", "while"]
    kinds = plain + (nested if depth else []) + (["stop", "fail"] if racing else [])
    kind = draw(st.sampled_from(kinds))
    inner = steps(depth - 1, racing=racing)
    flag = compile_expression(draw(st.sampled_from(["true", "false", "alert.severity == 'high'", "alert.gone"])))
    match kind:
        case "call" | "read":
            return Action("api", kind, NOTHING, Retry(attempts=draw(st.integers(1, 3)), delay=1.0))
        case "set":
            return SetVariables(compile_value({draw(st.sampled_from("abc")): draw(st.integers(0, 9))}))
        case "wait":
            return WaitFor(draw(st.sampled_from([1.0, 60.0])))
        case "block":
            return Block(draw(inner))
        case "if":
            return Choice(flag, draw(inner), draw(inner))
        case "switch":
            return Switch((Case(flag, draw(inner)), Case(compile_expression("true"), draw(inner))), draw(inner))
        case "parallel":
            branches = draw(st.lists(a_step(depth - 1, racing=racing), min_size=1, max_size=3).map(tuple))
            join = draw(st.sampled_from(["all", "any", 1])) if racing else "all"
            return Parallel(_placed(branches), join)  # type: ignore[arg-type]
        case "for_each":
            items = compile_expression(str(list(range(draw(st.integers(0, 3))))))
            at_once = draw(st.integers(1, 3))
            # With `stop`, how many items were begun when one failed depends on who was first.
            failing = draw(st.sampled_from(["finish", "stop"])) if racing or at_once == 1 else "finish"
            return ForEach(items, draw(inner), "thing", at_once, failing)  # type: ignore[arg-type]
        case "while":
            turns = draw(st.integers(0, 2))
            return While(compile_expression(f"loop.index <= {turns}"), draw(inner), 3)
        case "stop":
            return Stop(compile_value("enough"))
        case _:
            return Fail(compile_value("no good"))


@st.composite
def a_step(draw: st.DrawFn, depth: int, *, racing: bool) -> Step:
    handlers = steps(0, racing=False)
    on_failure = draw(st.one_of(st.sampled_from(["fail", "continue"]), handlers)) if depth else "fail"
    when = draw(st.sampled_from([None, None, "true", "false"]))
    return Step(
        segment="@0",
        id=None,
        body=draw(bodies(depth, racing=racing)),
        location=HERE,
        when=None if when is None else compile_expression(when),
        timeout=draw(st.sampled_from([None, None, 5.0])) if racing else None,
        on_failure=on_failure,  # type: ignore[arg-type]
    )


def _placed(steps: tuple[Step, ...]) -> tuple[Step, ...]:
    from dataclasses import replace

    return tuple(replace(step, segment=f"@{place}") for place, step in enumerate(steps))


def steps(depth: int, *, racing: bool) -> st.SearchStrategy[tuple[Step, ...]]:
    return st.lists(a_step(max(depth, 0), racing=racing), min_size=1, max_size=3).map(tuple).map(_placed)


@st.composite
def playbooks(draw: st.DrawFn, *, racing: bool) -> Playbook:
    return Playbook(
        id="drawn",
        digest="drawn",
        trigger=Trigger(),
        steps=draw(steps(2, racing=racing)),
        location=HERE,
        source="",
        on_failure=draw(st.one_of(st.just(()), steps(0, racing=False))),
        finally_=draw(st.one_of(st.just(()), steps(0, racing=False))),
    )


def answers(seed: int) -> Any:
    """Outcomes that depend on the path and the try alone."""

    def answer(path: str, attempt: int) -> Mapping[str, Any]:
        drawn = crc32(f"{seed} {path} {attempt}".encode()) % 8
        if drawn == 0:
            return {"result": "refused", "message": "no"}
        if drawn == 1:
            return {"result": "unavailable", "message": "busy"}
        return {"result": "done", "output": {"n": drawn}}

    return answer


@drawn
@given(playbooks(racing=False), st.integers(0, 1_000), st.integers(0, 1_000))
def test_s01_any_order_of_completions_gives_one_outcome(playbook: Playbook, outcomes: int, order: int) -> None:
    first = play(playbook, 0, answers(outcomes))
    other = play(playbook, order, answers(outcomes))
    assert other.finish.state == first.finish.state
    assert other.ended() == first.ended()
    assert sorted(other.called) == sorted(first.called)


@drawn
@given(playbooks(racing=True), st.integers(0, 1_000), st.integers(0, 1_000))
def test_s02_a_restart_between_any_two_rounds_changes_nothing(playbook: Playbook, outcomes: int, order: int) -> None:
    whole = play(playbook, order, answers(outcomes))
    facts = list(whole.history.facts())
    again = decide(playbook, new_history(playbook, facts, whole.history.now))
    assert again.finish == whole.finish
    assert again.facts == []
    assert not (again.runs or again.asks or again.opens)
    restarted = play(playbook, order, answers(outcomes), restart=1.0)
    assert restarted.finish == whole.finish
    assert restarted.called == whole.called
    assert restarted.ended() == whole.ended()


@drawn
@given(playbooks(racing=True), st.integers(0, 1_000), st.integers(0, 1_000))
def test_s05_never_a_step_of_a_branch_that_was_not_taken(playbook: Playbook, outcomes: int, order: int) -> None:
    run = play(playbook, order, answers(outcomes), restart=0.2)
    known = {path for _, path in everywhere(playbook)}
    taken = {
        fact.path: fact.data["branch"]
        for fact in run.history.facts()
        if fact.kind == "chosen" and "branch" in fact.data
    }
    for path, _ in run.called:
        assert any_turn(path) in known
        for place, branch in taken.items():
            rest = path.removeprefix(f"{place}/") if path.startswith(f"{place}/") else None
            if rest is not None and not rest.startswith("on_failure/"):
                assert rest.startswith(f"{branch}/")
    skipped = {fact.path for fact in run.history.facts() if fact.kind == "ended" and fact.data["status"] == "skipped"}
    assert not any(path.startswith(f"{place}/") for path, _ in run.called for place in skipped)


@drawn
@given(playbooks(racing=True), st.integers(0, 1_000), st.integers(0, 1_000))
def test_s01_the_same_history_gives_the_same_round(playbook: Playbook, outcomes: int, order: int) -> None:
    run = play(playbook, order, answers(outcomes))
    facts = list(run.history.facts())
    for length in range(0, len(facts), max(len(facts) // 5, 1)):
        one = decide(playbook, new_history(playbook, facts[:length], run.history.now))
        two = decide(playbook, new_history(playbook, facts[:length], run.history.now))
        assert (one.runs, one.waits, one.facts, one.finish) == (two.runs, two.waits, two.facts, two.finish)
