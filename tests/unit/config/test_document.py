"""YAML as settings and mappings are written: plain data, YAML 1.2 words, and the place of everything."""

from __future__ import annotations

from typing import Any

import pytest

from soar.config import read_document
from soar.errors import ConfigError


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        ("true", True),
        ("false", False),
        ("yes", "yes"),
        ("no", "no"),
        ("on", "on"),
        ("Off", "Off"),
        ("True", "True"),
        ("null", None),
        ("~", None),
        ("", None),
        ("Null", "Null"),
        ("7", 7),
        ("-7", -7),
        ("0", 0),
        ("0022", "0022"),
        ("0x1F", "0x1F"),
        ("0o17", "0o17"),
        ("1_000", "1_000"),
        ("12:30", "12:30"),
        ("1:2:3", "1:2:3"),
        ("1.5", 1.5),
        ("1e3", 1000.0),
        (".5", ".5"),
        (".inf", ".inf"),
        ("2026-01-01", "2026-01-01"),
        ("123456789012345678901234567890", 123456789012345678901234567890),
        ('"7"', "7"),
        ("'true'", "true"),
        ("9" * 200, "9" * 200),
    ],
)
def test_a_plain_value_is_what_yaml_1_2_says(written: str, meant: Any) -> None:
    found = read_document(f"key: {written}", "f.yaml").content["key"]
    assert found == meant
    assert type(found) is type(meant)


@pytest.mark.parametrize(
    ("text", "place", "reason"),
    [
        ("a: 1\na: 2", "2:1", "the key 'a' stands here and in line 1"),
        ("a:\n  b: 1\n  b: 2", "3:3", "the key 'b' stands here and in line 2"),
        ("a:\n\tb: 1", "2:1", "not YAML"),
        ("a: [1", "1:6", "not YAML"),
        ("a: {b: 1", "1:9", "not YAML"),
        ("a: 'x", "1:6", "not YAML"),
        ("a: 1\n---\nb: 2", "2:1", "not YAML"),
        ("? [a]\n: 1", "1:3", "a key must be text"),
        ("a: !!python/object:os.system x", "1:4", "the tag"),
        ("a: !secret x", "1:4", "the tag !secret is not taken here"),
        ("a: \x07", "1:1", "holds a character YAML does not allow"),
    ],
)
def test_what_does_not_hold_is_refused_at_its_place(text: str, place: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        read_document(text, "f.yaml")
    (problem,) = caught.value.problems
    assert str(problem).startswith(f"f.yaml:{place}: ")
    assert reason in problem.message
    assert problem.remedy


def test_aliases_are_written_out_and_a_bomb_of_them_is_refused() -> None:
    assert read_document("a: &x {b: 1}\nc: *x", "f.yaml").content == {"a": {"b": 1}, "c": {"b": 1}}
    bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n" + "".join(
        f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 9)
    )
    with pytest.raises(ConfigError, match="too deep or too large once its aliases are written out"):
        read_document(bomb, "f.yaml")
    with pytest.raises(ConfigError, match="too deep"):
        read_document("[" * 80 + "]" * 80, "f.yaml")
    with pytest.raises(ConfigError, match="too deep"):
        read_document("a: &x [*x]", "f.yaml")


def test_every_part_has_its_place() -> None:
    document = read_document("a:\n  - b: 1\n    c: {d: 2}\n", "f.yaml")
    assert str(document.place(("a", 0, "c", "d"))) == "f.yaml:3:12"
    assert str(document.place(("a", 0, "c", "d"), key=True)) == "f.yaml:3:9"
    assert str(document.place(("a", 0, "x", "y"))) == "f.yaml:2:5"  # the nearest part above it
    assert document.line(document.place(("a", 0, "c", "d"))) == "c: {d: 2}"
