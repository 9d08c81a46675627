"""Whatever stands in a file, reading it ends in a playbook or in a PlaybookError."""

# ruff: noqa: E501 # lists of pieces read better in few lines
from __future__ import annotations

from hypothesis import example, given, settings
from hypothesis import strategies as st

from soar.errors import PlaybookError
from soar.playbook import check_playbook, parse_playbook

GOOD = """\
id: stolen-token
trigger:
  match: {a: {rule_name|contains: [x, y], severity|gte: high}, b: [{raw.x: 1}], condition: a and not b}
  source: [siem]
timeout: 2h
steps:
  - {id: one, action: a.b, with: {ip: "{{ alert.src_ip }}", n: [1, {x: 2.5}]}, retry: {attempts: 3}, undo: {after: 1h}}
  - {id: two, when: steps.one is succeeded, set: {x: "{{ steps.one.output.x | default(0) }}"}}
  - if: vars.x > 1
    then: [{stop: "done {{ vars.x }}"}]
    else: [{steps: [{fail: no}], on_failure: continue}]
on_failure: [{action: a.b, with: {t: "{{ error.message }}"}}]
"""
PIECES = st.sampled_from(
    ["id: ", "trigger: ", "steps: ", "match: ", "- ", "  ", "\n", "\r", "\t", "{", "}", "[", "]", ": ", "&a ", "*a", "!!str ", "!x ",
     "|", ">", "|2-", "'", '"', "#", "? ", "<<: ", "---\n", "...\n", "%YAML 1.1\n", "\\", "\\x", "{{ alert.x }}", "{% if %}", "{{",
     "condition: ", "a and b", "1 of x*", "0012", "12:30", "1e5", "true", "~", "null", "\u2028", "\x85", "\ufeff", "\0", "\ud800", "😀",
     "when: ", "action: a.b", "with: ", "set: ", "if: ", "then: ", "on_failure: ", "undo: ", "retry: ", "schedule: ", "timezone: ",
     "rule_name|contains", "raw.x|cidr: ", "severity|gte: ", "x|re: '('"]
)  # fmt: skip
SOUP = st.lists(PIECES | st.text(max_size=4), max_size=40).map("".join)


@st.composite
def damaged(draw: st.DrawFn) -> str:
    """A good playbook with pieces cut out, moved and put in."""
    text = GOOD
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(text)))
        end = min(len(text), start + draw(st.integers(0, 12)))
        text = text[:start] + draw(PIECES | st.just("")) + text[end:]
    return text


def read(text: str) -> None:
    try:
        book = parse_playbook(text, "p.yaml")
    except PlaybookError as error:
        assert error.problems
        lines = (
            text.count("\n") + text.count("\r") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 2
        )
        for problem in error.problems:
            assert problem.message and 1 <= problem.location.line <= lines and problem.location.column >= 1
    else:
        check_playbook(book, {}, ())


def test_the_good_one_is_good() -> None:
    assert parse_playbook(GOOD, "p.yaml").id == "stolen-token"


@settings(max_examples=600, deadline=None, database=None)
@given(text=SOUP)
@example("\ud800")
@example("a: b\r[x]: y\r")
@example("? |\n a\n: {{ x }}")
def test_any_text_is_a_playbook_or_an_error_with_places(text: str) -> None:
    read(text)


@settings(max_examples=400, deadline=None, database=None)
@given(text=damaged())
def test_a_damaged_playbook_is_a_playbook_or_an_error_with_places(text: str) -> None:
    read(text)
