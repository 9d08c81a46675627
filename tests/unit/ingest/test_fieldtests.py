"""What one test of a trigger says of one value: Sigma's meaning of fields, values and modifiers."""

# ruff: noqa: E501 # tables read better with one case in a line

from __future__ import annotations

from typing import Any

import pytest

from tests.unit.ingest.triggers import weighed


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
