"""What becomes of values on their way through a template (F04, F06-F09, F13, B14)."""

# ruff: noqa: E501 # tables read better with one case in a line
from __future__ import annotations

from typing import Any

import pytest

from soar.expression.filters import FILTERS
from tests.unit.expression.given import failure, held, rendered

TEXTS = (
    "2", "0012", "1e5", "1767226364.1048576", "None", "[1]", "true", "null", "", " ", "  2  ", "{}", "{'a': 1}", "'x'",
    '"x"', "1_000", "0x1f", "-0", "nan", "inf", "2026-01-01", "()", "b'x'", "True", "~", "1,2", "%s", "%(a)s", "{0}",
)  # fmt: skip
BRACES = (
    "{{ foo.bar }}", "{% for %}", "{#", "${X}", "{{ secrets.api_key }}", "{{", "}}", "{%", "%}", "#}", "{{ 7 * 7 }}",
    "{% raw %}", "{% endraw %}", "{{ ''.__class__ }}", "#{7*7}", "<%= 7*7 %>", "{{ alert.raw }}", "{{{{ 1 }}}}", "}{",
)  # fmt: skip
ODD = (
    "a\nb",
    "a\r\nb",
    "\ttab",
    "a\\b",
    "\\n",
    '"quoted"',
    "it's",
    "émoji 😀",
    "\u202eright",
    "a\u0000b",
    "<b>&amp;",
    "x" * 9,
)


@pytest.mark.parametrize("text", [*TEXTS, *BRACES, *ODD])
def test_f04_f06_f07_a_text_of_the_alert_stays_that_text_by_every_way(text: str) -> None:
    """Alone, in an object, in a list, joined, defaulted, looped over, set before; never read as a template."""
    ways: dict[str, Any] = {
        "alone": "{{ alert.title }}",
        "spaced": "  {{alert.title}}\n",
        "joined": "<{{ alert.title }}>",
        "twice": "{{ alert.title }}{{ alert.title }}",
        "item": "{{ alert['title'] }}",
        "got": "{{ alert.get('title') }}",
        "default": "{{ alert.title | default('x') }}",
        "if": "{{ alert.title if true else 'x' }}",
        "or": "{{ alert.user or alert.title }}",
        "tilde": "{{ alert.title ~ '' }}",
        "plus": "{{ '' + alert.title }}",
        "list": "{{ [alert.title] }}",
        "object": {"deep": ["{{ {'a': alert.title} }}"]},
        "string": "{{ alert.title | string }}",
        "loop": "{% for x in [alert.title] %}{{ x }}{% endfor %}",
        "set": "{% set x = alert.title %}{{ x }}",
        "first": "{{ [alert.title] | first }}",
        "join": "{{ [alert.title, alert.title] | join('|') }}",
        "json": "{{ (alert | tojson | from_json).title }}",
        "nested": "{{ alert.raw.deep[0].er }}",
    }
    assert rendered(ways, title=text, raw={"deep": [{"er": text}]}) == {
        "alone": text, "spaced": text, "joined": f"<{text}>", "twice": text + text, "item": text, "got": text,
        "default": text, "if": text, "or": text, "tilde": text, "plus": text, "list": [text],
        "object": {"deep": [{"a": text}]}, "string": text, "loop": text, "set": text, "first": text,
        "join": f"{text}|{text}", "json": text, "nested": text,
    }  # fmt: skip


@pytest.mark.parametrize(
    "value",
    [2, 0, -7, 2.5, 1767226364.1048576, 12345678901234567890, True, False, None, [], [1, "2", None], {}, {"a": [1]}],
)
def test_f04_what_is_no_text_stays_what_it_is(value: Any) -> None:
    found = rendered("{{ alert.raw }}", raw=value)
    assert found == value and type(found) is type(value)
    assert rendered({"x": ["{{ alert.raw }}"]}, raw=value) == {"x": [value]}


@pytest.mark.parametrize(
    ("value", "text"),
    [(2, "2"), (2.0, "2.0"), (2.5, "2.5"), (1767226364.5, "1767226364.5"), (True, "true"), (False, "false"),
     (12345678901234567890, "12345678901234567890"), ([1, "a", None, True], '[1, "a", null, true]'), ({"a": "é"}, '{"a": "é"}')],
)  # fmt: skip
def test_f04_inside_a_text_values_read_as_json(value: Any, text: str) -> None:
    assert rendered("<{{ alert.raw }}>", raw=value) == f"<{text}>"


@pytest.mark.parametrize(
    ("source", "text"),
    [
        ("{% raw %}{{.Name}}{% endraw %}", "{{.Name}}"),
        ("{% raw %}{{.Name}}{% endraw %} of {{ alert.title }}", "{{.Name}} of hello"),
        ("{% raw %}{{ range .Alerts }}{% if x %}{# c #}{% endraw %}", "{{ range .Alerts }}{% if x %}{# c #}"),
        ("{{ '{{.Name}}' }}", "{{.Name}}"),
        ("x{{ '{{' }}.Name{{ '}}' }}", "x{{.Name}}"),
        ("${X} #{y} %s {0} }} %} #} { {", "${X} #{y} %s {0} }} %} #} { {"),
    ],
)
def test_f08_braces_pass_through_in_the_documented_form(source: str, text: str) -> None:
    assert rendered(source) == text


def test_f08_braces_without_it_are_an_error_that_says_how() -> None:
    assert "unexpected '.'" in failure("{{.Name}}")


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("{{ alert.raw.nope }}", "alert.raw.nope is not there: alert.raw has no 'nope'"),
        ("x {{ alert.raw.nope }}", "alert.raw.nope is not there: alert.raw has no 'nope'"),
        ("{{ alert.raw.nope.deep.er }}", "alert.raw.nope.deep.er is not there: alert.raw has no 'nope'"),
        ("{{ alert.raw.a.b[7] }}", "alert.raw.a.b[7] is not there: alert.raw.a.b is a list"),
        ("{{ alert.raw['no-pe'].x }}", "alert.raw['no-pe'].x is not there: alert.raw has no 'no-pe'"),
        ("{{ alert.user.name }}", "alert.user.name is not there: alert.user is null"),
        ("{{ alert.title.name }}", 'alert.title.name is not there: alert.title is "hello" (text)'),
        ("{{ alert.raw.nope ~ 'x' }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope | upper }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope == 1 }}", "alert.raw.nope is not there"),
        ("{{ 1 in alert.raw.nope }}", "alert.raw.nope is not there"),
        ("{{ not alert.raw.nope }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope or 1 }}", "alert.raw.nope is not there"),
        ("{{ [alert.raw.nope] }}", "alert.raw.nope is not there"),
        ("{{ {'a': alert.raw.nope} }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope | int(0) }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope | tojson }}", "alert.raw.nope is not there"),
        ("{{ alert.raw.nope is none }}", "alert.raw.nope is not there"),
        ("{{ alert.raw[alert.raw.nope] }}", "alert.raw.nope is not there"),
        ("{% for x in alert.raw.nope %}{% endfor %}", "alert.raw.nope is not there"),
        ("{% if alert.raw.nope %}{% endif %}", "alert.raw.nope is not there"),
        ("{{ 'x' | replace('x', alert.raw.nope) }}", "alert.raw.nope is not there"),
        ("{{ vars.nope }}", "vars.nope is not there: vars has no 'nope'"),
        ("{{ steps.done.output.nope }}", "steps.done.output.nope is not there: steps.done.output has no 'nope'"),
    ],
)
def test_f09_a_missing_field_is_an_error_that_names_the_path(source: str, said: str) -> None:
    assert said in failure({"with": {"text": source}})
    assert failure({"with": {"text": source}}).startswith("with.text: `")


@pytest.mark.parametrize(
    "path", ["alert.user", "alert.raw.nope", "alert.raw.nope.deep", "alert.raw.a.b[7].x", "vars.nope"]
)
@pytest.mark.parametrize(
    ("form", "value"),
    [
        ("{{ PATH | default('none') }}", "none"),
        ("{{ PATH | default(5) }}", 5),
        ("{{ PATH | d([]) }}", []),
        ("<{{ PATH | default('none') }}>", "<none>"),
        ("<{{ PATH | default('none') | upper }}>", "<NONE>"),
        ("{{ PATH is defined }}", False),
        ("{{ PATH is undefined }}", True),
        ("{{ PATH is not defined }}", True),
        ("{{ PATH if PATH is defined else 'nobody' }}", "nobody"),
        ("{% if PATH is defined %}{{ PATH }}{% else %}nobody{% endif %}", "nobody"),
        ("{% if PATH is defined and PATH == 'x' %}y{% else %}n{% endif %}", "n"),
    ],
)
def test_f09_default_and_is_defined_work_for_what_is_missing_and_for_what_is_null(
    path: str, form: str, value: Any
) -> None:
    assert rendered(form.replace("PATH", path)) == value


def test_f09_what_is_there_is_defined_and_keeps_its_value() -> None:
    for value in (0, "", False, [], "x"):
        assert rendered("{{ alert.raw | default('none') }}", raw=value) == value
        assert held("alert.raw is defined", raw=value)


def test_f09_an_if_without_else_that_does_not_hold_gives_an_error_not_nothing() -> None:
    for source in (
        "{{ 'x' if false }}",
        "a{{ 'x' if false }}",
        "{{ ('x' if false) | upper }}",
        "{{ ('x' if false) ~ 'a' }}",
    ):
        assert "add `else`" in failure(source)
    assert rendered("{{ ('x' if false) | default('y') }}") == "y"


TEXT_FILTERS = sorted(set(FILTERS) - {"d", "default", "float", "int", "tojson"})
ARGUMENTS = {
    "regex_findall": "('a')", "regex_replace": "('a', 'b')", "regex_search": "('a')", "replace": "('a', 'b')",
    "map": "('upper')", "select": "('string')", "reject": "('string')", "selectattr": "('a')", "rejectattr": "('a')",
    "groupby": "('a')",
}  # fmt: skip


@pytest.mark.parametrize("name", TEXT_FILTERS)
def test_b14_null_goes_through_no_filter_and_the_field_is_named(name: str) -> None:
    said = failure(f"Ticket: {{{{ alert.user | {name}{ARGUMENTS.get(name, '')} }}}} {'x' * 300}")
    assert "alert.user is null; give it a value for that case, such as `| default('unknown')`" in said


@pytest.mark.parametrize(
    "source",
    ["x{{ alert.user }}", "{{ alert.user ~ 'x' }}", "{{ 'x' + alert.user }}", "{{ [alert.user, 'x'] | join }}",
     "{{ ['x', alert.user] | map('upper') | join }}", "{% for x in [alert.user] %}{{ x }}{% endfor %}",
     "{{ ['a'] | map('replace', 'a', alert.user) | join }}", "{{ 'a' | replace('a', alert.user) }}", "x{{ none }}"],
)  # fmt: skip
def test_b14_null_never_becomes_a_word(source: str) -> None:
    assert "None" not in failure(source)


def test_b14_null_inside_json_is_null() -> None:
    assert rendered("{{ [alert.user] | tojson }}|{{ alert.user | tojson }}") == "[null]|null"


def test_b14_null_among_the_items_of_a_list_is_named_too() -> None:
    assert "null cannot go through `| length`" in failure("{{ ['a', alert.user] | map('length') | list }}")


def test_b14_null_inside_a_query_is_an_error_that_names_the_key() -> None:
    assert "user is null" in failure("{{ {'user': alert.user} | urlencode }}")
    assert rendered("{{ {'q': 'a b/c', 'n': 1} | urlencode }}|{{ 'a b/c' | urlencode }}") == "q=a%20b%2Fc&n=1|a%20b/c"


def test_b14_numbers_and_true_go_through_text_filters_as_they_read() -> None:
    assert rendered("{{ alert.risk_score | upper }} {{ true | upper }} {{ 1.5 | trim }}") == "10 TRUE 1.5"


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("{{ '12' | int }}", 12), ("{{ ' 12 ' | int }}", 12), ("{{ '-3' | int }}", -3), ("{{ 2.9 | int }}", 2),
        ("{{ '1.5' | float }}", 1.5), ("{{ none | int(0) }}", 0), ("{{ 'x' | int(none) }}", None),
    ],
)  # fmt: skip
def test_a_text_becomes_a_number_only_when_asked_to(source: str, value: Any) -> None:
    assert rendered(source) == value


@pytest.mark.parametrize("text", ["1_000", "١٢", "x", "", "1.5", "0x1f", "nan", "1e5", "9" * 5000])
def test_what_is_no_whole_number_is_an_error_never_zero(text: str) -> None:
    assert "is no whole number; say what to take instead" in failure("{{ alert.title | int }}", title=text)


@pytest.mark.parametrize("number", ["1e308 * 10", "'inf' | float(0) + 1e308 * 10", "1e308 * 10 - 1e308 * 10"])
@pytest.mark.parametrize("form", ["{{{{ {} }}}}", "x {{{{ {} }}}}", "{{{{ [{}] }}}}", "{{{{ ({}) ~ '' }}}}"])
def test_what_is_no_number_of_json_leaves_no_expression(number: str, form: str) -> None:
    assert "no number JSON can hold" in failure(form.format(number))


@pytest.mark.parametrize(
    "source",
    ["{{ 'abc' | truncate(1) }}", "{{ 'abc' | truncate(-5) }}", "{{ 'abc' | truncate('x') }}", "{{ 'a' | regex_replace('a', '\\\\9') }}",
     "{{ 'a' | regex_search(alert.title) }}", "{{ [1, 'a'] | sort }}", "{{ [1, 'a'] | max }}", "{{ 'abc'[::0] }}",
     "{{ 'x' | b64decode }}", "{{ '{' | from_json }}", "{{ 'NaN' | from_json }}", "{{ 1 // 0 }}", "{{ 1 % 0.0 }}", "{{ 0.0 ** -1 }}",
     "{{ [] | first }}", "{{ {} | first }}", "{{ '' | last }}", "{{ 'x' | timestamp }}", "{{ '2026-01-01T00:00:00' | timestamp }}",
     "{{ now.isoformat('xx') }}", "{{ alert.get() }}", "{{ alert.title.split(1, 2, 3) }}", "{{ 'a' | replace('a') }}",
     "{% for a, b in [1] %}{% endfor %}", "{{ {1: 2} }}", "{{ alert.title.split('') }}"],
)  # fmt: skip
def test_whatever_goes_wrong_is_an_error_of_the_expression(source: str) -> None:
    assert "`" in failure(source, title="(")


@pytest.mark.parametrize(
    "name", ["alert", "steps", "secrets", "trigger", "vars", "now", "execution", "inputs", "item", "loop"]
)
def test_f13_a_parameter_called_like_a_name_of_the_playbook_hides_nothing(name: str) -> None:
    given = {name: "{{ alert.title }}", "after": "{{ alert.title }} {{ steps.done.status }} {{ vars.score }}"}
    assert rendered(given) == {name: "hello", "after": "hello succeeded 70"}


@pytest.mark.parametrize("name", ["alert", "steps", "vars", "now", "execution", "inputs", "item", "loop", "error"])
def test_f13_a_template_cannot_set_a_name_of_the_playbook(name: str) -> None:
    assert f"'{name}' is a name of the playbook and cannot be set here" in failure(f"{{% set {name} = 1 %}}{{{{ 1 }}}}")


def test_the_time_reads_as_rfc_3339_and_compares_as_time() -> None:
    assert rendered("{{ now }}") == "2026-01-31T09:30:00.000Z" == rendered("{{ now ~ '' }}")
    assert held("now > now") is False
    assert rendered("{{ (now | timestamp) - ('2026-01-31T09:29:00Z' | timestamp) }}") == 60.0
