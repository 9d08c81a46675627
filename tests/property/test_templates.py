"""A template never changes the type or the text of what an alert says."""

# ruff: noqa: E501 # lists of pieces read better in few lines
from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from soar.errors import ExpressionFailed
from soar.expression import NAMES, compile_expression, compile_value

PIECES = st.sampled_from(
    ["{{", "}}", "{%", "%}", "{#", "#}", "alert.title", "raw", "endraw", "'", '"', "\\", "\n", "None", "0012"]
)
TEXTS = st.lists(st.text(max_size=8) | PIECES, max_size=8).map("".join)
DATA = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)
SCOPE: dict[str, Any] = {"vars": {}, "steps": {}, "inputs": {}, "execution": {}}


def rendered(source: Any, title: Any) -> Any:
    return compile_value(source).render({**SCOPE, "alert": {"title": title}})


@settings(max_examples=300, deadline=None, database=None)
@given(text=TEXTS)
def test_f04_f06_a_text_alone_or_among_others_is_that_text(text: str) -> None:
    source = {
        "alone": "{{ alert.title }}",
        "among": "a {{ alert.title }} b",
        "twice": ["{{ alert.title ~ alert.title }}"],
    }
    assert rendered(source, text) == {"alone": text, "among": f"a {text} b", "twice": [text + text]}


@settings(max_examples=300, deadline=None, database=None)
@given(data=DATA)
def test_f04_data_passes_as_the_data_it_is(data: Any) -> None:
    found = rendered("{{ alert.title }}", data)
    assert repr(found) == repr(data)


@settings(max_examples=300, deadline=None, database=None)
@given(text=TEXTS)
def test_f08_raw_passes_every_text_but_its_own_end(text: str) -> None:
    if "endraw" in text:
        return
    assert rendered("{% raw %}" + text + "{% endraw %}", "") == text.replace("\r\n", "\n").replace("\r", "\n")


@settings(max_examples=300, deadline=None, database=None)
@given(text=TEXTS)
def test_a_text_of_the_alert_in_a_condition_is_compared_as_text(text: str) -> None:
    scope = {**SCOPE, "alert": {"title": text, "other": text + "x"}}
    assert compile_expression("alert.title == alert.title and alert.title in alert.other").holds(scope) is True
    assert compile_expression("alert.title == alert.other").holds(scope) is False


WORDS = st.sampled_from(
    [*NAMES, "alert.title", "alert.raw.x", "steps.a.output", "1", "2.5", "'a'", "none", "true", "[", "]", "(", ")", "{", "}",
     ".", ",", ":", "|", "+", "-", "*", "**", "/", "//", "%", "~", "<", "==", "!=", "in", "is", "not", "and", "or", "if",
     "else", "defined", "default", "upper", "join", "sort", "map", "length", "int", "list", "first", "tojson", "__class__",
     "format", "attr", "for", "endfor", "set", "x", "=", "{{", "}}", "{%", "%}"]
)  # fmt: skip


@settings(max_examples=600, deadline=None, database=None)
@given(words=st.lists(WORDS, max_size=12), title=DATA)
def test_no_expression_ends_in_anything_but_data_or_an_error_of_its_own(words: list[str], title: Any) -> None:
    source = " ".join(words)
    for text in (f"{{{{ {source} }}}}", f"a {{{{ {source} }}}}", source):
        try:
            found = rendered(text, title)
        except ExpressionFailed:
            continue
        assert found is None or isinstance(found, str | int | float | list | dict)
