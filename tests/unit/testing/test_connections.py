from __future__ import annotations

import pytest

from soar.connector.base import Settings
from soar.connector.definition import define
from soar.errors import NotFound, Refused
from soar.model.action import ActionCall, ActionSpec, Connections, Prepared, UndoCall
from soar.testing.connections import Answer, FakeConnections
from tests.unit.connector.gateway import Gateway

IP = {"ip": "203.0.113.9"}


def specs() -> dict[str, ActionSpec]:
    actions = define(Gateway).actions.values()
    made = [action.spec("gateway", "gateway", Settings(), None) for action in actions]
    return {spec.name: spec for spec in made}


@pytest.fixture
def fake() -> FakeConnections:
    return FakeConnections(specs())


def block(attempt: int = 1, key: str = "k-1") -> ActionCall:
    return ActionCall("gateway.block_ip", IP, key, "e-1", "contain", attempt, 30)


UNDO = UndoCall("gateway.block_ip", IP, "k-1", {"rule_id": "example"}, "gateway.unblock_ip")


async def test_without_a_script_the_schema_answers(fake: FakeConnections) -> None:
    proof: Connections = fake
    assert (await proof.perform(block())).output == {"rule_id": "example"}


async def test_a_script_is_followed_and_its_last_answer_repeated(fake: FakeConnections) -> None:
    fake.script("gateway.block_ip", Answer.error("unavailable", retry_after=7), {"rule_id": "r-1"}, {"rule_id": "r-2"})
    outcomes = [await fake.perform(block(attempt)) for attempt in (1, 2, 3, 4)]
    assert outcomes[0].retry_after == 7
    assert [outcome.output for outcome in outcomes[1:]] == [{"rule_id": "r-1"}, {"rule_id": "r-2"}, {"rule_id": "r-2"}]


async def test_calls_and_undo_calls_are_on_record_in_order(fake: FakeConnections) -> None:
    await fake.perform(block())
    await fake.verify(block())
    assert (await fake.undo(UNDO, key="u-1", timeout=5)).kind == "done"
    assert fake.names() == ["gateway.block_ip", "gateway.unblock_ip"]
    assert [call.key for call in fake.called()] == ["k-1", "u-1"]
    assert len(fake.called("gateway.block_ip", "verify")) == 1


@pytest.mark.parametrize(("happened", "found"), [(True, "done"), (False, "absent"), (None, "unknown")])
async def test_verify_finds_what_the_script_says_became_of_a_lost_call(
    fake: FakeConnections, happened: bool | None, found: str
) -> None:
    fake.script("gateway.block_ip", Answer.error("lost", happened=happened))
    assert (await fake.perform(block())).kind == "unknown"
    assert (await fake.verify(block())).kind == found


async def test_verify_knows_each_call_by_its_key_and_an_undo_takes_it_away(fake: FakeConnections) -> None:
    await fake.perform(block())
    assert (await fake.verify(block())).kind == "done"
    assert (await fake.verify(block(key="k-2"))).kind == "absent"
    await fake.undo(UNDO, key="u-1", timeout=5)
    assert (await fake.verify(block())).kind == "absent"


async def test_an_undo_can_be_scripted_to_fail(fake: FakeConnections) -> None:
    fake.script_undo("gateway.unblock_ip", Answer.error("unavailable"), Answer.done({}))
    assert (await fake.undo(UNDO, key="u-1", timeout=5)).kind == "unavailable"
    assert (await fake.undo(UNDO, key="u-1", timeout=5)).kind == "done"


@pytest.mark.parametrize(
    ("inputs", "says"),
    [({}, "'ip' is missing"), ({**IP, "reson": "x"}, "no parameter 'reson'"), ({"ip": 7}, "7 does not fit")],
)
async def test_values_are_checked_like_the_real_ones(
    fake: FakeConnections, inputs: dict[str, object], says: str
) -> None:
    with pytest.raises(Refused, match=says):
        fake.prepare("gateway.block_ip", inputs)
    outcome = await fake.perform(ActionCall("gateway.block_ip", inputs, "k", "e", "p", 1, 30))
    assert (outcome.kind, outcome.sent) == ("refused", False)


def test_the_real_check_is_used_where_there_is_one() -> None:
    fake = FakeConnections(specs(), checks=lambda name, inputs: Prepared(target=f"{name} {inputs['ip']}"))
    assert fake.prepare("gateway.block_ip", IP).target == "gateway.block_ip 203.0.113.9"


def test_an_unknown_action_is_not_found(fake: FakeConnections) -> None:
    with pytest.raises(NotFound):
        fake.script("gateway.blok_ip")
    with pytest.raises(NotFound):
        fake.spec("gateway.blok_ip")
