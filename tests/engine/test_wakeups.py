"""Who waits for another execution goes on when that one ends, not when the next sweep comes by."""

from __future__ import annotations

import asyncio

from soar.testing.stage import Stage
from tests.engine.conftest import playbook

HOLD = "  - {id: block, action: gateway.block_ip, with: {ip: 192.0.2.1}, undo: never}\n"


async def without_sweep(world: Stage) -> None:
    """Only what the activations wake themselves; nobody looks at the clock or at the rows beside them."""
    world.engine._fill()
    while world.engine._tasks:
        await asyncio.wait(list(world.engine._tasks))


async def test_s34_an_undo_step_goes_on_as_its_lift_ends(world: Stage) -> None:
    execution = await world.open(playbook(HOLD + "  - {id: back, undo: [block]}\n"), {})
    world.engine.wake([execution])
    await without_sweep(world)
    assert (await world.store.executions.get(execution.id)).state == "succeeded"


async def test_s18_the_next_begins_as_the_slot_is_freed(world: Stage) -> None:
    first = await world.open(playbook("  - {set: {a: 1}}\n"), {}, slot_key="k", slot_limit=1)
    second = await world.open(playbook("  - {set: {a: 1}}\n"), {}, slot_key="k", slot_limit=1)
    assert (await world.store.executions.get(second.id)).awaiting == "slot"
    world.engine.wake([first])
    await without_sweep(world)
    assert (await world.store.executions.get(second.id)).state == "succeeded"
