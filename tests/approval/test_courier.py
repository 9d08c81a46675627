"""Requests reach people once, in one place each, and say what stands (S28, D12, D13)."""

from __future__ import annotations

import pytest

from soar.errors import OutcomeUnknown, Refused, Unavailable
from tests.approval.conftest import GUARDED, World

MINUTE = 60_000
TWO_STAGES = GUARDED.replace("timeout: 15m", "timeout: 15m\n      escalate: [{to: leads, timeout: 10m}]")


async def test_a_request_is_posted_without_power_and_then_gets_its_buttons(world: World) -> None:
    execution = await world.ask()
    [message] = world.board.messages
    assert (message["channel"], message["buttons"]) == ("#soc", True)
    notice = message["notice"]
    assert notice.title == "Block 203.0.113.9?"
    assert [(item.action, item.where, item.values) for item in notice.items] == [
        ("gateway.block_ip", "gateway (fake, zone dmz)", {"ip": "203.0.113.9"})
    ]
    assert notice.link == f"https://soar.example.com/approvals/{notice.approval_id}"
    assert (await world.approval(execution)).state == "asked"


async def test_the_same_round_again_sends_nothing_more(world: World) -> None:
    await world.ask()
    await world.settle()
    await world.restart()
    await world.later(60)
    assert len(world.board.messages) == 1


async def test_d12_a_lost_answer_never_leaves_two_sets_of_live_buttons(world: World) -> None:
    world.post.faults["slack"] = [OutcomeUnknown("the answer was lost")]
    execution = await world.ask()
    assert [one["buttons"] for one in world.board.messages] == [False]
    assert (await world.approval(execution)).state == "asking"
    await world.later(2)
    assert [one["buttons"] for one in world.board.messages] == [False, True]
    assert world.board.messages[1]["notice"].repeated
    assert (await world.approval(execution)).state == "asked"


async def test_d12_a_post_that_is_lost_twice_is_not_made_a_third_time(world: World) -> None:
    world.post.faults["slack"] = [OutcomeUnknown("lost"), OutcomeUnknown("lost")]
    execution = await world.ask()
    await world.later(120)
    assert [one["buttons"] for one in world.board.messages] == [False, False]
    [message] = await world.messages(execution)
    assert (message.state, message.error) == ("refused", "its answer was lost twice (lost)")


async def test_d12_what_a_dead_process_was_posting_is_posted_once_more_and_marked(world: World) -> None:
    world.post.faults["slack"] = [Unavailable("down")]
    execution = await world.ask()
    [message] = await world.messages(execution)
    assert await world.store.messages.begin(message)  # and here the process dies
    await world.restart()
    await world.settle()
    [posted] = world.board.messages
    assert (posted["buttons"], posted["notice"].repeated) == (True, True)


async def test_d12_a_process_that_dies_of_each_post_does_not_post_for_ever(world: World) -> None:
    world.post.faults["slack"] = [Unavailable("down")]
    execution = await world.ask()
    for _ in range(2):
        [message] = await world.messages(execution)
        assert await world.store.messages.begin(message)  # and here the process dies
        await world.restart()
    await world.later(60)
    [message] = await world.messages(execution)
    assert (message.state, message.lost) == ("refused", 2)
    assert world.board.messages == []


@pytest.mark.parametrize("word", ["invalid_blocks", "channel_not_found"])
async def test_d13_a_refused_request_goes_to_the_next_stage_at_once_and_is_not_asked(world: World, word: str) -> None:
    world.post.faults["slack"] = [Refused(f"Slack answered 200 {word}")]
    execution = await world.ask(TWO_STAGES)
    assert (await world.approval(execution)).stage == 1
    await world.settle()
    assert [one["channel"] for one in world.board.messages] == ["U02"]
    assert sorted(to for to, _ in world.mail.sent) == ["ben@example.com", "kim@example.com"]
    assert (await world.approval(execution)).state == "asked"
    entries = (await world.store.audit.page(f"approval:{(await world.approval(execution)).id}")).items
    assert [one.data["reason"] for one in entries if one.action == "approval.undelivered"] == [
        f"slack:#soc: Slack answered 200 {word}"
    ]


async def test_d13_slack_down_for_ten_minutes_the_next_stage_hears_of_it_and_the_message_comes_late(
    world: World,
) -> None:
    world.post.faults["slack"] = [Unavailable("no connection")] * 24
    execution = await world.ask(TWO_STAGES)
    assert (await world.approval(execution)).state == "asking"
    assert await world.store.messages.undelivered() == 1
    for _ in range(30):
        await world.later(1)
    assert (await world.approval(execution)).stage == 1
    assert (await world.approval(execution)).state == "asked"  # by mail
    assert await world.store.messages.undelivered() == 0
    for _ in range(20):
        await world.later(30)
    assert sorted(one["channel"] for one in world.board.live) == ["#soc", "U02"]


async def test_an_undelivered_request_ends_by_its_last_due_time_and_a_page_is_sent(world: World) -> None:
    world.post.faults["slack"] = [Refused("is_archived")]
    execution = await world.ask()
    found = await world.store.events.since("approval.undelivered", execution.opened_at, 0)
    assert [one.data["reason"] for one in found] == ["slack:#soc: is_archived"]
    assert (await world.approval(execution)).state == "asking"
    await world.later(16 * 60)
    assert (await world.approval(execution)).state == "expired"
    assert world.stage.connections.called("gateway.block_ip") == []


async def test_people_named_by_a_stage_are_reached_by_each_kind_of_channel_once(world: World) -> None:
    await world.ask(TWO_STAGES)
    await world.later(15 * 60)
    assert [one["channel"] for one in world.board.live] == ["#soc", "U02"]
    assert sorted(to for to, _ in world.mail.sent) == ["ben@example.com", "kim@example.com"]
    assert world.board.messages[1]["notice"].stage == 1


async def test_a_place_that_asks_to_wait_is_left_alone_and_holds_up_no_other(world: World) -> None:
    steps = GUARDED.replace('"slack:#soc"', '"slack:#soc", "email:ana@example.com"')
    world.post.faults["slack"] = [Unavailable("ratelimited", retry_after=30)]
    execution = await world.ask(steps)
    assert [to for to, _ in world.mail.sent] == ["ana@example.com"]
    assert world.board.messages == []
    await world.later(29)
    assert world.board.messages == []
    await world.later(2)
    assert len(world.board.live) == 1
    assert (await world.approval(execution)).stage == 0


async def test_policy_names_the_channels_of_a_request_that_names_none(world: World) -> None:
    world.default = ("email:soc@example.com",)
    execution = await world.ask(GUARDED.replace('notify: ["slack:#soc"]', ""))
    assert [to for to, _ in world.mail.sent] == ["soc@example.com"]
    assert (await world.approval(execution)).state == "asked"


async def test_a_request_that_names_nobody_waits_where_people_look(world: World) -> None:
    execution = await world.ask(GUARDED.replace('notify: ["slack:#soc"]', ""))
    assert (await world.approval(execution)).state == "asking"
    assert await world.store.messages.undelivered() == 0
    assert await world.store.events.since("approval.undelivered", execution.opened_at, 0) == []


async def test_a_channel_that_no_connection_carries_counts_as_refused(world: World) -> None:
    execution = await world.ask(GUARDED.replace("slack:#soc", "pager:night"))
    found = await world.store.events.since("approval.undelivered", execution.opened_at, 0)
    assert [one.data["reason"] for one in found] == ["pager:night: no connection of soar.yaml reaches it"]
    assert await world.store.messages.open_requests() == {"asked": 0, "unnamed": 0, "undelivered": 1}


async def test_a_request_settled_before_it_was_posted_is_never_posted(world: World) -> None:
    world.post.faults["slack"] = [Unavailable("down")]
    execution = await world.ask()
    await world.stage.store.executions.tell(
        execution.id, "cancel", {"by": "person:ana", "reason": ""}, world.clock.now()
    )
    await world.later(5)
    assert world.board.messages == []
    assert [one.state for one in await world.messages(execution)] == ["dropped"]


async def test_a_reminder_stands_below_the_request_until_it_is_answered(world: World) -> None:
    await world.ask(GUARDED.replace("timeout: 15m", "timeout: 15m\n      remind: 5m"))
    await world.later(5 * 60 + 1)
    await world.later(1)
    [reminder] = world.board.texts("1")
    assert "Still waiting for an answer: Block 203.0.113.9?" in reminder
    await world.press("approve")
    await world.later(6 * 60)
    assert sum("Still waiting" in text for text in world.board.texts()) == 1


async def test_an_approval_that_no_longer_holds_loses_its_buttons(world: World) -> None:
    await world.ask()
    await world.later(16 * 60)
    assert world.board.live == []
    assert world.board.messages[0]["notice"].state == "expired"
