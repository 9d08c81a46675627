"""What an unquoted word means (E01-E03): YAML 1.2, and an error where readers differ."""

# ruff: noqa: E501 # a message stands in one line here, as people read it
from __future__ import annotations

from typing import Any

import pytest

from soar.ingest.match import explain
from soar.playbook import parse_playbook
from soar.testing.stage import given_alert
from tests.unit.playbook.reading import HEAD, book, refused, refused_steps, told


def written(word: str) -> Any:
    """What a playbook holds where this word stands."""
    (step,) = book(f"- set:\n    x: {word}\n").steps
    return step.body.values.source["x"]


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "y", "n", "On", "OFF", "Yes", "NO", "Y", "N"])
def test_e01_the_words_of_yaml_1_1_are_text_as_keys_and_as_values(word: str) -> None:
    (step,) = book(f"- action: a.b\n  with: {{{word}: {word}, enabled: [{word}]}}\n").steps
    assert step.body.inputs.source == {word: word, "enabled": [word]}


def test_e01_a_key_that_no_playbook_has_is_named_as_it_stands() -> None:
    keys = (
        "author, concurrency, description, exclusive, finally, id, inputs, mode, name, on_failure, outputs, priority, "
        "steps, tags, timeout, trigger, valid_from, valid_until"
    )
    assert told(refused(HEAD + "steps: [{stop: a}]\non: x\nenabled: yes\n")) == [
        f"4:1: the playbook has no key 'on'; the keys here are {keys}",
        f"5:1: the playbook has no key 'enabled'; the keys here are {keys}",
    ]


@pytest.mark.parametrize("country", ["no", "NO", "se"])
@pytest.mark.parametrize("field", ["country", "raw.geo.country"])
def test_e02_norway_stays_in_the_list_of_countries(country: str, field: str) -> None:
    trigger = f"trigger: {{match: {{origin: {{{field}: [no, se, dk]}}}}}}\n"
    found = parse_playbook("id: nordic\n" + trigger + "steps: [{stop: a}]\n", "p.yaml")
    alert = given_alert("a", {"country": country, "raw": {"geo": {"country": country}}})
    assert explain(alert, found).outcome == "matched"


EXACT = {
    "true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False,
    "null": None, "Null": None, "NULL": None, "~": None, '""': "",
    "0": 0, "7": 7, "-7": -7, "1.5": 1.5, "-0.25": -0.25, "12345678901234567890": 12345678901234567890,
    "9" * 300: int("9" * 300),
    "2026-01-01": "2026-01-01", "2026-01-01T09:30:00Z": "2026-01-01T09:30:00Z", "10.0.0.1": "10.0.0.1",
    "2001:db8::1": "2001:db8::1", "::ffff:192.0.2.9": "::ffff:192.0.2.9", "1.2.3": "1.2.3", "v1.10": "v1.10",
    "15m": "15m", "24h": "24h", "1-2": "1-2", "T1528": "T1528", "0.1.0": "0.1.0", "x12:30": "x12:30",
    "nan": "nan", "inf": "inf", "=": "=", "٣": "٣", "²": "²", "None": "None", "none": "none", "undefined": "undefined",
    "'0022'": "0022", '"12:30"': "12:30", "'1.10'": "1.10", "'true'": "true", "'~'": "~", "'1e5'": "1e5",
}  # fmt: skip


@pytest.mark.parametrize(("word", "value"), EXACT.items(), ids=[word[:30] for word in EXACT])
def test_a_word_is_what_it_looks_like(word: str, value: Any) -> None:
    found = written(word)
    assert found == value and type(found) is type(value)


AMBIGUOUS = {
    "0022": "begins with a zero, which a number would lose",
    "012345678901": "begins with a zero, which a number would lose",
    "-007": "begins with a zero, which a number would lose",
    "00": "begins with a zero, which a number would lose",
    "08": "begins with a zero, which a number would lose",
    "01.5": "begins with a zero, which a number would lose",
    "12:30": "is read as a time by some and as a number by others",
    "12:30:45": "is read as a time by some and as a number by others",
    "-1:30": "is read as a time by some and as a number by others",
    "190:20:30.15": "is read as a time by some and as a number by others",
    "00:11:22:33:44:55": "is read as a time by some and as a number by others",
    "0x1F": "is read as a number by some and as text by others",
    "0o17": "is read as a number by some and as text by others",
    "0b101": "is read as a number by some and as text by others",
    ".inf": "is read as a number by some and as text by others",
    "-.Inf": "is read as a number by some and as text by others",
    ".nan": "is read as a number by some and as text by others",
    "1.10": "would not keep its form as a number",
    "1.0e3": "would not keep its form as a number",
    "1e5": "would not keep its form as a number",
    "1e400": "would not keep its form as a number",
    "1_000": "would not keep its form as a number",
    "+1": "would not keep its form as a number",
    "-0": "begins with a zero, which a number would lose",
    ".5": "would not keep its form as a number",
    "5.": "would not keep its form as a number",
    "0.1000000000000000055": "would not keep its form as a number",
    "1767226364.10485760": "would not keep its form as a number",
    "9" * 301: "is too long for a number",
}
AMBIGUOUS["-0"] = AMBIGUOUS["1e5"]


@pytest.mark.parametrize(("word", "cause"), AMBIGUOUS.items(), ids=[word[:30] for word in AMBIGUOUS])
def test_e03_what_would_become_another_value_is_an_error_with_its_place(word: str, cause: str) -> None:
    (problem,) = refused_steps(f"- action: a.b\n  with:\n    port: {word}\n")
    shown = word if len(word) <= 40 else f"{word[:37]}..."
    assert (problem.location.line, problem.location.column) == (6, 11)
    assert problem.message == f"the unquoted {shown} {cause}"
    assert "in quotes" in problem.remedy


def test_e03_the_named_cases_are_told_at_once_with_what_to_write() -> None:
    steps = """
    - action: a.b
      with:
        port: 0022
        window: 12:30
        version: 1.10
        account: 012345678901
    """
    assert told(refused_steps(steps.lstrip("\n"))) == [
        "6:11: the unquoted 0022 begins with a zero, which a number would lose; write '0022' in quotes for text",
        "7:13: the unquoted 12:30 is read as a time by some and as a number by others; write '12:30' in quotes for text",
        "8:14: the unquoted 1.10 would not keep its form as a number; write '1.10' in quotes for text, or 1.1 for a number",
        (
            "9:14: the unquoted 012345678901 begins with a zero, which a number would lose; "
            "write '012345678901' in quotes for text"
        ),
    ]


@pytest.mark.parametrize(
    ("key", "said"),
    [
        ("1", "the key 1 is not text; write '1' in quotes"),
        ("1.5", "the key 1.5 is not text; write '1.5' in quotes"),
        ("true", "the key true is not text; write 'true' in quotes"),
        ("~", "the key ~ is not text; write '~' in quotes"),
        (
            "12:30",
            "the unquoted 12:30 is read as a time by some and as a number by others; write '12:30' in quotes for text",
        ),
        ("[a]", "a key must be a word, not a list or a map; write a word"),
        ("{a: b}", "a key must be a word, not a list or a map; write a word"),
        ('"{{ alert.user }}"', "a key cannot be a template; write the key out; only values are templates"),
    ],
)
def test_a_key_is_text(key: str, said: str) -> None:
    assert told(refused_steps(f"- action: a.b\n  with:\n    ? {key}\n    : x\n")) == [f"6:7: {said}"]


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("name: 5", "4:7: name must be a text, not the number 5; write '5' in quotes"),
        ("name: true", "4:7: name must be a text, not true; write 'true' in quotes"),
        ("name: ~", "4:7: name must be a text, not nothing; write '~' in quotes"),
        ("name: ''", "4:7: name must be a text, not the text ''; write a text"),
        ("name: [a]", "4:7: name must be a text, not a list; write a text"),
        ("tags: [a, 5]", "4:11: tags: each item must be a text, not the number 5; write '5' in quotes"),
        ("timeout: 5", "4:10: timeout must be a duration, not the number 5; write 5s for seconds"),
        ("timeout: 0s", "4:10: timeout must be more than nothing and at most 3650d, not 0s; write such as 15m"),
        ("timeout: 4000d", "4:10: timeout must be more than nothing and at most 3650d, not 4000d; write such as 15m"),
        ("timeout: 1h30m", "4:10: timeout must be a duration, not the text '1h30m'; write a number and s, m, h or d, such as 15m"),
        ("timeout: -5m", "4:10: timeout must be a duration, not the text '-5m'; write a number and s, m, h or d, such as 15m"),
        ("timeout: 1.5h", "4:10: timeout must be a duration, not the text '1.5h'; write a number and s, m, h or d, such as 15m"),
    ],
)  # fmt: skip
def test_a_value_of_another_kind_says_what_stands_there(line: str, said: str) -> None:
    assert told(refused(HEAD + f"steps: [{{stop: a}}]\n{line}\n")) == [said]
