"""How steps follow each other: S2, S9, S10, S13 and the cases of section K."""

from __future__ import annotations

from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage

from .conftest import run, statuses


async def test_three_actions_run_in_order_with_the_values_of_the_alert(
    world: Stage, connections: FakeConnections
) -> None:
    done = await run(
        world,
        """
        - {id: one, action: api.call, with: {ip: "{{ alert.src_ip }}", n: 1}}
        - {id: two, action: api.call, with: {text: "{{ steps.one.output.ok }}", n: 2}}
        - {id: three, action: api.call, with: {n: 3}}
        """,
        src_ip="203.0.113.9",
    )
    assert done.state == "succeeded"
    sent = [dict(call.inputs) for call in connections.called("api.call")]
    assert sent == [{"ip": "203.0.113.9", "n": 1}, {"text": True, "n": 2}, {"n": 3}]
    assert len({call.key for call in connections.calls}) == 3


async def test_s20_three_changing_calls_cost_four_commits(world: Stage) -> None:
    commits: list[object] = []
    commit = world.store.executions.commit

    async def counted(unit: object) -> None:
        commits.append(unit)
        await commit(unit)  # type: ignore[arg-type]

    world.store.executions.commit = counted  # type: ignore[method-assign]
    await run(world, "".join(f"- {{action: api.call, with: {{n: {n}}}}}\n" for n in range(3)))
    assert len(commits) == 4


async def test_k10_after_a_failure_the_rest_does_not_run_and_the_execution_failed(
    world: Stage, connections: FakeConnections
) -> None:
    """K08, K10: what is marked to run whatever happens is the playbook's `on_failure`."""
    connections.script("api.once", Answer.error("refused", "no"))
    done = await run(
        world,
        """
        - {id: one, action: api.call}
        - {id: two, action: api.once}
        - {id: three, action: api.call}
        """,
        rest="on_failure: [{id: four, action: api.call, with: {text: '{{ error.step }}: {{ error.message }}'}}]\n",
    )
    assert done.state == "failed"
    assert done.error == {"step": "two", "kind": "refused", "message": "no"}
    assert await statuses(world, done) == {"one": "succeeded", "two": "failed", "on_failure/four": "succeeded"}
    assert connections.called("api.call")[-1].inputs == {"text": "two: no"}


async def test_s10_each_step_of_on_failure_is_tried_whatever_became_of_the_one_before(
    world: Stage, connections: FakeConnections
) -> None:
    connections.script("api.once", Answer.error("refused", "no"))
    done = await run(
        world,
        "- {id: one, action: api.once}\n",
        rest="on_failure: [{id: a, action: api.once}, {id: b, action: api.call}]\n",
    )
    assert done.error is not None and done.error["step"] == "one"
    assert (await statuses(world, done))["on_failure/b"] == "succeeded"


async def test_s9_a_handler_that_ends_well_has_handled_it(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("refused", "no"))
    done = await run(
        world,
        """
        - id: one
          action: api.once
          on_failure: [{id: mend, action: api.call, with: {text: "{{ error.kind }}"}}]
        - {id: two, action: api.call, with: {text: "{{ steps.one.status }} {{ steps.one.output }}"}}
        """,
    )
    assert done.state == "succeeded"
    assert [call.inputs["text"] for call in connections.called("api.call")] == ["refused", "failed {}"]


async def test_s9_a_handler_that_fails_leaves_the_first_error(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("refused", "no"))
    done = await run(world, "- {id: one, action: api.once, on_failure: [{id: mend, action: api.once}]}\n")
    assert done.state == "failed" and done.error is not None
    assert done.error["step"] == "one"
    assert done.error["handler"]["step"] == "one/on_failure/mend"


async def test_a_failed_step_may_be_passed_over(world: Stage, connections: FakeConnections) -> None:
    connections.script("api.once", Answer.error("refused", "no"))
    done = await run(
        world,
        """
        - {id: one, action: api.once, on_failure: continue}
        - {id: two, action: api.call, with: {text: "{{ steps.one.output.score | default('none') }}"}}
        """,
    )
    assert done.state == "succeeded"
    assert connections.called("api.call")[0].inputs == {"text": "none"}


async def test_when_if_set_and_block(world: Stage, connections: FakeConnections) -> None:
    done = await run(
        world,
        """
        - {id: score, set: {points: "{{ alert.risk_score or 50 }}"}}
        - id: contain
          when: vars.points > 70
          steps:
            - {id: inner, action: api.call, with: {n: 1}}
        - id: check
          if: vars.points == 90
          then: [{id: yes_branch, action: api.call, with: {n: 2}}]
          else: [{id: no_branch, action: api.call, with: {n: 3}}]
        - {id: never, when: vars.points < 70, action: api.call}
        - {id: after, action: api.call, with: {text: "{{ steps.never.status }}/{{ steps.contain.status }}"}}
        """,
        risk_score=90,
    )
    assert done.state == "succeeded"
    assert await statuses(world, done) == {
        "score": "succeeded",
        "contain": "succeeded",
        "contain/inner": "succeeded",
        "check": "succeeded",
        "check/then/yes_branch": "succeeded",
        "never": "skipped",
        "after": "succeeded",
    }
    assert connections.called("api.call")[-1].inputs == {"text": "skipped/succeeded"}


async def test_an_error_in_a_condition_never_opens_the_gate(world: Stage, connections: FakeConnections) -> None:
    done = await run(world, "- {id: one, when: alert.risk_score > 10, action: api.call}\n", risk_score=None)
    assert done.state == "failed"
    assert done.error is not None and done.error["kind"] == "expression"
    assert connections.calls == []


async def test_s13_stop_ends_as_succeeded_from_any_depth_past_handlers(
    world: Stage, connections: FakeConnections
) -> None:
    done = await run(
        world,
        """
        - id: outer
          on_failure: [{id: mend, action: api.call}]
          steps: [{if: "true", then: [{stop: "nothing to do for {{ alert.user }}"}]}]
        - {id: never, action: api.call}
        """,
        user="ana",
    )
    assert (done.state, done.message) == ("succeeded", "nothing to do for ana")
    assert connections.calls == []


async def test_s13_fail_ends_as_failed_past_handlers(world: Stage, connections: FakeConnections) -> None:
    done = await run(
        world,
        """
        - id: outer
          on_failure: continue
          steps: [{id: end, fail: "too odd"}]
        - {id: never, action: api.call}
        """,
    )
    assert done.state == "failed"
    assert done.error == {"step": "outer/end", "kind": "fail", "message": "too odd"}
    assert connections.calls == []


async def test_a_missing_value_fails_the_step_before_any_call(world: Stage, connections: FakeConnections) -> None:
    """F09, I08: it names the path, and nothing was sent."""
    done = await run(world, "- {id: one, action: api.call, with: {text: 'user {{ alert.user }}'}}\n")
    assert done.error is not None and done.error["kind"] == "expression"
    assert "alert.user" in done.error["message"]
    assert connections.calls == []
