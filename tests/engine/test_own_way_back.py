"""An action whose way back the playbook says itself: under guardrails, on the board, and taken back."""

from __future__ import annotations

from pathlib import Path

from soar.engine import Guardrails
from soar.engine.stops import StopSwitches
from soar.policy import Policy, load_rules
from soar.store.pages import ContainmentFilter
from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage, stage
from tests.engine.conftest import run, statuses
from tests.unit.policy.given import OWN, settings

HOUR = 3_600_000
SLOW = (
    "- {{id: slow{0}, action: api.call, with: {{n: {0}}}, "
    "undo: {{after: {1}h, action: api.read, with: {{text: 'DELETE /clients/{2}', n: 1}}}}}}\n"
)


async def test_a_call_that_names_no_target_passes_the_guardrails(tmp_path: Path, connections: FakeConnections) -> None:
    """What it contains is what its way back names; it is not 'no target'."""
    guardrails = Guardrails(Policy(load_rules(settings(tmp_path, "{}"), OWN)), StopSwitches())
    async with stage(tmp_path, connections, guardrails) as world:
        done = await run(world, SLOW.format(1, 2, "c-42"), severity="high")
        assert (done.state, connections.names()) == ("succeeded", ["api.call"])
        (held,) = (await world.store.containments.page(ContainmentFilter())).items
        assert (held.state, held.target) == ("held", "DELETE /clients/c-42 1")
        await world.run(until=world.clock.now() + 3 * HOUR)
        assert connections.names() == ["api.call", "api.read"]


async def test_s30_two_calls_that_are_taken_back_alike_hold_one_containment(
    world: Stage, connections: FakeConnections
) -> None:
    done = await run(world, SLOW.format(1, 1, "c-42") + SLOW.format(2, 3, "c-42") + SLOW.format(3, 1, "c-43"))
    assert set((await statuses(world, done)).values()) == {"succeeded"}
    await world.run(until=world.clock.now() + 2 * HOUR)
    states = {one.target: one.state for one in (await world.store.containments.page(ContainmentFilter())).items}
    assert states == {"DELETE /clients/c-42 1": "held", "DELETE /clients/c-43 1": "lifted"}


async def test_long_values_are_told_apart_to_the_end(world: Stage, connections: FakeConnections) -> None:
    await run(world, SLOW.format(1, 1, "c" * 300 + "1") + SLOW.format(2, 1, "c" * 300 + "2"))
    targets = {one.target for one in (await world.store.containments.page(ContainmentFilter())).items}
    assert len(targets) == 2 and max(map(len, targets)) <= 200
