"""A broken glass answers a question alone; what guardrails forbid and stop buttons hold back stays so (S19, S27)."""

from __future__ import annotations

from typing import Any

import pytest

from soar.approval import Word, decide
from soar.approval.glass import CLOSED, Glass
from soar.engine.stops import StopSwitches
from soar.errors import Conflict, NotAllowed, RequestInvalid
from soar.model.approval import Approval
from soar.playbook import Staff
from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage
from tests.engine.conftest import statuses
from tests.engine.test_guardrails import BLOCK, Under, asked, begin, switches, under

__all__ = ["switches", "under"]

STAFF = Staff({"ana": ("analyst",), "ben": ("admin",), "cleo": ("incident-commander",), "dan": ()}, {})
GLASS = Glass(("incident-commander",), ("slack:#security",))
ASKS = BLOCK.replace("{id: b,", "{id: b, approval: {message: sure, RULE, timeout: 1h},")
FOUR_EYES = "approvers: {users: [ana, ben], required: 2, not: [requester, author]}"


async def break_glass(
    world: Stage, approval: Approval, person: str = "cleo", glass: Glass = GLASS, **more: Any
) -> None:
    given: dict[str, Any] = {"decision": "approve", "channel": "cli", "reason": "nobody else answers", **more}
    await decide(world.store, STAFF, approval.id, Word(person, **given, break_glass=True), world.clock.now(), glass)
    await world.run(until=world.clock.now() + 1_000)


async def untouched(world: Stage, approval: Approval) -> bool:
    """Whether nothing has come of it: no vote, no review, no message."""
    stands = await world.store.approvals.get(approval.id)
    reviews = (await world.store.reviews.page(None)).items
    return stands.open and not stands.votes and not reviews and not await world.store.messages.of(approval.id)


@pytest.mark.parametrize("rule", ["approvers: {users: [ana]}", FOUR_EYES])
async def test_one_who_is_no_approver_approves_what_two_others_were_to(
    under: Under, connections: FakeConnections, rule: str
) -> None:
    async with under("") as world:
        execution = await begin(world, ASKS.replace("RULE", rule))
        request = await asked(world, execution)
        await break_glass(world, request)
        settled = await world.store.approvals.get(request.id)
        assert (settled.state, settled.settled_by) == ("approved", "person:cleo")
        assert settled.votes[0].evidence == {"break_glass": True}
        assert (await world.store.executions.get(execution.id)).state == "succeeded"
        assert len(connections.called("gateway.block_ip")) == 1
        assert [one.by for one in (await world.store.reviews.page()).items] == ["person:cleo"]
        assert [one.kind for one in await world.store.messages.of(request.id)] == ["announcement"]


async def test_who_has_asked_for_it_may_break_the_glass_and_not_answer_otherwise(under: Under) -> None:
    async with under("") as world:
        execution = await begin(world, ASKS.replace("RULE", "approvers: {users: [cleo], not: [requester]}"))
        request = await asked(world, execution)
        assert request.approvers.excluded == ("requester",)
        await break_glass(world, request)
        assert (await world.store.approvals.get(request.id)).state == "approved"


@pytest.mark.parametrize("person", ["ana", "ben", "dan", "eve"])
async def test_d06_who_may_not_break_the_glass_is_refused_and_that_is_recorded(
    under: Under, connections: FakeConnections, person: str
) -> None:
    async with under("") as world:
        request = await asked(world, await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}")))
        with pytest.raises(NotAllowed):
            await break_glass(world, request, person)
        assert await untouched(world, request) and connections.calls == []
        (entry, *_) = (await world.store.audit.page(f"approval:{request.id}")).items
        assert (entry.actor, entry.action) == (f"person:{person}", "approval.vote.refused")
        assert entry.data["evidence"] == {"break_glass": True}


async def test_where_the_policy_names_nobody_nobody_may(under: Under) -> None:
    async with under("") as world:
        request = await asked(world, await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}")))
        with pytest.raises(NotAllowed, match="nobody may break the glass"):
            await break_glass(world, request, glass=CLOSED)
        assert await untouched(world, request)


@pytest.mark.parametrize("wrong", [{"reason": "  "}, {"decision": "deny"}])
async def test_a_broken_glass_is_a_yes_with_a_reason(under: Under, wrong: dict[str, str]) -> None:
    async with under("") as world:
        request = await asked(world, await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}")))
        with pytest.raises(RequestInvalid, match="breaking the glass"):
            await break_glass(world, request, **wrong)
        assert await untouched(world, request)


async def test_what_ran_out_is_not_broken_open(under: Under, connections: FakeConnections) -> None:
    async with under("") as world:
        request = await asked(world, await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}")))
        await world.run(until=world.clock.now() + 2 * 3_600_000)
        with pytest.raises(Conflict, match="it is expired already"):
            await break_glass(world, request)
        assert connections.calls == [] and (await world.store.reviews.page(None)).items == []


async def test_i02_what_is_forbidden_stays_forbidden(under: Under, connections: FakeConnections) -> None:
    text = "protected: {mine: {reason: our egress, addresses: [203.0.113.0/28]}}\n"
    async with under(text) as world:
        execution = await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}"))
        await break_glass(world, await asked(world, execution))
        ended = await world.store.executions.get(execution.id)
        assert (ended.state, (ended.error or {}).get("kind")) == ("failed", "guardrail")
        assert connections.calls == []


async def test_what_is_stopped_waits_until_it_is_released(
    under: Under, connections: FakeConnections, switches: StopSwitches
) -> None:
    async with under("") as world:
        execution = await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}"))
        request = await asked(world, execution)
        await world.store.switches.set("all", "person:ana", "drill", world.clock.now())
        await switches.refresh(world.store)
        await break_glass(world, request)
        assert (await world.store.approvals.get(request.id)).state == "approved"
        assert connections.called("gateway.block_ip") == []
        assert (await world.store.executions.get(execution.id)).awaiting == "person"


async def test_a_question_of_the_policy_is_answered_alone_and_only_that_one(
    under: Under, connections: FakeConnections
) -> None:
    """The playbook asked one person, so its yes is not the two that policy wants: that is asked, and broken, anew."""
    async with under('actions: [{action: "gateway.*", verdict: two}]\n') as world:
        execution = await begin(world, ASKS.replace("RULE", "approvers: {users: [ana]}"))
        await break_glass(world, await asked(world, execution))
        assert connections.calls == []
        demanded = await asked(world, execution)
        assert demanded.path == "b/guardrail"
        await break_glass(world, demanded)
        assert await statuses(world, execution) == {"b": "succeeded"}
        assert len(connections.called("gateway.block_ip")) == 1
        assert len((await world.store.reviews.page()).items) == 2
