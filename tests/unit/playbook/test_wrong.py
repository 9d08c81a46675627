"""Each construct of the language written wrongly: refused when it is read, at the word that is wrong."""

from __future__ import annotations

import pytest

from soar.playbook.cron import cron_fault
from tests.unit.playbook.reading import HEAD, refused, refused_steps, told
from tests.unit.playbook.wrong import CRON, HEADS, STEPS


@pytest.mark.parametrize(("step", "said"), STEPS.items(), ids=STEPS)
def test_a_step_written_wrongly(step: str, said: str) -> None:
    assert told(refused_steps(f"- {step}\n"))[0] == said


@pytest.mark.parametrize(("lines", "said"), HEADS.items(), ids=HEADS)
def test_the_head_written_wrongly(lines: str, said: str) -> None:
    assert said in told(refused(HEAD + f"steps: [{{stop: a}}]\n{lines}\n"))[0]


@pytest.mark.parametrize(("cron", "said"), CRON.items(), ids=CRON)
def test_a_time_that_never_comes(cron: str, said: str) -> None:
    text = f'id: a\ntrigger:\n  schedule: {{cron: "{cron}"}}\nsteps: [{{stop: a}}]\n'
    assert told(refused(text)) == [f"3:20: cron: {said}"]


SOUND = ("0 6 29 2 *", "0 6 31 1,2 *", "0 6 30 2 mon", "59 23 31 12 7", "0-59/5 * * * *", "0 0 * * MON-FRI")


@pytest.mark.parametrize("cron", SOUND)
def test_a_time_that_comes_now_and_then(cron: str) -> None:
    assert cron_fault(cron) is None


@pytest.mark.parametrize(
    ("trigger", "said"),
    [
        ("{schedule: {timezone: UTC}}", "2:21: the schedule has no 'cron'; add 'cron'"),
        (
            "{schedule: 0 6 * * 1}",
            "2:21: the schedule must be a map, not the text '0 6 * * 1'; write keys such as cron",
        ),
        (
            "{schedule: {cron: 0 6 * * 1, missed: never}}",
            "2:47: missed cannot be the text 'never'; write one of run_all, run_once, skip",
        ),
        (
            "{event: 'a b'}",
            "2:18: event: 'a b' is no name of an event; write such as containment.expiring; `*` and `?` are wildcards",
        ),
        ("{sources: [a]}", "2:11: the trigger has no key 'sources'; did you mean 'source'?"),
        (
            "{source: a}",
            "2:10: the trigger names a source but matches nothing; add `match`, such as severity|gte: low",
        ),
    ],
)
def test_a_trigger_written_wrongly(trigger: str, said: str) -> None:
    assert told(refused(f"id: a\ntrigger: {trigger}\nsteps: [{{stop: a}}]\n")) == [said]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("steps", "would hide what expressions call 'steps'; take another name, such as steps_item"),
        ("alert", "would hide what expressions call 'alert'; take another name, such as alert_item"),
        ("loop", "would hide what expressions call 'loop'; take another name, such as loop_item"),
        ("not", "would hide what expressions call 'not'; take another name, such as not_item"),
    ],
)
def test_f13_no_name_of_an_item_hides_another(name: str, said: str) -> None:
    assert told(refused_steps(f"- {{for_each: alert.tags, as: {name}, steps: [{{stop: a}}]}}\n")) == [
        f"4:30: as: {name!r} {said}"
    ]


def test_f13_an_inner_item_hides_no_outer_one() -> None:
    inner = "{for_each: tag.parts, as: tag, steps: [{stop: a}]}"
    assert told(refused_steps(f"- {{for_each: alert.tags, as: tag, steps: [{inner}]}}\n")) == [
        "4:69: as: 'tag' is the item of a loop around this one; take another name, such as inner_tag"
    ]


def test_f13_parameters_may_be_called_like_what_expressions_know() -> None:
    from tests.unit.playbook.reading import book

    (step,) = book("- {action: a.b, with: {alert: '{{ alert.user }}', steps: 1, secrets: 2, trigger: 3}}\n").steps
    assert step.body.inputs.render({"alert": {"user": "eve"}}) == {
        "alert": "eve",
        "steps": 1,
        "secrets": 2,
        "trigger": 3,
    }


def test_the_name_of_an_item_is_known_inside_its_loop_only() -> None:
    steps = "- {for_each: alert.tags, as: tag, steps: [{stop: '{{ tag }}'}]}\n- {stop: '{{ tag }}'}\n"
    (said,) = told(refused_steps(steps))
    assert said.startswith("5:14: stop: there is no name 'tag'")


def test_all_that_is_wrong_inside_a_nested_construct_is_told_once() -> None:
    steps = """\
- parallel:
    - for_each: alert.tags
      as: tag
      steps:
        - switch:
            - {when: tag == 'x' and, steps: [{stop: "{{ tag | uper }}"}]}
          else:
            - {while: vars.n < 3, max_iterations: no, steps: [{wait: {for: 5}}]}
    - approval: {mesage: a, timeout: 1h}
      steps: [{fial: a}]
"""
    said = [line.partition(";")[0] for line in told(refused_steps(steps))]
    assert said == [
        "9:22: switch[0].when: unexpected 'end'",
        "9:63: stop: there is no filter 'uper'",
        "11:51: max_iterations must be a whole number from 1 to 10000, not the text 'no'",
        "11:76: wait.for must be a duration, not the number 5",
        "12:17: the approval has no 'message'",
        "12:18: the approval has no key 'mesage'",
        (
            "13:15: the step does nothing: it has none of action, parallel, for_each, if, switch, while, steps, wait, "
            "playbook, set, undo, stop, fail, approval"
        ),
        "13:16: the step has no key 'fial'",
    ]
