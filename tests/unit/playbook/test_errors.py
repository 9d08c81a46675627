"""Everything wrong with a file is told at once, each at the word that is wrong."""

# ruff: noqa: E501 # a message stands in one line here, as people read it
from __future__ import annotations

from pathlib import Path
from textwrap import dedent

import pytest

from soar.playbook import load_catalog
from tests.unit.playbook.reading import ACTIONS, HEAD, book, checked, refused, refused_steps, told, written

MANY = """\
id: many errors
name: 5
trigger:
  match:
    burst:
      rule_nmae: Burst
      severity|gte: hihg
      src_ip|cidr: 10.0.0.1/8
      title|re: (?=x)
    condition: burst and nobody
timeout: 90
steps:
  - id: look
    action: gatewya.block_ip
    wiht: {ip: "{{ alert.src_ip }}"}
    when: alrt.severity == 'high' and
  - id: look
    action: gateway.block_ip
    with: {ip: "{{ alert.src_ip | uper }}", reason: 012}
    approval: {message: sure?}
  - {id: then, stop: "{{ alert.title }"}
"""


def test_one_file_with_many_errors_tells_them_all_with_places_causes_and_remedies() -> None:
    assert told(refused(MANY)) == [
        "1:5: the playbook's id: the text 'many errors' is no name; use letters, digits, '_' and '-', up to 100 of them",
        "2:7: name must be a text, not the number 5; write '5' in quotes",
        "6:7: an alert has no field 'rule_nmae'; did you mean 'rule_name'?",
        "7:21: severity: 'hihg' is no severity; did you mean 'high'?",
        "8:20: src_ip: '10.0.0.1/8' is an address inside its network; write 10.0.0.0/8",
        (
            "9:17: title: '(?=x)' is no pattern RE2 can read: invalid perl operator: (?=; "
            "RE2 has no look-around and no back-references"
        ),
        "10:26: condition: there is no selection 'nobody'; the selections are burst",
        "11:10: timeout must be a duration, not the number 90; write 90s for seconds",
        "15:5: the step has no key 'wiht'; did you mean 'with'?",
        (
            "16:11: when: unexpected 'end'; check brackets, quotes and operators; "
            "pass braces through with {% raw %}...{% endraw %}"
        ),
        "17:9: the id 'look' stands twice: in line 13 and in line 17; give one of the steps another id",
        "19:35: with.ip: there is no filter 'uper'; did you mean 'upper'?",
        "19:53: the unquoted 012 begins with a zero, which a number would lose; write '012' in quotes for text",
        "20:15: the approval has no 'timeout'; add 'timeout'",
        "21:10: the step's id 'then' is a word of the language; take another id, such as then_step",
        (
            "21:22: stop: unexpected '}'; check brackets, quotes and operators; "
            "pass braces through with {% raw %}...{% endraw %}"
        ),
    ]


def test_every_problem_shows_its_line() -> None:
    lines = MANY.split("\n")
    assert all(problem.excerpt == lines[problem.location.line - 1] for problem in refused(MANY))


CHECKS = """\
id: checks
trigger:
  source: [siem, egde]
  match: {any: {severity|exists: true}}
steps:
  - id: block
    action: gateway.block_ip
    with:
      ip: "{{ alert.srcip }}"
      reson: a
    undo: {after: 1h}
  - id: ticket
    when: steps.blok.status == 'succeeded' and vars.score > 5
    action: tickets.create
    with:
      title: |
        Blocked {{ alert.src_ip }}
        for {{ steps.block.ouput.reason }}
      severity: medium
      port: "22"
      labels: [a, 5, "{{ alert.user }}"]
      fields: {count: many}
      urgent: "true"
      score: "{{ error.kind }}"
    undo: {after: 1h}
  - {id: more, action: tickets.crate}
  - {id: other, action: tickts.create}
  - {id: bare, action: gateway.block_ip}
  - if: steps['blok'] is failed
    then: [{set: {x: "{{ vars.y }}", z: ["{{ alert['tilte'] }}"]}}]
    else: [{fail: "{{ inputs.user }} {{ execution.ide }}"}]
on_failure:
  - {id: late, stop: "{{ error.knd }}"}
"""


def test_what_a_check_finds_stands_at_the_word_too(tmp_path: Path) -> None:
    folder = written(tmp_path, {"p.yaml": CHECKS})
    problems = load_catalog(folder, ACTIONS, ["siem", "edge"]).problems
    lines = CHECKS.split("\n")
    assert [str(problem).removeprefix(f"{folder}/p.yaml:") for problem in problems] == [
        "3:18: the trigger listens to the source 'egde', which is not configured; did you mean 'edge'?",
        "9:15: with.ip: alert has no field 'srcip'; did you mean 'src_ip'?",
        "10:7: gateway.block_ip has no parameter 'reson'; did you mean 'reason'?",
        "13:11: when: no step has the id 'blok'; did you mean 'block'?",
        "13:48: when: no step sets the variable 'score'; there are x, z",
        "18:16: with.title: a step has no field 'ouput'; did you mean 'output'?",
        "19:17: with.severity: 'medium' does not fit; it takes one of low, high; give such a value",
        "20:13: with.port: '22' does not fit; it takes integer or null; give such a value",
        "21:19: with.labels[1]: 5 does not fit; it takes string; give such a value",
        "22:23: with.fields.count: 'many' does not fit; it takes integer; give such a value",
        "23:15: with.urgent: 'true' does not fit; it takes boolean; give such a value",
        "24:18: with.score: 'error' is known in on_failure and finally only; use steps.<id>.error",
        "25:5: tickets.create contains nothing that could be undone; remove 'undo', or use an action that has a way back",
        "26:32: the connection 'tickets' has no action 'crate'; did you mean 'create'?",
        "27:25: there is no connection 'tickts'; did you mean 'tickets'?",
        "28:16: gateway.block_ip needs the parameter 'ip'; add `ip:` to `with`",
        "29:9: if: no step has the id 'blok'; did you mean 'block'?",
        "30:26: set.x: no step sets the variable 'y'; there are x, z",
        "30:46: set.z[0]: alert has no field 'tilte'; did you mean 'title'?",
        "31:23: fail: the playbook declares no input 'user'; there are none",
        "31:41: fail: execution has no field 'ide'; did you mean 'id'?",
        "33:16: the playbook's on_failure cannot stop or fail: it has failed; remove the step",
        "33:26: stop: error has no field 'knd'; did you mean 'kind'?",
    ]
    assert all(problem.excerpt == lines[problem.location.line - 1] for problem in problems)
    assert [problem.severity for problem in problems] == ["warning"] + ["error"] * 22


def test_a_word_is_found_where_it_stands_alone() -> None:
    (problem,) = refused_steps("- {stop: '{{ alert.title | upper }} {{ 1 | upp }}'}\n")
    assert (str(problem.location), problem.message) == ("p.yaml:4:44", "stop: there is no filter 'upp'")


def test_one_broken_template_hides_no_other_error_and_makes_up_none(tmp_path: Path) -> None:
    text = HEAD + dedent(
        """
        steps:
        - {set: {score: "{{ 5 | flaot }}"}}
        - action: gateway.block_ip
          with: {ip: "{{ alert.src_ip | uper }}", reson: "{{ vars.score }}", reason: "{{ vars.scoer }}"}
        """
    )
    folder = written(tmp_path, {"p.yaml": text})
    assert [problem.message for problem in load_catalog(folder, ACTIONS).problems] == [
        "set.score: there is no filter 'flaot'",
        "with.ip: there is no filter 'uper'",
        "gateway.block_ip has no parameter 'reson'",
        "with.reason: no step sets the variable 'scoer'",
    ]


@pytest.mark.parametrize("name", ["then", "else", "on_failure", "finally", "guardrail", "case1", "case12"])
def test_a_step_cannot_be_called_as_history_calls_a_branch(name: str) -> None:
    assert told(refused_steps(f"- {{id: {name}, stop: a}}\n")) == [
        f"4:8: the step's id '{name}' is a word of the language; take another id, such as {name}_step"
    ]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ('"a b"', "the step's id: the text 'a b' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ('"a/b"', "the step's id: the text 'a/b' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ('"@0"', "the step's id: the text '@0' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ('"-a"', "the step's id: the text '-a' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ('"é"', "the step's id: the text 'é' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ("'a\n\n    b'", "the step's id: the text 'a\\nb' is no name; use letters, digits, '_' and '-', up to 100 of them"),
        ("a.b", "the step's id 'a.b' holds a dot; use letters, digits, '_' and '-'"),
        ("1", "the step's id must be a text, not the number 1; write '1' in quotes"),
        ("true", "the step's id must be a text, not true; write 'true' in quotes"),
        ("''", "the step's id must be a text, not the text ''; write a text"),
        ("[a]", "the step's id must be a text, not a list; write a text"),
        ('"{{ x }}"', "the step's id: the text '{{ x }}' is no name; use letters, digits, '_' and '-', up to 100 of them"),
    ],
)  # fmt: skip
def test_an_id_is_a_plain_word(name: str, said: str) -> None:
    assert told(refused_steps(f"- {{id: {name}, stop: a}}\n")) == [f"4:8: {said}"]


@pytest.mark.parametrize("name", ["lift", "call"])
def test_a_playbook_cannot_be_called_as_the_engine_calls_its_own(name: str) -> None:
    text = HEAD.replace("under-test", name) + "steps: [{stop: a}]\n"
    assert told(refused(text)) == [f"1:5: the id '{name}' is the engine's own; take another id"]


def test_equal_ids_are_found_at_any_depth() -> None:
    steps = """
    - steps: [{id: a, stop: x}]
    - {if: "true", then: [{id: a, stop: x}], else: [{id: b, stop: x}]}
    - {id: c, action: a.b, on_failure: [{id: b, stop: x}]}
    """
    tail = "on_failure: [{id: c, set: {x: 1}}]\n"
    assert told(refused_steps(dedent(steps).lstrip("\n"), tail)) == [
        "5:28: the id 'a' stands twice: in line 4 and in line 5; give one of the steps another id",
        "6:42: the id 'b' stands twice: in line 5 and in line 6; give one of the steps another id",
        "7:19: the id 'c' stands twice: in line 6 and in line 7; give one of the steps another id",
    ]


@pytest.mark.parametrize(
    ("step", "said"),
    [
        ("{}", "4:3: the step does nothing: it has none of action, parallel, for_each, if, switch, while, steps, wait, playbook, set, undo, stop, fail, approval; add one of them"),
        ("a", "4:3: the step must be a map, not the text 'a'; write keys such as action, approval, as"),
        ("{stop: a, fail: b}", "4:13: the step has both 'stop' and 'fail'; it can do only one thing; make two steps of it"),
        ("{stop: a, with: {x: 1}}", "4:13: 'with' has no meaning without 'action' or 'playbook'; add 'action' or 'playbook', or remove it"),
        ("{stop: a, retry: {attempts: 1}}", "4:13: 'retry' has no meaning without 'action'; add 'action', or remove it"),
        ("{if: 'true'}", "4:3: 'if' has no 'then'; add then: with a list of steps"),
        ("{if: 'true', then: []}", "4:22: then is an empty list; begin each item with '- '"),
        ("{steps: a}", "4:11: steps must be a list, not the text 'a'; begin each item with '- '"),
        ("{set: {}}", "4:9: 'set' sets nothing; write name: value"),
        ("{set: {a-b: 1}}", "4:10: 'a-b' cannot be read as vars.a-b; use letters, digits and '_'"),
        ("{set: [a]}", "4:9: 'set' must be a map of names and values, not a list; write name: value"),
        ("{action: a}", "4:12: 'a' names no action of a connection; write connection.action, such as gateway.block_ip"),
        ("{action: a.b.c}", "4:12: 'a.b.c' names no action of a connection; write connection.action, such as gateway.block_ip"),
        ("{action: a.b, with: x}", "4:23: 'with' must be a map of names and values, not the text 'x'; write name: value"),
        ("{action: a.b, retry: {attempts: 0}}", "4:35: attempts must be a whole number from 1 to 100, not the number 0; write such as 1"),
        ("{action: a.b, retry: {attempts: '3'}}", "4:35: attempts must be a whole number from 1 to 100, not the text '3'; write such as 1"),
        ("{action: a.b, retry: {attempts: true}}", "4:35: attempts must be a whole number from 1 to 100, not true; write such as 1"),
        ("{action: a.b, retry: {backoff: linear}}", "4:34: backoff cannot be the text 'linear'; write one of exponential, fixed"),
        ("{action: a.b, retry: {tries: 3}}", "4:25: retry has no key 'tries'; the keys here are attempts, backoff, delay"),
        ("{action: a.b, on_failure: contine}", "4:29: on_failure cannot be the text 'contine'; did you mean 'continue'?"),
        ("{action: a.b, undo: {}}", "4:23: undo says nothing; write keys such as action, after, reset"),
        ("{stop: '{{ alert.title'}", "4:10: stop: unexpected end of template"),
        ("{when: '', stop: a}", "4:10: when: the expression is empty; write a condition, or remove the key"),
        ("{when: '{{ true }}', stop: a}", "4:11: when: this key takes an expression without braces; write true"),
        ("{when: [a], stop: a}", "4:10: when must be an expression, not a list; write such as vars.score >= 70"),
        ("{when: alert.user = 'x', stop: a}", "4:10: when: unexpected '=' after the expression"),
    ],
)  # fmt: skip
def test_a_step_that_makes_no_sense_is_refused_where_it_does_not(step: str, said: str) -> None:
    assert said.replace("unexpected end of template", "") in told(refused_steps(f"- {step}\n"))[0]


@pytest.mark.parametrize(
    ("zone", "remedy"),
    [
        ("PST8", "did you mean 'PST8PDT'?"),
        ("pst", "write such as Europe/Berlin"),
        ("Europe/Nowhere", "did you mean"),
        ("Europe/Berln", "did you mean 'Europe/Berlin'?"),
    ],
)
def test_e09_a_time_zone_that_does_not_exist_is_named_with_an_example(zone: str, remedy: str) -> None:
    text = f"id: a\ntrigger:\n  schedule:\n    cron: 0 6 * * 1\n    timezone: {zone}\nsteps: [{{stop: a}}]\n"
    said = told(refused(text))
    assert len(said) == 1 and said[0].startswith(f"5:15: there is no time zone {zone!r}; {remedy}")
    assert said[0].endswith("the names are those of the IANA database")


def test_e08_a_misspelt_parameter_is_named_with_the_near_match() -> None:
    assert checked("- {action: gateway.block_ip, with: {ip: 192.0.2.1, resaon: x}}\n") == [
        "4:52: gateway.block_ip has no parameter 'resaon'; did you mean 'reason'?"
    ]


def test_e08_a_parameter_like_none_is_named_with_those_there_are() -> None:
    assert checked("- {action: gateway.block_ip, with: {ip: 192.0.2.1, verify: false}}\n") == [
        "4:52: gateway.block_ip has no parameter 'verify'; it takes ip, reason"
    ]


@pytest.mark.parametrize("place", ["then", "else", "steps", "on_failure", "last"])
def test_e08_and_f15_are_found_in_every_list_of_steps(place: str) -> None:
    bad = '{action: gateway.block_ip, with: {ip: "{{ steps.nope.output }}", adress: x}}'
    steps = {
        "then": f"- {{if: 'true', then: [{bad}]}}\n",
        "else": f"- {{if: 'true', then: [{{stop: a}}], else: [{bad}]}}\n",
        "steps": f"- {{steps: [{{steps: [{bad}]}}]}}\n",
        "on_failure": f"- {{action: tickets.create, on_failure: [{bad}]}}\n",
        "last": "- {stop: a}\n",
    }[place]
    rest = f"on_failure: [{bad}]\n" if place == "last" else ""
    said = [line.partition(" ")[2] for line in checked(steps, rest)]
    assert said == [
        "with.ip: no step has the id 'nope'; there are none",
        "gateway.block_ip has no parameter 'adress'; it takes ip, reason",
    ]


def test_f15_a_step_that_does_not_exist_is_an_error_of_the_check_wherever_it_is_read() -> None:
    steps = """
    - {id: block, action: gateway.block_ip, with: {ip: 192.0.2.1}}
    - action: tickets.create
      when: steps.blokc is succeeded
      with: {title: "{{ steps.blocked.output.ip | default('x') }}"}
    """
    assert checked(dedent(steps).lstrip("\n")) == [
        "6:9: when: no step has the id 'blokc'; did you mean 'block'?",
        "7:21: with.title: no step has the id 'blocked'; did you mean 'block'?",
    ]


def test_f15_a_broken_step_still_has_its_id_for_the_others(tmp_path: Path) -> None:
    text = HEAD + "steps:\n- {id: a, action: x}\n- {stop: '{{ steps.a.status }}'}\n"
    problems = load_catalog(written(tmp_path, {"p.yaml": text}), ACTIONS).problems
    assert [problem.message for problem in problems] == ["'x' names no action of a connection"]


@pytest.mark.parametrize("path", ["steps.look-up.status", "steps.look-up", "steps.a-b-c.output.x | default('y')"])
def test_an_id_with_a_hyphen_is_read_in_brackets_and_the_error_says_so(path: str) -> None:
    name = path.removeprefix("steps.").partition(".")[0]
    assert told(refused_steps(f'- {{id: {name}, stop: "{{{{ {path} }}}}"}}\n'))[0].endswith(
        f"stop: steps.{name} reads as a subtraction; write steps['{name}']"
    )
    assert checked(f"- {{id: {name}, stop: \"{{{{ steps['{name}'].status }}}}\"}}\n") == []


def test_a_subtraction_of_numbers_stays_one() -> None:
    (step,) = book('- {set: {a: "{{ steps.x.output.n - vars.m - 1 }}"}}\n').steps
    scope = {"steps": {"x": {"output": {"n": 9}}}, "vars": {"m": 3}}
    assert step.body.values.render(scope) == {"a": 5}
