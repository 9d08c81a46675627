"""Guardrails below the playbooks: on the values that go out, just before they do (S19, S26, S27; I)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from soar.approval import Word, decide
from soar.engine import Guardrails
from soar.engine.stops import StopSwitches
from soar.model.action import ActionCall, Outcome
from soar.model.approval import Approval
from soar.model.execution import Execution
from soar.playbook import Staff
from soar.policy import Policy, load_rules
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage, stage
from tests.engine.conftest import playbook, statuses
from tests.unit.policy.given import OWN, PEOPLE, settings

ALERT = {"severity": "high", "src_ip": "203.0.113.9"}
BLOCK = "- {id: b, action: gateway.block_ip, with: {ip: '{{ alert.src_ip }}'}, undo: {after: 24h}}\n"
STAFF = Staff({name: person.roles for name, person in PEOPLE.items()}, {})

Under = Callable[[str], AbstractAsyncContextManager[Stage]]


@pytest.fixture
def switches() -> StopSwitches:
    return StopSwitches()


@pytest.fixture
def under(tmp_path: Path, connections: FakeConnections, switches: StopSwitches) -> Under:
    """A world in which that policy is in force, over the shipped one."""

    @asynccontextmanager
    async def build(text: str) -> AsyncIterator[Stage]:
        folder = tmp_path / "world"
        folder.mkdir()
        policy = Policy(load_rules(settings(tmp_path, text), OWN))
        async with stage(folder, connections, Guardrails(policy, switches)) as world:
            yield world

    return build


async def begin(world: Stage, steps: str = BLOCK, alert: dict[str, Any] | None = None, **more: Any) -> Execution:
    execution = await world.open(playbook(steps), ALERT if alert is None else alert, **more)
    await world.run(until=world.clock.now() + 1_000)
    return await world.store.executions.get(execution.id)


async def asked(world: Stage, execution: Execution) -> Approval:
    (one,) = [one for one in await world.store.approvals.of(execution.id) if one.settled_at is None]
    return one


async def say(world: Stage, approval: Approval, person: str, decision: Any = "approve") -> None:
    word = Word(person, decision, "cli", "a test")
    await decide(world.store, STAFF, approval.id, word, world.clock.now())
    await world.run(until=world.clock.now() + 1_000)


async def test_i02_what_is_protected_is_never_contained_whatever_the_playbook_says(
    under: Under, connections: FakeConnections
) -> None:
    text = "protected: {mine: {reason: our egress, addresses: [203.0.113.0/28]}}\n"
    async with under(text) as world:
        ended = await world.finish(await begin(world))
        assert ended.state == "failed"
        assert ended.error is not None
        assert ended.error["kind"] == "guardrail"
        assert "our egress" in ended.error["message"]
        assert connections.calls == []
        assert (await world.store.containments.page()).items == []


async def test_s19_a_guardrails_no_is_a_result_that_a_handler_can_tell_of(
    under: Under, connections: FakeConnections
) -> None:
    text = "protected: {mine: {addresses: [203.0.113.9]}}\n"
    handled = BLOCK.replace("undo:", "on_failure: [{action: api.call, with: {text: '{{ error.kind }}'}}], undo:")
    async with under(text) as world:
        await world.finish(await begin(world, handled))
        assert [call.inputs for call in connections.called("api.call")] == [{"text": "guardrail"}]
        assert connections.called("gateway.block_ip") == []


async def test_i01_the_value_that_goes_out_is_looked_at_not_the_one_of_the_alert(
    under: Under, connections: FakeConnections
) -> None:
    text = "protected: {mine: {addresses: [198.51.100.0/24]}}\n"
    async with under(text) as world:
        steps = BLOCK.replace("alert.src_ip", "alert.raw.agent")
        ended = await world.finish(await begin(world, steps, {**ALERT, "raw": {"agent": "::ffff:198.51.100.7"}}))
        assert (ended.error or {}).get("kind") == "guardrail"
        assert connections.calls == []


async def test_s27_a_demand_is_asked_at_the_guardrail_and_a_yes_lets_the_call_out(
    under: Under, connections: FakeConnections
) -> None:
    text = 'actions: [{action: "gateway.*", verdict: approval, reason: "we learn"}]\napproval: {timeout: 20m}\n'
    async with under(text) as world:
        execution = await begin(world)
        assert (execution.state, execution.awaiting) == ("parked", "approval")
        assert connections.calls == []
        request = await asked(world, execution)
        assert request.path == "b/guardrail"
        assert "we learn" in request.message
        assert request.shown[0]["values"] == {"ip": "203.0.113.9"}
        assert request.due_at == request.asked_at + 20 * 60_000
        await say(world, request, "ana")
        ended = await world.store.executions.get(execution.id)
        assert ended.state == "succeeded"
        assert len(connections.called("gateway.block_ip")) == 1


async def test_s27_nobody_answers_and_it_is_a_no(under: Under, connections: FakeConnections) -> None:
    async with under('actions: [{action: "gateway.*", verdict: approval}]\napproval: {timeout: 20m}\n') as world:
        execution = await begin(world)
        await world.run(until=world.clock.now() + 21 * 60_000)
        assert (await world.store.executions.get(execution.id)).state == "succeeded"
        assert await statuses(world, execution) == {"b": "rejected"}
        assert connections.calls == []


async def test_two_means_two_people(under: Under, connections: FakeConnections) -> None:
    async with under('actions: [{action: "gateway.*", verdict: two}]\n') as world:
        execution = await begin(world)
        request = await asked(world, execution)
        await say(world, request, "ana")
        assert connections.calls == []
        await say(world, await asked(world, execution), "ben")
        assert len(connections.called("gateway.block_ip")) == 1


GUARDED = """\
- id: b
  approval: {message: sure, approvers: {roles: [analyst, admin], required: REQUIRED}, timeout: 1h}
  action: gateway.block_ip
  with: {ip: '{{ alert.src_ip }}'}
  undo: {after: 24h}
"""


async def test_s27_an_approval_that_showed_the_value_to_enough_people_is_asked_once(
    under: Under, connections: FakeConnections
) -> None:
    async with under('actions: [{action: "gateway.*", verdict: approval}]\n') as world:
        execution = await begin(world, GUARDED.replace("REQUIRED", "1"))
        request = await asked(world, execution)
        assert request.path == "b"
        await say(world, request, "ana")
        assert (await world.store.executions.get(execution.id)).state == "succeeded"
        assert len(await world.store.approvals.of(execution.id)) == 1


async def test_s27_an_approval_of_one_is_not_enough_where_policy_wants_two(
    under: Under, connections: FakeConnections
) -> None:
    async with under('actions: [{action: "gateway.*", verdict: two}]\n') as world:
        execution = await begin(world, GUARDED.replace("REQUIRED", "1"))
        await say(world, await asked(world, execution), "ana")
        assert connections.calls == []
        second = await asked(world, execution)
        assert (second.path, second.approvers.required) == ("b/guardrail", 2)


async def test_s27_four_eyes_are_not_met_by_an_approval_that_let_the_requester_vote(
    under: Under, connections: FakeConnections
) -> None:
    async with under('actions: [{action: "gateway.*", four_eyes: true}]\n') as world:
        execution = await begin(world, GUARDED.replace("REQUIRED", "1"))
        await say(world, await asked(world, execution), "ana")
        assert connections.calls == []
        second = await asked(world, execution)
        assert (second.path, second.approvers.excluded) == ("b/guardrail", ("requester", "author"))


async def test_s27_an_approval_of_an_expression_is_no_yes_to_the_value_it_came_to(
    under: Under, connections: FakeConnections
) -> None:
    steps = """\
- id: all
  approval: {message: sure, approvers: {roles: [analyst, admin]}, timeout: 1h}
  steps:
    - {id: look, action: api.read, with: {n: 1}}
    - {id: b, action: gateway.block_ip, with: {ip: 203.0.113.9, text: '{{ steps.look.output.ok }}'}}
"""
    async with under('actions: [{action: "gateway.*", verdict: approval}]\n') as world:
        execution = await begin(world, steps)
        await say(world, await asked(world, execution), "ana")
        assert connections.called("gateway.block_ip") == []
        second = await asked(world, execution)
        assert second.path == "all/b/guardrail"
        assert second.shown[0]["values"] == {"ip": "203.0.113.9", "text": True}


BUDGET = "budgets: {containments: {for: containing, limit: 2, window: 10m, resume_at: 0, per: connection}}\n"


async def blocked(world: Stage, number: int) -> Execution:
    return await begin(world, BLOCK, {**ALERT, "src_ip": f"203.0.113.{number}"})


async def test_s19_over_budget_is_a_question_and_a_yes_goes_over_it(under: Under, connections: FakeConnections) -> None:
    async with under(BUDGET) as world:
        first = [await blocked(world, number) for number in (1, 2)]
        assert {one.state for one in first} == {"succeeded"}
        third = await blocked(world, 3)
        assert (third.state, third.awaiting) == ("parked", "approval")
        request = await asked(world, third)
        assert "containments/gateway" in request.message
        told = [one.action for one in (await world.store.audit.page(f"execution:{third.id}")).items]
        assert "policy.asked" in told
        assert len(connections.called("gateway.block_ip")) == 2
        await say(world, request, "ana")
        assert (await world.store.executions.get(third.id)).state == "succeeded"
        assert len(connections.called("gateway.block_ip")) == 3


async def later(world: Stage, minutes: int) -> None:
    await world.run(until=world.clock.now() + minutes * 60_000)


async def test_s19_a_full_budget_stays_full_until_it_has_fallen_far_enough(under: Under) -> None:
    async with under(BUDGET) as world:
        await blocked(world, 1)
        await later(world, 5)
        await blocked(world, 2)
        await later(world, 6)  # the first has left the window: one of two is used, and that is not yet few enough
        (view,) = await world.store.budgets.list(world.clock.now())
        assert (view.budget, view.used, view.limit) == ("containments/gateway", 1, 2)
        assert view.full_since is not None
        assert (await blocked(world, 3)).awaiting == "approval"
        await later(world, 5)
        assert (await blocked(world, 4)).state == "succeeded"


async def test_s19_what_changed_nothing_gives_its_part_back(under: Under, connections: FakeConnections) -> None:
    refused = Answer.error("refused")
    connections.script("gateway.block_ip", refused, refused, refused, {"ok": True})
    async with under(BUDGET) as world:
        states = [(await blocked(world, number)).state for number in (1, 2, 3, 4, 5)]
        assert states == ["failed", "failed", "failed", "succeeded", "succeeded"]
        assert (await blocked(world, 6)).awaiting == "approval"


async def test_s27_an_approval_that_showed_the_value_is_a_yes_to_going_over_the_budget(
    under: Under, connections: FakeConnections
) -> None:
    async with under(BUDGET) as world:
        await blocked(world, 1)
        await blocked(world, 2)
        guarded = await begin(world, GUARDED.replace("REQUIRED", "1"))
        await say(world, await asked(world, guarded), "ana")
        assert (await world.store.executions.get(guarded.id)).state == "succeeded"
        assert [one.path for one in await world.store.approvals.of(guarded.id)] == ["b"]
        (view,) = await world.store.budgets.list(world.clock.now())
        assert view.used == 3


NOTICES = "budgets: {notices: {for: notifying, limit: 3, window: 1h, per: playbook, when_full: refuse}}\n"
NOTIFY = "- {id: t, for_each: '[1, 2, 3, 4, 5]', steps: [{id: say, action: api.call, with: {n: 1}}]}\n"


async def test_m04_a_budget_that_refuses_fails_the_step(under: Under, connections: FakeConnections) -> None:
    async with under(NOTICES) as world:
        ended = await begin(world, NOTIFY)
        assert ended.state == "failed"
        assert len(connections.called("api.call")) == 3
        facts = [fact for fact in await world.facts(ended) if fact.data.get("error_kind") == "guardrail"]
        assert [fact.path for fact in facts] == ["t[3]/say", "t[4]/say"]
        assert "notices/under-test" in facts[0].data["message"]


async def test_m04_a_yes_to_the_call_is_no_yes_to_a_budget_that_refuses(
    under: Under, connections: FakeConnections
) -> None:
    text = NOTICES.replace("limit: 3", "limit: 0") + 'actions: [{action: "api.*", verdict: approval}]\n'
    async with under(text) as world:
        execution = await begin(world, "- {id: say, action: api.call, with: {n: 1}}\n")
        await say(world, await asked(world, execution), "ana")
        assert (await world.store.executions.get(execution.id)).state == "failed"
        assert connections.calls == []


async def test_i02_a_refusal_and_a_question_are_recorded_for_people(under: Under) -> None:
    text = 'protected: {mine: {addresses: [203.0.113.9]}}\nactions: [{action: "api.*", verdict: approval}]\n'
    async with under(text) as world:
        refused = await begin(world)
        asking = await begin(world, "- {id: say, action: api.call, with: {n: 1}}\n")
        told = {entry.subject: entry for entry in (await world.store.audit.page()).items if entry.actor == "policy"}
        assert told[f"execution:{refused.id}"].action == "policy.refused"
        assert "'mine'" in told[f"execution:{refused.id}"].data["reason"]
        assert told[f"execution:{asking.id}"].action == "policy.asked"


async def test_i02_a_refusal_is_an_event_that_playbooks_may_tell_people_of(under: Under) -> None:
    async with under("protected: {mine: {addresses: [203.0.113.9]}}\n") as world:
        world.engine._wanted = lambda name: name == "policy.refused"
        for mode in ("live", "shadow"):
            await begin(world, mode=mode)
        (told,) = await world.store.events.since("policy.*", 0, 0)
        assert told.data["step"] == "b"
        assert "'mine'" in told.data["reason"]


async def test_s19_a_switch_thrown_while_the_target_is_looked_at_parks_the_call(
    under: Under, connections: FakeConnections, switches: StopSwitches
) -> None:
    async with under("") as world:
        await begin(world)  # its target is held now, so that the next one looks before it calls
        second = await world.open(playbook(BLOCK), ALERT)
        looks: list[ActionCall] = []

        async def look(call: ActionCall) -> Outcome:
            looks.append(call)
            await world.store.switches.set("all", "person:ana", "drill", world.clock.now())
            await switches.refresh(world.store)
            return Outcome("absent")

        connections.verify = look  # type: ignore[method-assign]
        await world.run(until=world.clock.now() + 1_000)
        halted = await world.store.executions.get(second.id)
        assert (halted.state, halted.awaiting, len(looks)) == ("parked", "person", 1)
        assert len(connections.called("gateway.block_ip")) == 1


async def test_s36_a_dry_run_shows_the_verdict_and_counts_nothing(under: Under, connections: FakeConnections) -> None:
    text = 'actions: [{action: "gateway.*", verdict: two}]\n' + BUDGET
    async with under(text) as world:
        execution = await begin(world, mode="dry_run")
        assert execution.state == "succeeded"
        outcomes = [fact for fact in await world.facts(execution) if fact.kind == "outcome"]
        assert outcomes[0].data["guardrail"]["verdict"] == "two"
        assert outcomes[0].data["simulated"]
        assert await world.store.approvals.of(execution.id) == []
        assert await world.store.budgets.list(world.clock.now()) == []


async def test_s33_a_lift_is_never_held_back(under: Under, connections: FakeConnections) -> None:
    async with under(BUDGET) as world:
        execution = await begin(world, BLOCK.replace("24h", "1m"))
        assert execution.state == "succeeded"
        await world.run(until=world.clock.now() + 2 * 60_000)
        (held,) = (await world.store.containments.page()).items
        assert held.state == "lifted"


async def test_s31_a_containment_without_a_time_lifts_when_policy_says(under: Under) -> None:
    text = 'actions: [{action: "gateway.*", undo_after: [1h]}]\n'
    async with under(text) as world:
        await begin(world, BLOCK.replace(", undo: {after: 24h}", ""))
        (held,) = (await world.store.containments.page()).items
        assert held.expires_at is not None
        assert held.expires_at - held.started_at == 3_600_000
