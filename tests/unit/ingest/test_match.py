"""What makes a playbook fire: selections, conditions, errors, the index, and the trace that explains it."""

# ruff: noqa: E501 # tables read better with one case in a line

from __future__ import annotations

import pytest

from soar.errors import PlaybookError
from soar.ingest.match import Matcher, explain
from soar.model.alert import Alert
from soar.playbook import parse_playbook
from soar.testing.stage import given_alert
from tests.unit.ingest.triggers import trigger, weighed

ALERT = {"user": "ana", "host": "web", "raw": {"n": 5, "t": "text"}}
A, B, NOT_A, BAD = "{user: ana}", "{host: web}", "{user: bob}", "{raw.t|gt: 1}"


@pytest.mark.parametrize(
    ("condition", "fires"),
    [
        ("a", True), ("n", False), ("not n", True), ("not a", False), ("a and b", True), ("a and n", False), ("a or n", True),
        ("n or a and b", True), ("(n or a) and n", False), ("not n and a", True), ("not (n or a)", False), ("not not a", True),
        ("1 of x*", True), ("all of x*", False), ("any of x*", True), ("1 of them", True), ("all of them", False), ("not 1 of n", True),
        ("not all of x*", True), ("all of a", True), ("a and 1 of (x*", None), ("A", None), ("a AND b", None), ("a b", None), ("", None),
        ("a and", None), ("1 of", None), ("1 of y*", None), ("2 of x*", None), ("a | count() > 5", None), ("(a", None), ("a)", None),
        ("1 of _h*", True),
    ],
)  # fmt: skip
def test_a_condition_joins_selections(condition: str, fires: bool | None) -> None:
    match = f"a: {A}\nb: {B}\nn: {NOT_A}\nx1: {A}\nx2: {NOT_A}\n_h: {A}\ncondition: '{condition}'"
    if fires is None:
        with pytest.raises(PlaybookError, match="condition"):
            weighed(match, **ALERT)
    else:
        assert (weighed(match, **ALERT).outcome == "matched") is fires


def test_them_and_patterns_leave_out_what_begins_with_an_underscore() -> None:
    assert weighed(f"a: {A}\n_n: {NOT_A}\ncondition: all of them", **ALERT).outcome == "matched"
    assert weighed(f"a: {A}\n_n: {NOT_A}\ncondition: all of *", **ALERT).outcome == "matched"


def test_without_a_condition_all_selections_must_hold() -> None:
    assert weighed(f"a: {A}\nb: {B}", **ALERT).outcome == "matched"
    assert weighed(f"a: {A}\nb: {NOT_A}", **ALERT).outcome == "unmatched"


def test_a_list_of_maps_means_any_of_them() -> None:
    assert weighed(f"a: [{NOT_A}, {A}]", **ALERT).outcome == "matched"
    assert weighed(f"a: [{NOT_A}, {{user: ana, host: db}}]", **ALERT).outcome == "unmatched"


@pytest.mark.parametrize(
    ("match", "found"),
    [
        (f"bad: {BAD}", "error"), (f"a: {A}\nbad: {BAD}", "error"), (f"a: {A}\nbad: {BAD}\ncondition: a or bad", "error"),
        (f"a: {A}\nbad: {BAD}\ncondition: a and not bad", "error"), (f"bad: {BAD}\ncondition: not bad", "error"),
        (f"n: {NOT_A}\nbad: {BAD}", "unmatched"), (f"bad: {BAD}\nn: {NOT_A}", "unmatched"),
        (f"n: {NOT_A}\nbad: {BAD}\ncondition: not bad and n", "unmatched"), (f"n: {NOT_A}\nbad: {BAD}\ncondition: n or bad", "error"),
        (f"n: {NOT_A}\nbad: {BAD}\ncondition: not (n and bad)", "error"), ("s: {user: bob, raw.t|gt: 1}", "unmatched"),
        ("s: {raw.t|gt: 1, user: bob}", "unmatched"), ("s: {raw.t|gt: 1, user: ana}", "error"), (f"s: [{BAD}, {A}]", "matched"),
        (f"s: [{A}, {BAD}]", "matched"), (f"s: [{BAD}, {NOT_A}]", "error"),
    ],
)  # fmt: skip
def test_an_error_never_fires_a_playbook_and_order_changes_nothing(match: str, found: str) -> None:
    assert weighed(match, **ALERT).outcome == found


@pytest.mark.parametrize(("source", "fires"), [("siem", True), ("edge", True), ("other", False)])
def test_a_trigger_may_listen_to_some_sources_only(source: str, fires: bool) -> None:
    found = weighed("s: {user: ana}", rest="source: [siem, edge]", user="ana", source=source)
    assert (found.outcome == "matched") is fires
    if not fires:
        assert found.trace == {"reason": "it listens to edge, siem, not to other"}


@pytest.mark.parametrize("status", ["resolved", "closed", "Resolved", "CLOSED"])
def test_the_end_of_an_alert_fires_only_what_tests_the_status(status: str) -> None:
    found = weighed("s: {user: ana}", user="ana", status=status)
    assert found.outcome == "unmatched"
    assert found.trace == {
        "reason": f"the alert is {status}; only a trigger that tests `status` fires on the end of an alert"
    }
    assert weighed("s: {user: ana, status: [resolved, closed]}", user="ana", status=status).outcome == "matched"
    assert weighed("s: {user: ana}", user="ana", status="new").outcome == "matched"


def test_the_trace_tells_every_test_with_its_value_and_what_was_missing() -> None:
    found = weighed(
        """
        burst:
          rule_name|contains: [token, key]
          severity|gte: high
        inside:
          - src_ip|cidr: 10.0.0.0/8
          - raw.zone: internal
        odd: {raw.n|gt: 7}
        condition: burst and not inside and not odd
        """,
        rule_name="Token replay", severity="low", raw={"n": "10"},
    )  # fmt: skip
    assert found.outcome == "unmatched"
    assert found.trace == {
        "selections": {
            "burst": {
                "held": False,
                "tests": [
                    {"test": "rule_name|contains", "wanted": ["token", "key"], "value": "Token replay", "held": True},
                    {"test": "severity|gte", "wanted": ["high"], "value": "low", "held": False},
                ],
            },
            "inside": {
                "held": False,
                "tests": [
                    [{"test": "src_ip|cidr", "wanted": ["10.0.0.0/8"], "missing": True, "held": False}],
                    [{"test": "raw.zone", "wanted": ["internal"], "missing": True, "held": False}],
                ],
            },
            "odd": {
                "held": False,
                "tests": [
                    {
                        "test": "raw.n|gt",
                        "wanted": [7],
                        "value": "10",
                        "error": "raw.n|gt: '10' is text and cannot be compared with 7",
                    }
                ],
            },
        }
    }


def test_the_trace_of_a_long_value_is_short() -> None:
    (test,) = weighed("s: {raw.x: a}", raw={"x": "y" * 5000}).trace["selections"]["s"]["tests"]
    assert test["value"] == "y" * 500 + "..."


def test_what_the_index_left_out_is_still_explained() -> None:
    books = [trigger(f"s: {{rule_name: rule {number}, severity|gte: high}}", f"p{number:03}") for number in range(100)]
    alert = given_alert("a", {"rule_name": "Rule 7", "severity": "high"})
    matcher = Matcher(books)
    assert [(match.playbook_id, match.outcome) for match in matcher.match(alert)] == [("p007", "matched")]
    left_out = explain(alert, books[8])
    assert left_out.outcome == "unmatched"
    assert left_out.trace["selections"]["s"]["tests"] == [
        {"test": "rule_name", "wanted": ["rule 8"], "value": "Rule 7", "held": False},
        {"test": "severity|gte", "wanted": ["high"], "value": "high", "held": True},
    ]


def test_the_index_weighs_only_what_can_fire(monkeypatch: pytest.MonkeyPatch) -> None:
    """A thousand playbooks cost hardly more than the one that fires."""
    weighed_ids: list[str] = []
    books = [trigger(f"s: {{rule_name|contains: needle-{number:04}}}", f"p{number:04}") for number in range(1000)]
    matcher = Matcher(books)
    from soar.ingest import match as module

    weigh = module._weigh
    monkeypatch.setattr(
        module, "_weigh", lambda one, alert: (weighed_ids.append(one.playbook.id), weigh(one, alert))[1]
    )
    found = matcher.match(given_alert("a", {"rule_name": "x needle-0042 y"}))
    assert [match.playbook_id for match in found if match.outcome == "matched"] == ["p0042"]
    assert len(weighed_ids) <= 12


def test_a_playbook_without_a_match_is_run_by_hand_only() -> None:
    book = parse_playbook("id: p\ntrigger: {}\nsteps: [{stop: a}]\n", "p.yaml")
    alert: Alert = given_alert("a", {})
    assert Matcher([book]).match(alert) == []
    assert explain(alert, book).trace == {"reason": "it has no trigger: it runs by hand only"}


@pytest.mark.parametrize(
    ("match", "said"),
    [
        ("s: {raw.x|re: '(?=a)b'}", "4:19: raw.x: '(?=a)b' is no pattern RE2 can read: invalid perl operator: (?="),
        ("s: {raw.x|re: '(a)\\1'}", "4:19: raw.x: '(a)\\\\1' is no pattern RE2 can read: invalid escape sequence: \\1"),
        ("s: {raw.x|re: '(('}", "4:19: raw.x: '((' is no pattern RE2 can read: missing ): (("),
        ("s: {raw.x|re: 'a{2000}'}", "4:19: raw.x: 'a{2000}' is no pattern RE2 can read"),
        ("s: {raw.x|cidr: 10.0.0.300/8}", "4:21: raw.x: '10.0.0.300/8' is no network; write such as 10.0.0.0/8 or 2001:db8::/32"),
        ("s: {raw.x|cidr: 10.0.0.1/8}", "4:21: raw.x: '10.0.0.1/8' is an address inside its network; write 10.0.0.0/8"),
        ("s: {raw.x|gt: '7'}", "4:19: raw.x: 'gt' needs a number, not the text '7'; write a number without quotes"),
        ("s: {raw.x|gt: true}", "4:19: raw.x: 'gt' needs a number, not true; write a number without quotes"),
        ("s: {raw.x|gt: null}", "4:19: raw.x: 'gt' needs a number, not nothing; write a number without quotes"),
        ("s: {severity|gte: 4}", "4:23: severity: '4' is no severity; write one of"),
        ("s: {severity: hgih}", "4:19: severity: 'hgih' is no severity and never matches; did you mean 'high'?"),
        ("s: {raw.x|contains: 5}", "4:25: raw.x: 'contains' needs a text, not the number 5; write '5' in quotes"),
        ("s: {raw.x|exists: 'true'}", "4:23: raw.x: 'exists' needs true or false, not the text 'true'; write true or false"),
        ("s: {raw.x|fieldref: usr}", "4:25: raw.x: an alert has no field 'usr' to compare with; did you mean 'user'?"),
        ("s: {raw.x|contians: a}", "4:9: there is no modifier 'contians'; did you mean 'contains'?"),
        ("s: {raw.x|base64: a}", "4:9: the modifier 'base64' of Sigma is not known here; the modifiers are"),
        ("s: {raw.x|windash|contains: a}", "4:9: the modifier 'windash' of Sigma is not known here"),
        ("s: {raw.x|contains|startswith: a}", "4:9: 'contains' and 'startswith' cannot be joined; use one of them"),
        ("s: {raw.x|i: a}", "4:9: there is no modifier 'i'"),
        ("s: {raw.x|cidr|cased: 10.0.0.0/8}", "4:9: 'cased' has no meaning with 'cidr'; remove it"),
        ("s: {usr: a}", "4:9: an alert has no field 'usr'; did you mean 'user'?"),
        ("s: {alert.user: a}", "4:9: an alert has no field 'alert.user'; write user: a trigger names the field alone"),
        ("s: {raw: a}", "4:9: an alert has no field 'raw'; write raw.path.to.field"),
        ("s: {'|contains': a}", "4:9: a field is missing before '|'"),
        ("s: {observables: a}", "4:9: observables are objects; test observables.type, observables.value or observables.role"),
        ("s: {raw.x: []}", "4:16: raw.x: an empty list matches nothing; add a value, or remove the field"),
        ("s: {raw.x: {a: b}}", "4:16: raw.x: a value must be a text or a number, not a map; write single values"),
        ("s: {raw.x: [[a]]}", "4:17: raw.x: a value must be a text or a number, not a list; write single values"),
        ("s: [a, b]", "4:9: the selection 's' must hold fields, not the text 'a'"),
        ("s: {}", "4:8: the selection 's' must hold fields, not a map"),
        ("s: []", "4:8: the selection 's' is empty; add fields to it"),
        ("condition: s", "4:5: match has no selection; add one, such as selection: {rule_name: ...}"),
        ("{}", "4:5: match must be a map of selections"),
        ("s: {user: a}\ncondition: [s]", "5:16: condition must be a text, not a list"),
    ],
)  # fmt: skip
def test_a_trigger_that_makes_no_sense_is_refused_where_it_does_not(match: str, said: str) -> None:
    with pytest.raises(PlaybookError) as caught:
        trigger(match)
    assert any(line.removeprefix("p.yaml:").startswith(said) for line in str(caught.value).split("\n")), caught.value


def test_a_pattern_that_would_take_other_engines_for_ever_is_searched_at_once() -> None:
    assert weighed("s: {raw.x|re: '^(a+)+$'}", raw={"x": "a" * 100_000 + "!"}).outcome == "unmatched"
