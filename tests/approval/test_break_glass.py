"""A broken glass is told: its announcement goes out like every message, and the request's own says how it ended."""

from __future__ import annotations

from soar.approval import Word, decide
from soar.approval.glass import Glass
from soar.errors import Unavailable
from soar.model.approval import Approval
from soar.model.execution import Execution
from soar.playbook import Staff
from tests.approval.conftest import World

STAFF = Staff({"kim": ("incident-commander",)}, {})
GLASS = Glass(("incident-commander",), ("slack:#security", "mailer:ciso@example.com"), "https://soar.example.com")


async def break_glass(world: World, execution: Execution, glass: Glass = GLASS) -> Approval:
    word = Word("kim", "approve", "cli", "card data is leaving", break_glass=True)
    settled = await decide(world.store, STAFF, (await world.approval(execution)).id, word, world.clock.now(), glass)
    await world.settle()
    return settled


async def test_everybody_named_hears_of_it_and_the_requests_message_has_no_buttons_any_more(world: World) -> None:
    execution = await world.ask()
    assert len(world.board.live) == 1
    await break_glass(world, execution)
    assert world.board.live == []
    assert world.board.messages[0]["notice"].settled_by == "person:kim"
    (told,) = [one for one in world.board.messages if one["channel"] == "#security"]
    assert "kim has broken the glass" in told["text"] and "card data is leaving" in told["text"]
    ((to, text),) = world.mail.sent
    assert to == "ciso@example.com" and text == told["text"]
    ended = await world.store.executions.get(execution.id)
    assert ended.state == "succeeded"


async def test_d13_an_announcement_waits_for_a_channel_that_is_away_and_survives_a_restart(world: World) -> None:
    execution = await world.ask()
    world.post.faults["mailer"] = [Unavailable("the mail server is away")] * 2
    await break_glass(world, execution)
    assert world.mail.sent == []
    await world.restart()
    await world.later(10)  # the second try finds it away still
    await world.later(10)
    assert [to for to, _ in world.mail.sent] == ["ciso@example.com"]
    assert len((await world.store.reviews.page()).items) == 1


async def test_a_place_that_nothing_carries_is_refused_in_sight_and_stops_nothing(world: World) -> None:
    execution = await world.ask()
    await break_glass(world, execution, Glass(GLASS.roles, ("pager:night", "slack:#security")))
    by_place = {one.destination: one for one in await world.messages(execution) if one.kind == "announcement"}
    assert by_place["slack:#security"].state == "shown"
    assert (by_place["pager:night"].state, "no connection 'pager'" in (by_place["pager:night"].error or "")) == (
        "refused",
        True,
    )
    assert (await world.store.executions.get(execution.id)).state == "succeeded"
