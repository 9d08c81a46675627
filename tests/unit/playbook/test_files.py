"""Files that are no plain YAML: each is refused with its place, in bounded time and memory (E01-E05)."""

# ruff: noqa: E501 # a message stands in one line here, as people read it
from __future__ import annotations

import time
import tracemalloc

import pytest

from soar.errors import PlaybookError
from soar.playbook import parse_playbook
from tests.unit.playbook.reading import HEAD, book, refused, refused_steps, told

GOOD = HEAD + "steps:\n- stop: done\n"


def nine_levels() -> str:
    """The classic: a small file that is a thousand million words once its aliases are written out."""
    lines = ["a: &a [lol, lol, lol, lol, lol, lol, lol, lol, lol]"]
    for above, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{above}'] * 9)}]")
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_line_ends_and_a_byte_order_mark_change_nothing(ends: str, mark: str) -> None:
    text = mark + (HEAD + "steps:\n- stop: |\n    one\n    two\n").replace("\n", ends)
    (step,) = parse_playbook(text, "p.yaml").steps
    assert step.body.message.source == "one\ntwo\n"
    assert (step.location.line, step.location.column) == (4, 3)


@pytest.mark.parametrize("ends", ["\n", "\r\n", "\r", "\x85", "\u2028", "\u2029"])
def test_lines_are_counted_as_the_parser_counts_them(ends: str) -> None:
    said = "3:1: a key must be a word, not a list or a map; write a word"
    assert said in told(refused(f"a: b{ends}c: d{ends}[x]: y{ends}"))


def test_columns_count_characters_not_bytes() -> None:
    assert told(refused_steps("- {stop: '😀é', stopp: a}\n")) == [
        "4:16: the step has no key 'stopp'; did you mean 'stop'?"
    ]


ODD = {
    "empty": ("", "1:1: the file is empty; write at least id, trigger and steps"),
    "spaces": ("  \n\n", "1:1: the file is empty; write at least id, trigger and steps"),
    "comment": ("# nothing\n", "1:1: the file is empty; write at least id, trigger and steps"),
    "null": ("~\n", "1:1: the file is empty; write at least id, trigger and steps"),
    "list": ("- a\n", "1:1: the playbook must be a map, not a list; write keys such as id, trigger, steps"),
    "word": ("hello\n", "1:1: the playbook must be a map, not the text 'hello'; write keys such as id, trigger, steps"),
    "nul": ("id: a\0b\n", "1:6: the character U+0000 cannot stand in YAML; remove it"),
    "escape": (
        "id: a\ntrigger: \x1b[31m\n",
        "2:10: the character U+001B cannot stand in YAML; remove it",
    ),
    "surrogate": ("id: \ud800\n", "1:5: the character U+D800 cannot stand in YAML; remove it"),
    "mark inside": ("id: a\n\ufeffb: c\n", "2:1: the character U+FEFF cannot stand in YAML; remove it"),
    "two documents": (GOOD + "---\nid: b\n", "5:1: a second document begins here; one file holds one document: remove the `---`"),
    "merge key": (
        GOOD + "<<: {name: x}\n",
        "5:1: merge keys (<<) are not part of YAML 1.2; write the keys out",
    ),
    "tab": (GOOD + "\tname: x\n", "5:1: a tab stands where YAML wants spaces; replace it with spaces"),
    "unknown alias": (GOOD + "name: *x\n", "5:7: the alias *x stands for nothing before it; write &x first"),
    "open quote": (GOOD + "name: 'x\n", "6:1: a quote is not closed (it began in line 5); close the quote"),
    "open bracket": (
        GOOD + "tags: [a, b\nname: c\n",
        "6:5: a list or map in brackets is not closed (it began in line 5); close the bracket, or put a ',' between its items",
    ),
    "bare template": (
        GOOD + "name: {{ alert.title }}\n",
        '5:8: a key must be a word, not a list or a map; put the template in quotes: "{{ ... }}"',
    ),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), ODD.values(), ids=ODD.keys())
def test_what_is_no_playbook_file_says_where_and_what_to_do(text: str, said: str) -> None:
    assert said in told(refused(text))


TAGS = ("!!python/object:os.system", "!!python/object/apply:os.system", "!!python/name:os.system", "!!binary",
        "!!timestamp", "!!set", "!!omap", "!!int", "!include", "!secret", "!env_var", "!vault")  # fmt: skip


@pytest.mark.parametrize("tag", TAGS)
def test_no_tag_but_that_of_a_text_is_taken(tag: str) -> None:
    (problem,) = refused(GOOD + f"name: {tag} x\n")
    assert told([problem])[0].startswith("5:7: the tag '") and problem.remedy == "remove it; quotes make a text"


def test_a_text_may_say_that_it_is_one() -> None:
    assert parse_playbook(GOOD + "name: !!str 12:30\n", "p.yaml").name == "12:30"


def test_anchors_may_be_used_once_in_a_while() -> None:
    found = book(
        """
        - {set: {a: &here {ip: "{{ alert.src_ip }}"}}}
        - {set: {b: *here}}
        """
    )
    assert [step.body.values.source for step in found.steps] == [
        {"a": {"ip": "{{ alert.src_ip }}"}},
        {"b": {"ip": "{{ alert.src_ip }}"}},
    ]


HUGE = {
    "e05_alias_bomb": (nine_levels(), "with its aliases written out the file holds more than 20,000 values"),
    "e05_alias_to_itself": ("a: &a [*a]\n", "stands for nothing before it"),
    "deep lists": ("a: " + "[" * 200_000, "nested too deeply"),
    "deep blocks": ("- " * 200_000, "nested deeper than 48 levels"),
    "deep maps": ("a: " + "{a: " * 200_000, "nested deeper than 48 levels"),
    "deep keys": ("? " * 200_000, "nested deeper than 48 levels"),
    "deep lists with a tab": ("a:\t" + "[" * 200_000, "a tab stands where"),
    "ten megabytes": ("# " + "x" * 10_000_000, "the file is larger than 1,048,576 characters"),
    "many values": ("a: [" + "1, " * 30_000 + "]", "holds more than 20,000 values"),
    "many ambiguous values": ("a: [" + "1e5, " * 15_000 + "]", "only the first 200 problems are told"),
    "many unknown keys": ("".join(f"k{n}: 1\n" for n in range(9_000)), "only the first 200 problems are told"),
    "many equal keys": ("k: 1\n" * 9_000, "only the first 200 problems are told"),
    "many tabs in a line": ("a: " + "\t" * 900_000 + "[x", "a tab stands where YAML wants spaces"),
    "many tabs in texts": (HEAD + "steps:\n" + "- stop: 'x\t'\n" * 5_000 + "x", "a key without ':'"),
    "one long key": ("k" * 900_000 + ": 1\n", "a ':' stands where no key can begin"),
    "one long value": ("id: " + "k" * 900_000 + "\n", "is no name"),
}  # fmt: skip


@pytest.mark.parametrize(("text", "said"), HUGE.values(), ids=HUGE.keys())
def test_e05_a_file_that_would_be_huge_is_refused_in_no_time(text: str, said: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        problems = refused(text)
        spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert any(said in problem.message for problem in problems)
    assert len(problems) <= 201
    assert all(len(problem.message) <= 1000 and len(problem.excerpt) <= 1000 for problem in problems)
    assert spent < 10 and peak < 100_000_000


def test_e05_the_alias_bomb_says_where_it_goes_off() -> None:
    assert told(refused(nine_levels())) == [
        (
            "5:12: with its aliases written out the file holds more than 20,000 values; "
            "write the values out instead of repeating them by alias"
        )
    ]


def test_e04_equal_keys_name_the_key_and_both_lines() -> None:
    text = HEAD + "steps:\n- stop: a\nsteps:\n- action: gateway.block_ip\n  with: {ip: a}\n  with: {ip: b}\n"
    assert told(refused(text)) == [
        "5:1: the key 'steps' stands twice in this map: in line 3 and in line 5; keep one of them",
        "8:3: the key 'with' stands twice in this map: in line 7 and in line 8; keep one of them",
    ]


@pytest.mark.parametrize(
    ("inner", "key", "column"),
    [("{ip: a, ip: b}", "ip", 44), ('{ip: a, "ip": b}', "ip", 44), ("{'on': a, on: b}", "on", 46)],
)
def test_e04_equal_keys_inside_one_line_and_in_quotes(inner: str, key: str, column: int) -> None:
    assert told(refused_steps(f"- {{action: gateway.block_ip, with: {inner}}}\n")) == [
        f"4:{column}: the key {key!r} stands twice in this map: in line 4 and in line 4; keep one of them"
    ]


def test_nothing_but_a_playbook_error_comes_out_of_it() -> None:
    with pytest.raises(PlaybookError):
        parse_playbook("\ud800\0\t[{*", "p.yaml")
