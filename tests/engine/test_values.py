"""What the alert says reaches the connector as it was said: F04, F06, F07, F08, F09, F10, B14, end to end."""

# ruff: noqa: E501 # tables read better with one case in a line

from __future__ import annotations

from typing import Any

import pytest

from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage

from .conftest import run

AS_SAID: tuple[Any, ...] = (
    "2", "0012", "1e5", "1767226364.1048576", "None", "[1]", "true", "null", "",
    "{{ foo.bar }}", "{% for %}", "{#", "${X}", "{{ secrets.api_key }}", "{% raw %}", "{{ 7 * 7 }}", "}{",
    'say "hi"', "it's", "a\nb\r\nc", "back\\slash \\n", "émoji 😀", "\u202e", "<b>&amp;",
    2, 0, 2.5, 12345678901234567890, True, False, None, [1, "2", None], {"a": {"b": []}},
)  # fmt: skip

WAYS = """
- {id: first, set: {kept: "{{ alert.raw }}"}}
- id: send
  action: api.call
  with:
    n: "{{ alert.raw }}"
    ip: ["{{ vars.kept }}", {deep: "{{ alert.raw }}"}]
    text: "{{ alert.raw | tojson }}"
- {id: again, action: api.read, with: {n: "{{ steps.send.output.echo }}"}}
"""


@pytest.mark.parametrize("said", AS_SAID, ids=repr)
async def test_f04_f06_f07_f10_a_connector_gets_what_the_alert_says(
    world: Stage, connections: FakeConnections, said: Any
) -> None:
    """Straight, kept in a variable, inside other data, and out of another step's output."""
    connections.script("api.call", {"echo": said})
    done = await run(world, WAYS, raw=said)
    assert (done.state, done.error) == ("succeeded", None)
    (sent,) = [call.inputs for call in connections.called("api.call")]
    (again,) = [call.inputs for call in connections.called("api.read")]
    for value in (sent["n"], sent["ip"][0], sent["ip"][1]["deep"], again["n"]):
        assert value == said and type(value) is type(said)


@pytest.mark.parametrize("said", [said for said in AS_SAID if isinstance(said, str)], ids=repr)
async def test_f06_f07_f10_a_text_inside_a_ticket_is_not_read_again(
    world: Stage, connections: FakeConnections, said: str
) -> None:
    connections.script("api.call", {"body": f"<{said}>"})
    done = await run(
        world,
        """
        - {id: first, action: api.call, with: {text: "Ticket: {{ alert.title }}!"}}
        - {action: api.read, with: {text: "{{ steps.first.output.body }} {{ alert.title }}"}}
        - {stop: "{{ alert.title }}"}
        """,
        title=said,
    )
    assert done.state == "succeeded" and done.message == said
    assert [call.inputs["text"] for call in connections.called()] == [f"Ticket: {said}!", f"<{said}> {said}"]


async def test_f08_a_go_template_reaches_the_connector(world: Stage, connections: FakeConnections) -> None:
    await run(
        world, "- {action: api.call, with: {text: '{% raw %}{{.Name}}{% endraw %} of {{ alert.user }}'}}\n", user="ana"
    )
    assert connections.calls[0].inputs == {"text": "{{.Name}} of ana"}


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{{ alert.user }}!", "alert.user is null"),
        ("{{ alert.raw.text }}", "alert.raw.text is not there: alert.raw has no 'text'"),
        ("{{ alert.raw.rule.text }}", "alert.raw.rule.text is not there: alert.raw has no 'rule'"),
        ("{{ alert.user | upper }}", "alert.user is null"),
        ("{{ vars.never }}", "vars.never is not there"),
        ("{{ steps.skipped.output.ip }}", "steps.skipped.output.ip is not there"),
    ],
)
async def test_f09_b14_what_is_missing_fails_that_step_by_name_before_any_call(
    world: Stage, connections: FakeConnections, text: str, said: str
) -> None:
    done = await run(
        world,
        f"""
        - {{id: skipped, when: "false", action: api.call}}
        - {{id: fine, action: api.read}}
        - {{id: ticket, action: api.call, with: {{text: "{text}"}}}}
        """,
        raw={"x": 1},
    )
    assert done.state == "failed" and done.error is not None
    assert (done.error["step"], done.error["kind"]) == ("ticket", "expression")
    assert done.error["message"].startswith("text: `") and said in done.error["message"]
    assert connections.names() == ["api.read"]


@pytest.mark.parametrize(
    ("text", "sent"),
    [
        ("{{ alert.raw.text | default('no text') }}", "no text"),
        ("Why: {{ alert.raw.text | default('no text') }}", "Why: no text"),
        ("{{ alert.user | default('nobody') }}", "nobody"),
        ("{% if alert.raw.text is defined %}{{ alert.raw.text }}{% else %}none given{% endif %}", "none given"),
        ("{% if alert.user is defined %}{{ alert.user }}{% else %}none given{% endif %}", "none given"),
        ("{{ steps.skipped.output.ip | default('not asked') }}", "not asked"),
        ("{{ steps.skipped.status }} {{ steps.skipped is skipped }}", "skipped true"),
    ],
)
async def test_f09_f15_b14_default_and_is_defined_stand_in_for_what_is_not_there(
    world: Stage, connections: FakeConnections, text: str, sent: str
) -> None:
    done = await run(
        world,
        f"""
        - {{id: skipped, when: "false", action: api.read}}
        - {{action: api.call, with: {{text: "{text}"}}}}
        """,
        raw={"text": None},
    )
    assert done.state == "succeeded"
    assert connections.calls[0].inputs == {"text": sent}


@pytest.mark.parametrize(
    ("score", "condition", "state"),
    [
        (10, "alert.risk_score >= 7", "succeeded"), (6, "alert.risk_score >= 7", "succeeded"), (None, "alert.risk_score >= 7", "failed"),
        (10, "alert.raw >= 7", "failed"), (10, "alert.raw == 10", "failed"), (10, "alert.risk_score", "failed"),
    ],
)  # fmt: skip
async def test_f14_a_condition_that_mixes_kinds_fails_its_step(
    world: Stage, connections: FakeConnections, score: int | None, condition: str, state: str
) -> None:
    done = await run(world, f"- {{id: one, when: {condition}, action: api.call}}\n", risk_score=score, raw="10")
    assert done.state == state
    assert len(connections.calls) == (1 if score == 10 and state == "succeeded" else 0)
    if state == "failed":
        assert done.error is not None and (done.error["step"], done.error["kind"]) == ("one", "expression")
