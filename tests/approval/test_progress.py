"""One thread per execution: what the steps did and how it ended stands below its request."""

from __future__ import annotations

from soar.errors import OutcomeUnknown
from soar.testing.connections import Answer
from tests.approval.conftest import GUARDED, World

TWICE = (
    GUARDED
    + """
  - id: second
    approval: {message: "And the partner?", notify: ["slack:#soc"], approvers: {users: [ana, ben]}, timeout: 15m}
    steps: [{id: more, action: api.call, with: {text: more}}]
"""
)


async def test_steps_and_outcome_stand_below_the_request(world: World) -> None:
    await world.ask()
    await world.press("approve")
    await world.later(2)
    assert world.board.texts("1") == [
        "done: contain/block (gateway.block_ip: 203.0.113.9)\ndone: note",
        "Execution succeeded",
    ]


async def test_nothing_is_told_before_somebody_has_answered(world: World) -> None:
    await world.ask("  - {id: first, action: api.call}\n" + GUARDED)
    await world.later(60)
    assert world.board.texts() == []


async def test_a_failure_is_told_with_its_reason(world: World) -> None:
    world.stage.connections.script("gateway.block_ip", Answer.error("refused", "the list is full"))
    await world.ask()
    await world.press("approve")
    await world.later(2)
    assert world.board.texts("1")[-1] == "Execution failed at contain/block: the list is full"
    assert any("failed: contain/block" in text and "the list is full" in text for text in world.board.texts("1"))


async def test_a_denial_is_told_with_what_followed(world: World) -> None:
    await world.ask()
    await world.press("deny", reason="no")
    await world.later(2)
    assert world.board.texts("1") == ["rejected: contain\ndone: note", "Execution succeeded"]


async def test_a_second_request_of_the_execution_stands_in_the_same_thread(world: World) -> None:
    await world.ask(TWICE)
    await world.press("approve")
    requests = [one for one in world.board.messages if "notice" in one]
    assert [one["thread"] for one in requests] == [None, "1"]
    at = world.board.messages.index(requests[1])
    await world.press("approve", at=at)
    await world.later(2)
    assert world.board.texts("1")[-1] == "Execution succeeded"
    assert sum("Execution succeeded" in text for text in world.board.texts()) == 1


async def test_nothing_is_told_twice_across_a_restart(world: World) -> None:
    await world.ask()
    await world.press("approve")
    await world.restart()
    await world.later(2)
    await world.later(60)
    texts = world.board.texts("1")
    assert len(texts) == len(set(texts)) == 2


async def test_a_line_whose_answer_was_lost_is_said_once_more_and_marked(world: World) -> None:
    await world.ask()
    world.post.faults["slack"] = [None, None, OutcomeUnknown("lost")]  # the account, the edit, the line
    await world.press("approve")
    for _ in range(4):
        await world.later(2)
    progress = [text for text in world.board.texts("1") if text.startswith("done")]
    assert len(progress) == 2
    assert "may stand here twice" in progress[1]
