"""Answers that a service delivers are acknowledged in time, whatever the database does, and count once (D07, D02)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping

import pytest

from soar.approval.service import ACK
from soar.errors import SignatureInvalid, StoreUnavailable
from soar.model.approval import Approval, Vote
from soar.model.notice import Interaction
from tests.approval.conftest import Board, World

SLACK_WAITS = 3.0


class Delivering(Board):
    """A board whose deliveries are JSON, signed with a word."""

    def opened(self, body: bytes, headers: Mapping[str, str], now: float) -> Interaction | None:
        if headers.get("x-signature") != "ours":
            raise SignatureInvalid("not signed by us")
        return Interaction(**json.loads(body)) if body else None


@pytest.fixture
def delivering(world: World) -> World:
    world.post.board.__class__ = Delivering
    return world


def click(world: World) -> bytes:
    message = world.board.messages[0]
    given = {"kind": "approve", "identity": "T01/U01", "nonce": message["notice"].nonce}
    place = {"channel": message["channel"], "ts": message["ts"]}
    return json.dumps({**given, "place": place, "evidence": {"user": "U01", "action_ts": "17.5"}}).encode()


SIGNED = {"x-signature": "ours"}


async def test_d07_a_slow_store_is_acknowledged_in_time_and_the_click_counts_once(
    delivering: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = delivering
    execution = await world.ask()
    vote, gate = world.store.approvals.vote, asyncio.Event()

    async def slow(approval_id: str, given: Vote, now: int) -> Approval:
        await gate.wait()
        return await vote(approval_id, given, now)

    monkeypatch.setattr(world.store.approvals, "vote", slow)
    body = click(world)
    deliveries = [world.service.deliver(body, SIGNED | {"x-slack-retry-num": str(number)}) for number in range(3)]
    async with asyncio.timeout(SLACK_WAITS):  # nothing has been stored yet, and all three are acknowledged
        await asyncio.gather(*deliveries)
    assert (await world.approval(execution)).votes == ()
    gate.set()
    await world.service.desk.stop(5)
    await world.settle()
    assert len((await world.approval(execution)).votes) == 1
    assert world.stage.connections.names().count("gateway.block_ip") == 1
    assert world.board.whispers == []


def test_the_acknowledgement_leaves_a_second_for_the_way() -> None:
    assert ACK <= SLACK_WAITS - 1


async def test_an_answer_is_stored_before_it_is_acknowledged(delivering: World) -> None:
    execution = await delivering.ask()
    await delivering.service.deliver(click(delivering), SIGNED)
    assert len((await delivering.approval(execution)).votes) == 1


async def test_what_could_not_be_stored_is_not_acknowledged(delivering: World, monkeypatch: pytest.MonkeyPatch) -> None:
    await delivering.ask()

    async def broken(approval_id: str, given: Vote, now: int) -> Approval:
        raise StoreUnavailable("disk full")

    monkeypatch.setattr(delivering.store.approvals, "vote", broken)
    with pytest.raises(StoreUnavailable):
        await delivering.service.deliver(click(delivering), SIGNED)


async def test_what_is_signed_by_nobody_is_refused(delivering: World) -> None:
    execution = await delivering.ask()
    with pytest.raises(SignatureInvalid):
        await delivering.service.deliver(click(delivering), {})
    assert (await delivering.approval(execution)).open


async def test_what_asks_for_nothing_is_acknowledged(delivering: World) -> None:
    await delivering.service.deliver(b"", SIGNED)


async def test_without_a_channel_that_takes_answers_there_is_no_way_in(world: World) -> None:
    del world.post.made["slack"]
    with pytest.raises(SignatureInvalid, match=r"docs/slack\.md"):
        await world.service.deliver(b"", SIGNED)


ASK_THEN_WORK = """
  - id: both
    parallel:
      - {id: ask, approval: {message: sure?, notify: ["slack:#soc"], approvers: {users: [ana]}, timeout: 1h}}
      - {id: look, action: api.call, with: {text: meanwhile}}
  - id: block
    when: steps.ask.status == 'succeeded'
    action: gateway.block_ip
    with: {ip: "{{ alert.src_ip }}"}
"""


async def test_d02_another_step_between_question_and_wait_does_not_answer_the_question(world: World) -> None:
    execution = await world.ask(ASK_THEN_WORK)
    assert world.stage.connections.names() == ["api.call"]
    await world.later(30 * 60)
    assert world.stage.connections.names() == ["api.call"]
    assert (await world.approval(execution)).open
    await world.press("approve")
    assert world.stage.connections.names() == ["api.call", "gateway.block_ip"]
