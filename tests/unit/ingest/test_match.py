"""What makes a playbook fire: Sigma's meaning of fields, modifiers and conditions, and the trace that explains it."""

# ruff: noqa: E501 # tables read better with one case in a line

from __future__ import annotations

from textwrap import dedent, indent
from typing import Any

import pytest

from soar.errors import PlaybookError
from soar.ingest.match import Matcher, explain
from soar.model.alert import Alert, Match
from soar.model.playbook import Playbook
from soar.playbook import parse_playbook
from soar.testing.stage import given_alert


def trigger(match: str, name: str = "p", rest: str = "") -> Playbook:
    """A playbook with this `match`."""
    text = f"id: {name}\ntrigger:\n  match:\n{indent(dedent(match), '    ')}\n{indent(dedent(rest), '  ')}\nsteps: [{{stop: a}}]\n"
    return parse_playbook(text, "p.yaml")


def weighed(match: str, rest: str = "", **alert: Any) -> Match:
    """The match of one playbook, which is the same by the index as without it."""
    book, given = trigger(match, rest=rest), given_alert("a", alert)
    found = explain(given, book)
    listed = Matcher([book]).match(given)
    assert listed == [found] or (not listed and found.outcome == "unmatched")
    return found


def outcome(test: str, value: Any) -> str:
    """What one test says of `raw.x`."""
    return weighed(f"s: {{{test}}}", raw={} if value is MISSING else {"x": value}).outcome


MISSING = object()
YES = {
    # equality: whatever the case; numbers and text alike
    "raw.x: abc": ["abc", "ABC", "aBc", ["zz", "Abc"], [["abc"]]],
    "raw.x: Straße": ["STRASSE", "straße"],
    "raw.x: ''": [""],
    "raw.x: 22": [22, 22.0, "22"],
    "raw.x: '22'": [22, "22"],
    "raw.x: 1.5": [1.5, "1.5"],
    "raw.x: -7": [-7, "-7"],
    "raw.x: 12345678901234567890": [12345678901234567890, "12345678901234567890"],
    "raw.x: true": [True, "true", "True", "TRUE"],
    "raw.x: 'true'": [True, "true"],
    "raw.x: [no, se, dk]": ["no", "NO", "dk"],
    "raw.x: [1, a, true]": [1, "A", True, "1"],
    # null
    "raw.x: null": [None, MISSING, [None], []],
    "raw.x: [null, a]": [None, MISSING, "a", ["b", None]],
    # wildcards and escapes
    "raw.x: a*c": ["ac", "abc", "ABBC", "a\nc", "a*c"],
    "raw.x: a?c": ["abc", "a?c", "a*c"],
    "raw.x: '*'": ["", "x", 5],
    "raw.x: '*a*'": ["a", "bab"],
    r"raw.x: 'a\*c'": ["a*c", "A*C"],
    r"raw.x: 'a\?c'": ["a?c"],
    r"raw.x: 'a\\*c'": ["a\\c", "a\\xc"],
    r"raw.x: 'a\\\*c'": ["a\\*c"],
    r"raw.x: 'C:\Windows'": ["C:\\Windows", "c:\\windows"],
    r"raw.x: 'a\\\\b'": ["a\\\\b"],
    "raw.x: a.c": ["a.c"],
    "raw.x: '[a]'": ["[a]"],
    # contains, startswith, endswith
    "raw.x|contains: bc": ["abcd", "BC", ["x", "abc"], "b\nbc"],
    "raw.x|contains: [bc, zz]": ["abc", "zz"],
    "raw.x|contains|all: [b, c]": ["abc", "cb", ["b", "c"]],
    "raw.x|contains: '34'": [12345],
    "raw.x|contains: b*d": ["abcd", "bd"],
    r"raw.x|contains: '\*'": ["a*b"],
    "raw.x|startswith: ab": ["abc", "AB"],
    "raw.x|startswith: a?c": ["abcd"],
    "raw.x|endswith: bc": ["abc", "BC"],
    "raw.x|endswith: .exe": ["a.EXE"],
    # cased
    "raw.x|cased: aB": ["aB"],
    "raw.x|contains|cased: aB": ["xaBx"],
    "raw.x|cased: a*B": ["axxB"],
    # regular expressions: a search, case counts
    "raw.x|re: b+": ["abbc"],
    "raw.x|re: ^a.c$": ["abc"],
    "raw.x|re|i: ABC": ["xabcx"],
    "raw.x|re|m: ^b$": ["a\nb\nc"],
    "raw.x|re|s: a.b": ["a\nb"],
    "raw.x|re|i|s: A.B": ["a\nb"],
    "raw.x|re|ignorecase: A": ["a"],
    "raw.x|re: ['^a', '^b']": ["bx"],
    "raw.x|re: '^[0-9]+$'": [123, "123"],
    # networks
    "raw.x|cidr: 10.0.0.0/8": ["10.0.0.0", "10.255.255.255", "::ffff:10.1.2.3", ["192.0.2.1", "10.0.0.1"]],
    "raw.x|cidr: 192.0.2.9": ["192.0.2.9"],
    "raw.x|cidr: 2001:db8::/32": ["2001:db8::1", "2001:DB8:0:0::1"],
    "raw.x|cidr: '::ffff:192.0.2.0/120'": ["192.0.2.7", "::ffff:192.0.2.7"],
    "raw.x|cidr: [10.0.0.0/8, 2001:db8::/32]": ["10.0.0.1", "2001:db8::1"],
    "raw.x|cidr: fe80::/10": ["fe80::1%eth0", "fe80::1"],
    "raw.x|cidr: 0.0.0.0/0": ["203.0.113.1"],
    # presence
    "raw.x|exists: true": ["", 0, False, [], {}, "a", [None]],
    "raw.x|exists: false": [MISSING, None],
    # order
    "raw.x|gt: 7": [8, 7.5, [1, 8], ["a", 8], [8, "a"]],
    "raw.x|gte: 7": [7, 7.0, 10],
    "raw.x|lt: 7": [6, -1, 6.9],
    "raw.x|lte: 7": [7],
    "raw.x|gte: 9007199254740993": [9007199254740993],
    # neq is the negation, also of what is missing
    "raw.x|neq: a": ["b", MISSING, None, 5, ["b", "c"], {"a": 1}],
    "raw.x|neq: [a, b]": ["c", MISSING],
    "raw.x|contains|neq: a": ["xyz", MISSING],
    "raw.x|cidr|neq: 10.0.0.0/8": ["192.0.2.1", "nonsense", MISSING],
    "raw.x|re|neq: a": ["b", MISSING],
    "raw.x|gt|neq: 7": [7, 6, MISSING],
    "raw.x|exists|neq: true": [MISSING],
    "raw.x|neq: null": ["a", 0],
    # alternatives and conjunctions
    "raw.x|contains: a, raw.x|endswith: b": ["ab", "aab"],
}  # fmt: skip
NO = {
    "raw.x: abc": ["ab", "abcd", "", MISSING, None, 5, {"abc": 1}, {"a": "abc"}, [], [["ab"]]],
    "raw.x: ''": ["a", MISSING, None],
    "raw.x: 22": ["022", 23, "22.0", True, MISSING],
    "raw.x: 1": [True, "true"],
    "raw.x: 0": [False, "", None, MISSING],
    "raw.x: true": [1, "1", "yes", False],
    "raw.x: [no, se, dk]": [False, "n", MISSING],
    "raw.x: 'none'": [None, MISSING, [None]],
    "raw.x: 'null'": [None, MISSING],
    "raw.x: null": ["", 0, "null", "None", {}, False],
    "raw.x: a*c": ["abcd", "xabc", "abd"],
    "raw.x: a?c": ["ac", "abbc"],
    r"raw.x: 'a\*c'": ["abc", "a\\*c", "a\\bc"],
    r"raw.x: 'a\\\*c'": ["a\\bc", "a*c"],
    "raw.x: a.c": ["abc"],
    "raw.x: '[a]'": ["a"],
    "raw.x: '*'": [MISSING, None, {}],
    "raw.x|contains: bc": ["b c", "cb", MISSING, None, {"bc": "bc"}],
    "raw.x|contains: \"'bc'\"": [{"bc": 1}, ["bc"]],
    "raw.x|contains|all: [b, c]": ["b", "c", ["b", "x"], MISSING],
    "raw.x|startswith: ab": ["xab"],
    "raw.x|endswith: ab": ["abx"],
    "raw.x|cased: aB": ["ab", "AB"],
    "raw.x|contains|cased: aB": ["xabx"],
    "raw.x|re: ABC": ["abc"],
    "raw.x|re: ^b$": ["a\nb\nc"],
    "raw.x|re: a.b": ["a\nb"],
    "raw.x|re: .": [None, MISSING, {}],
    "raw.x|cidr: 10.0.0.0/8": ["11.0.0.0", "::10.0.0.1", "", "nonsense", "10.0.0", "010.0.0.1", 167772161, MISSING, "10.0.0.1:80"],
    "raw.x|cidr: 2001:db8::/32": ["2001:db9::", "10.0.0.1"],
    "raw.x|cidr: '::/0'": ["10.0.0.1", "::ffff:10.0.0.1"],
    "raw.x|cidr: 0.0.0.0/0": ["2001:db8::1"],
    "raw.x|exists: true": [MISSING, None],
    "raw.x|exists: false": ["", 0, []],
    "raw.x|gt: 7": [7, 6, MISSING, None, [1, 2], []],
    "raw.x|gte: 9007199254740993": [9007199254740992],
    "raw.x|neq: a": ["a", "A", ["b", "a"]],
    "raw.x|neq: [a, b]": ["a", "b"],
    "raw.x|contains|neq: a": ["xax"],
    "raw.x|neq: null": [None, MISSING],
    "raw.x|contains: a, raw.x|endswith: b": ["a", "b"],
}  # fmt: skip
ERRORS = {
    "raw.x|gt: 7": ["10", "", True, {}, ["a"], [1, "a"], "high"],
    "raw.x|gte: 7": ["7"],
    "raw.x|lt: 7": [False],
    "raw.x|lte: 7": [[{}]],
    "raw.x|gt|neq: 7": ["10"],
}


def cases(table: dict[str, list[Any]]) -> list[Any]:
    return [
        pytest.param(test, value, id=f"{test} ~ {'missing' if value is MISSING else repr(value)}")
        for test, values in table.items()
        for value in values
    ]


@pytest.mark.parametrize(("test", "value"), cases(YES))
def test_a_test_holds(test: str, value: Any) -> None:
    assert outcome(test, value) == "matched"


@pytest.mark.parametrize(("test", "value"), cases(NO))
def test_a_test_does_not_hold(test: str, value: Any) -> None:
    assert outcome(test, value) == "unmatched"


@pytest.mark.parametrize(("test", "value"), cases(ERRORS))
def test_f14_what_cannot_be_compared_is_an_error_and_the_playbook_does_not_fire(test: str, value: Any) -> None:
    assert outcome(test, value) == "error"


def test_f14_the_error_names_the_test_the_value_and_what_it_was_compared_with() -> None:
    assert weighed("s: {raw.x|gte: 7}", raw={"x": "10"}).trace["error"] == (
        "selection 's': raw.x|gte: '10' is text and cannot be compared with 7"
    )


@pytest.mark.parametrize(
    ("test", "severity", "fires"),
    [
        ("severity: high", "high", True), ("severity: HIGH", "high", True), ("severity: [high, critical]", "critical", True),
        ("severity: high", "low", False), ("severity|gte: high", "critical", True), ("severity|gte: high", "high", True),
        ("severity|gte: high", "medium", False), ("severity|gt: high", "high", False), ("severity|lt: medium", "low", True),
        ("severity|lt: medium", "informational", True), ("severity|lte: low", "medium", False),
        ("severity|gte: low", "unknown", False), ("severity|neq: high", "low", True), ("severity: h*", "high", True),
        ("severity_id|gte: 4", "high", True), ("severity_id|gte: 4", "medium", False), ("severity|exists: true", "unknown", True),
    ],
)  # fmt: skip
def test_severities_compare_by_rank(test: str, severity: str, fires: bool) -> None:
    assert (weighed(f"s: {{{test}}}", severity=severity).outcome == "matched") is fires


@pytest.mark.parametrize(
    ("test", "raw", "fires"),
    [
        ("raw.a.b: x", {"a": {"b": "x"}}, True), ("raw.a.b: x", {"a.b": "x"}, True), ("raw.a.b: x", {"a": {"b": "y"}, "a.b": "x"}, True),
        ("raw.a.b: y", {"a": {"b": "y"}, "a.b": "x"}, False), ("raw.a.b.c: x", {"a.b": {"c": "x"}}, True),
        ("raw.a.b.c: x", {"a": {"b.c": "x"}}, True), ("raw.a.b: x", {"a": [{"b": "y"}, {"b": "x"}]}, True),
        ("raw.a.b: x", [{"a": {"b": "x"}}], True), ("raw.a.b: x", {"a": "x"}, False), ("raw.a.b: x", "x", False), ("raw.a.b: x", None, False),
        ("raw.a.b|exists: false", {"a": {"b": None}}, True), ("raw.A: x", {"a": "x"}, False),
    ],
)  # fmt: skip
def test_a_path_is_looked_up_as_one_key_first_then_part_by_part(test: str, raw: Any, fires: bool) -> None:
    assert (weighed(f"s: {{{test}}}", raw=raw).outcome == "matched") is fires


@pytest.mark.parametrize(
    ("test", "fires"),
    [
        ("user|fieldref: client_id", True), ("user|fieldref|cased: client_id", False), ("user|fieldref|neq: client_id", False),
        ("user|fieldref: raw.list", True), ("user|fieldref: raw.nope", False), ("user|fieldref|neq: raw.nope", True),
        ("host|fieldref: session_id", False), ("host|fieldref: raw.nope", False), ("raw.list|fieldref: user", True), ("raw.n|fieldref: raw.m", True),
    ],
)  # fmt: skip
def test_fieldref_compares_two_fields_of_the_alert(test: str, fires: bool) -> None:
    found = weighed(f"s: {{{test}}}", user="Ana", client_id="ana", raw={"list": ["x", "ANA"], "n": 5, "m": "5"})
    assert (found.outcome == "matched") is fires


def test_observables_and_lists_of_the_alert_stand_for_their_elements() -> None:
    alert = {
        "observables": [{"type": "ip", "value": "192.0.2.1"}, {"type": "domain", "value": "a.example"}],
        "tags": ["x", "Y"],
    }
    match = "s: {observables.type: ip, observables.value|endswith: .example, tags|all: [x, y]}"
    assert weighed(match, **alert).outcome == "matched"
    assert weighed("s: {observables.role: actor}", **alert).outcome == "unmatched"


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
