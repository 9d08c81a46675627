"""No way out of the sandbox, and no way to make it work for ever (F01, F03)."""

# ruff: noqa: E501 # tables read better with one case in a line
from __future__ import annotations

import time
import tracemalloc
from typing import Any

import pytest

from soar.errors import ExpressionFailed, ExpressionSyntax
from soar.expression import compile_expression, compile_value
from soar.expression.filters import FILTERS
from tests.unit.expression.given import SECRET, Leak, failure, rendered, scope

FORMATS = (
    '{{ "{0.__class__}".format(alert) }}',
    '{{ "{0.__class__.__init__.__globals__}".format(now) }}',
    '{{ "{a.__class__}".format_map(alert) }}',
    '{{ "{a.__class__}".format(a=vars) }}',
    '{{ alert.title.format(alert) }}',
    '{{ alert["title"].format(alert) }}',
    '{{ (alert.title ~ "{0.__class__}").format(alert) }}',
    '{{ "%s" | format(alert.__class__) }}',
    '{{ alert.title | format(alert) }}',
    '{{ ["{0.__class__}"] | map("format", alert) | list }}',
    '{{ [["{0.__class__}"]] | map("map", "format", alert) | list }}',
    '{{ [["{0.__class__}"]] | map("map", "<method>", "format", alert) | list }}',
    '{{ [["%s"]] | map("map", "format", "x") | list }}',
    '{{ [["x"]] | map("map", "center", 10) | list }}',
    '{{ "%(a)s" % alert }}',
    '{{ "%s" % alert }}',
    '{% set f = "{0.__class__}".format %}{{ f(alert) }}',
)  # fmt: skip
ATTRIBUTES = (
    "{{ ''.__class__ }}",
    "{{ ''['__class__'] }}",
    "{{ ''['__cla' ~ 'ss__'] }}",
    "{{ ''.__class__.__mro__[1].__subclasses__() }}",
    "{{ ().__class__.__base__ }}",
    "{{ {}.__class__.__bases__[0] }}",
    "{{ [].__class__ }}",
    "{{ now.__class__ }}",
    "{{ now.tzinfo }}",
    "{{ now.__reduce__() }}",
    "{{ alert.__init__.__globals__ }}",
    "{{ alert.get.__self__ }}",
    "{{ alert.items }}",
    "{{ alert.__dict__ }}",
    "{{ alert | attr('__class__') }}",
    "{{ alert | attr('get') }}",
    "{{ [alert] | map('attr', '__class__') | list }}",
    "{{ [alert] | map(attribute='__class__') | list }}",
    "{{ [[alert]] | map('map', 'attr', '__class__') | list }}",
    "{{ ['a', 'b'] | sort(attribute='__class__') }}",
    "{{ ['a'] | groupby('__class__') | list }}",
    "{{ ['a'] | sum(attribute='__class__') }}",
    "{{ ['a'] | join(attribute='__class__') }}",
    "{{ ['a'] | selectattr('__class__', 'defined') | list | first }}",
    "{{ ['a'] | map(alert.title) | list }}",
    "{% for c in ''.__class__.__mro__ %}{{ c }}{% endfor %}",
    "{% for x in [1] %}{{ loop.__init__ }}{% endfor %}",
    "{% for x in [1] %}{{ loop._iterator }}{% endfor %}",
    "{% for x in [1] %}{{ loop }}{% endfor %}",
    "{% for x in [1] %}{{ loop.cycle('a') }}{% endfor %}",
    "{{ vars.leak }}",
    "{{ vars.leak.token }}",
    "{{ vars.leak['token'] }}",
    "{{ vars.leak ~ '' }}",
    "{{ [vars.leak] | join }}",
    "{{ vars.leak | string }}",
    "{{ vars.leak | tojson }}",
    "{{ vars.leak | upper }}",
    "{{ vars.leak | replace('a', 'b') }}",
    "{{ vars.leak == 'a' }}",
    "{{ vars.leak | urlencode }}",
    "x {{ vars.leak }}",
)
NAMES = (
    "self", "self._TemplateReference__context", "config", "request", "g", "url_for.__globals__", "get_flashed_messages",
    "lipsum.__globals__['os']", "cycler.__init__.__globals__", "joiner.__init__", "namespace.__init__", "range", "dict",
    "secrets.api_key", "env.HOME", "environ", "os", "__builtins__", "__import__('os')", "open('/etc/passwd')",
    "eval('1')", "exec('1')", "getattr(alert, 'x')", "caller", "varargs", "kwargs", "context", "environment", "template",
    "lipsum(n=10**6)", "cycler('a')", "joiner(',')", "namespace(a=1)", "range(10**9)", "dict(a=1)", "debug()",
)  # fmt: skip
STATEMENTS = (
    "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}",
    "{% include '/etc/passwd' %}",
    "{% import 'x' as x %}",
    "{% from 'x' import y %}",
    "{% extends 'x' %}",
    "{% block a %}{% endblock %}",
    "{% call alert.get('x') %}{% endcall %}",
    "{% filter upper %}a{% endfilter %}",
    "{% with a = 1 %}{{ a }}{% endwith %}",
    "{% autoescape false %}{% endautoescape %}",
    "{% do alert.clear() %}",
    "{% debug %}",
    "{% trans %}a{% endtrans %}",
    "{% for x in [[1]] recursive %}{{ loop(x) }}{% endfor %}",
    "{% set alert = 1 %}",
    "{% set vars.x = 1 %}",
    "{% set x %}a{% endset %}",
    "{% for alert in [1] %}{% endfor %}",
    "{{ alert.update({'a': 1}) }}",
    "{{ alert.pop('title') }}",
    "{{ alert.setdefault('a', 1) }}",
    "{{ alert.raw.a.b.append(1) }}",
    "{{ alert.get(*['title']) }}",
    "{{ alert | tojson(*[1]) }}",
)


@pytest.mark.parametrize("source", [*FORMATS, *ATTRIBUTES])
def test_f01_f03_what_leads_into_python_is_blocked_and_shows_nothing(source: str) -> None:
    given = scope()
    given["vars"]["leak"] = Leak()
    with pytest.raises(ExpressionFailed) as caught:
        compile_value(source).render(given)
    assert SECRET not in str(caught.value) and "object at 0x" not in str(caught.value)


@pytest.mark.parametrize("name", NAMES)
def test_f03_no_name_but_those_of_the_playbook_is_known(name: str) -> None:
    with pytest.raises(ExpressionSyntax):
        compile_value(f"{{{{ {name} }}}}")
    with pytest.raises(ExpressionSyntax):
        compile_expression(name)


@pytest.mark.parametrize("source", STATEMENTS)
def test_f03_what_could_load_call_or_change_does_not_compile(source: str) -> None:
    with pytest.raises(ExpressionSyntax):
        compile_value(source)


@pytest.mark.parametrize(
    "source",
    [
        "[1] | map('attr', 'x')",
        "[1] | map(alert.title)",
        "[1] | select('callable')",
        "[1] | rejectattr('a', alert.title)",
    ],
)
def test_f03_a_filter_named_by_text_is_held_against_the_list_at_load(source: str) -> None:
    with pytest.raises(ExpressionSyntax):
        compile_expression(source)


def test_f03_a_missing_attribute_is_a_default_like_any_missing_key() -> None:
    """The sender's own keys may begin with `__`; those of Python are simply not there."""
    assert rendered("{{ ''.__class__ | default('none') }}") == "none"
    assert rendered("{{ alert.raw.__typename }}", raw={"__typename": "Alert"}) == "Alert"


def test_f03_the_filters_are_those_on_the_list_and_no_other() -> None:
    assert sorted(FILTERS) == sorted(
        "abs b64decode b64encode capitalize count d default defang dictsort first float from_json groupby indent int"
        " items join last length list lower map max min regex_findall regex_replace regex_search reject rejectattr"
        " replace reverse round select selectattr sha256 sort split string sum timestamp title tojson trim truncate"
        " unique upper urlencode wordcount".split()
    )


def test_nothing_an_expression_does_changes_what_it_read() -> None:
    given = scope()
    before = repr(given)
    value = compile_value({"x": "{{ alert.raw }}", "y": ["{{ alert.raw.a.b | sort(reverse=true) }}"]})
    first = value.render(given)
    first["x"]["a"]["b"].append(3)
    first["y"].append(4)
    assert repr(given) == before
    assert value.render(given) == {"x": {"a": {"b": [1, 2]}}, "y": [[2, 1]]}


BIG = "x" * 1_000_000
BOMBS: dict[str, Any] = {
    "text times": "{{ 'a' * 10**9 }}",
    "text times, of the alert": "{{ alert.title * 1000000000 }}",
    "list times": "{{ [1] * 10**9 }}",
    "power": "{{ 2 ** 1000000000 }}",
    "power of power": "{{ 9 ** 9 ** 9 ** 9 }}",
    "float power": "{{ 2.0 ** 100000 }}",
    "many digits": "{{ ('9' * 100000) | int * 2 }}",
    "text doubled": "{% set x = 'ab' %}" + "{% set x = x ~ x %}" * 60 + "{{ x }}",
    "text doubled with +": "{% set x = 'ab' %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "list doubled": "{% set x = [1] %}" + "{% set x = x + x %}" * 60 + "{{ x }}",
    "list in list": "{% set x = [1] %}" + "{% set x = [x, x] %}" * 60 + "{{ x }}",
    "object in object": "{% set x = {'a': 1} %}" + "{% set x = {'a': x, 'b': x} %}" * 60 + "{{ x }}",
    "loops in loops": "{% for a in alert.raw %}" * 8 + "x" + "{% endfor %}" * 8,
    "loop that prints": "{% for a in alert.raw %}{% for b in alert.raw %}{{ alert.title }}{% endfor %}{% endfor %}" * 9,
    "wide number": "{{ '%1000000000d' % 1 }}",
    "indent": "{{ alert.title | indent(10**9) }}",
    "center": "{{ alert.title | center(10**9) }}",
    "batch": "{{ [1] | batch(10**9, 'x') }}",
    "round": "{{ 1 | round(10**9) }}",
    "replace": "{{ alert.user | replace('x', 'xxxxx') }}",
    "replace nothing": "{{ alert.user | replace('', 'xxxxx') }}",
    "regex replace": "{{ alert.user | regex_replace('x', 'xxxxx') }}",
    "regex grows": "{{ alert.title | regex_replace('(a{1000}){1000}', 'b') }}",
    "regex of the alert": "{{ alert.user | regex_search('(' * 100000) }}",
    "letters": "{{ alert.user | list }}",
    "joined letters": "{{ alert.user | list | join(alert.user) }}",
    "join": "{{ [alert.user, alert.user] | join }}",
    "quotes": "{{ (alert.user | replace('x', '\"')) | tojson | tojson }}",
    "deep JSON": "{{ ('[' * 100000) | from_json }}",
    "deep JSON that closes": "{{ (('[' * 500) ~ (']' * 500)) | from_json }}",
    "repeated work": "{% for a in alert.raw %}{% set x = alert.user | upper | lower | title %}{% endfor %}",
    "slices": "{% for a in alert.raw %}{% set x = alert.raw[::-1] | sort | unique %}{% endfor %}",
}


@pytest.mark.parametrize("source", BOMBS.values(), ids=BOMBS.keys())
def test_what_would_take_for_ever_or_all_memory_is_an_error_soon(source: str) -> None:
    tracemalloc.start()
    began = time.process_time()
    try:
        failure(source, user=BIG, raw=list(range(300)))
        spent, (_, peak) = time.process_time() - began, tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert spent < 5 and peak < 100_000_000


LONG = {
    "attributes": "alert" + ".b" * 5000, "items": "alert" + "['b']" * 5000, "filters": "1" + " | abs" * 5000,
    "sum": "1" + " + 1" * 5000, "and": "true" + " and true" * 5000, "brackets": "(" * 5000 + "1" + ")" * 5000,
    "lists": "[" * 5000 + "]" * 5000, "not": "not " * 5000 + "true", "minus": "-" * 5000 + "1",
    "conditions": "1 if true else " * 5000 + "1", "digits": "9" * 5000, "open": "(" * 30000, "text": "'" + "x" * 70000 + "'",
    "comparison": "1" + " < 1" * 5000, "tests": "1" + " is number" * 3000,
}  # fmt: skip


@pytest.mark.parametrize("source", LONG.values(), ids=LONG.keys())
def test_an_expression_without_end_is_refused_or_works_but_never_breaks(source: str) -> None:
    for make in (lambda: compile_expression(source), lambda: compile_value(f"x {{{{ {source} }}}}")):
        try:
            made = make()
        except ExpressionSyntax as error:
            assert str(error)
        else:
            assert made.references is not None


@pytest.mark.parametrize("piece", ["{{", "}}", "{%", "{#", "{{-", "{% if 1 %}", "{% raw %}", "{{ '", "{{ a", "\\", "'"])
def test_a_broken_template_without_end_is_refused_or_is_text(piece: str) -> None:
    began = time.process_time()
    try:
        value = compile_value(piece * 8000)
    except ExpressionSyntax:
        pass
    else:
        assert value.source == piece * 8000
    assert time.process_time() - began < 5
