"""A condition is true, false or an error, and kinds are never mixed (F14, F15)."""

# ruff: noqa: E501 # tables read better with one case in a line
from __future__ import annotations

from typing import Any

import pytest

from soar.expression import compile_expression
from tests.unit.expression.given import held, rendered, undecided


@pytest.mark.parametrize(
    ("source", "value", "answer"),
    [
        ("alert.risk_score >= 7", 10, True), ("alert.risk_score >= 7", 7, True), ("alert.risk_score >= 7", 6, False),
        ("alert.risk_score >= 7", 7.5, True), ("alert.risk_score < 7", 10, False), ("alert.risk_score == 10", 10.0, True),
        ("alert.risk_score != 7", 10, True), ("5 < alert.risk_score <= 10", 10, True), ("alert.risk_score in [7, 10]", 10, True),
        ("alert.risk_score | int >= 7", "10", True), ("alert.risk_score == none", None, True), ("alert.risk_score is none", None, True),
        ("alert.risk_score != none", 0, True), ("alert.risk_score == true", True, True), ("alert.risk_score == 'true'", "true", True),
        ("alert.risk_score == '10'", "10", True), ("alert.risk_score == []", [], True), ("(alert.risk_score or 50) > 7", None, True),
    ],
)  # fmt: skip
def test_f14_values_of_one_kind_compare(source: str, value: Any, answer: bool) -> None:
    assert held(source, risk_score=value) is answer


@pytest.mark.parametrize("sign", ["<", "<=", ">", ">="])
@pytest.mark.parametrize(
    ("left", "right"),
    [(10, "'7'"), ("10", "7"), (None, "7"), (True, "7"), (True, "'true'"), ("true", "true"), ([1], "1"), ({}, "1"), (True, "false")],
)  # fmt: skip
def test_f14_an_order_between_kinds_is_an_error_that_names_both(left: Any, right: str, sign: str) -> None:
    said = undecided(f"alert.risk_score {sign} {right}", risk_score=left)
    names = {10: "10 (number)", "10": '"10" (text)', None: "null", True: "true", "true": '"true" (text)'}
    assert f"cannot compare {names.get(left) if not isinstance(left, list | dict) else ''}" in said
    assert f" {sign} " in said


@pytest.mark.parametrize(
    ("left", "right", "said"),
    [
        ("10", "7", 'cannot compare "10" (text) == 7 (number); turn the text into a number with `| int`'),
        (10, "'10'", 'cannot compare 10 (number) == "10" (text); turn the text into a number with `| int`'),
        (True, "'true'", 'cannot compare true == "true" (text)'),
        ("true", "true", 'cannot compare "true" (text) == true'),
        (1, "true", "cannot compare 1 (number) == true"),
        (0, "false", "cannot compare 0 (number) == false"),
        ([1], "1", "cannot compare a list == 1 (number)"),
    ],
)
def test_f14_an_equality_between_kinds_is_an_error_never_a_quiet_no(left: Any, right: str, said: str) -> None:
    assert said in undecided(f"alert.risk_score == {right}", risk_score=left)
    assert "cannot compare" in undecided(f"alert.risk_score != {right}", risk_score=left)
    assert "cannot compare" in undecided(f"alert.risk_score in [{right}]", risk_score=left)


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("'high' >= 'medium'", True), ("'low' > 'critical'", False), ("'critical' >= 'high' > 'low'", True),
        ("alert.severity >= 'medium'", True), ("'informational' < 'low'", True), ("'b' > 'a'", True),
    ],
)  # fmt: skip
def test_f14_severities_compare_by_rank_and_other_texts_by_letters(source: str, answer: bool) -> None:
    assert held(source) is answer


@pytest.mark.parametrize("value", [1, 0, "", "true", "x", [], [1], {}, {"a": 1}, None])
def test_what_is_neither_true_nor_false_opens_no_gate(value: Any) -> None:
    assert "which is neither true nor false" in undecided("alert.raw", raw=value)


@pytest.mark.parametrize(
    "source", ["alert.raw.nope", "alert.raw.nope == 1", "not alert.raw.nope", "true and alert.raw.nope"]
)
def test_what_is_missing_opens_no_gate(source: str) -> None:
    assert "alert.raw.nope is not there" in undecided(source)


def test_a_gate_that_is_decided_asks_no_further() -> None:
    assert held("false and alert.raw.nope") is False
    assert held("true or alert.raw.nope") is True


@pytest.mark.parametrize(
    ("source", "answer"),
    [
        ("steps.skipped is skipped", True), ("steps.done is skipped", False), ("steps.done is succeeded", True),
        ("steps.failed is failed", True), ("steps.failed.error.kind == 'refused'", True),
        ("steps.skipped.status == 'skipped'", True), ("steps.skipped.status is skipped", True),
        ("steps.skipped.output.ip is defined", False), ("steps.skipped.error is none", True),
        ("steps.skipped is not succeeded", True),
    ],
)  # fmt: skip
def test_f15_a_skipped_step_can_be_asked(source: str, answer: bool) -> None:
    assert held(source) is answer


def test_a_step_that_has_not_run_is_none_of_these() -> None:
    """Outputs and handlers ask for steps that an early end left out."""
    scope = {"steps": {"later": {"status": None, "output": {}, "error": None}}}
    for word in ("succeeded", "failed", "skipped", "rejected", "cancelled"):
        assert compile_expression(f"steps.later is {word}").holds(scope) is False


def test_f15_a_skipped_step_gives_nothing_and_never_its_own_text() -> None:
    assert rendered("{{ steps.skipped.output }}") == {}
    assert rendered("{{ steps.skipped.output.ip | default('none') }}") == "none"
    assert "steps.skipped.output.ip is not there" in undecided("steps.skipped.output.ip == 'x'")
    assert "`is skipped` asks a step" in undecided("5 is skipped")
