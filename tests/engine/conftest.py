"""The engine on a real store, with a clock moved by hand and connections without a network."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest

from soar.model.action import ActionSpec
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.playbook import parse_playbook
from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage, stage


def spec(name: str, **changes: Any) -> ActionSpec:
    """An action that takes `ip` (or anything) and answers `{"ok": true}`."""
    given: dict[str, Any] = {
        "name": name,
        "connector": "fake",
        "summary": name,
        "params": {"properties": {"ip": {}, "n": {}, "text": {}}},
        "result": {},
        "changes": True,
        "idempotent": True,
        "verifies": False,
        "undo": None,
        "risk": "low",
        "example": {"ok": True},
    }
    return ActionSpec(**(given | changes))


ACTIONS = {
    action.name: action
    for action in (
        spec("api.call"),
        spec("api.once", idempotent=False),
        spec("api.read", changes=False),
        spec("gateway.block_ip", undo="unblock_ip", verifies=True, idempotent=False),
        spec("gateway.loose", undo="tighten"),
    )
}


@pytest.fixture
def connections() -> FakeConnections:
    return FakeConnections(ACTIONS)


@pytest.fixture
async def world(tmp_path: Path, connections: FakeConnections) -> AsyncIterator[Stage]:
    async with stage(tmp_path, connections) as built:
        yield built


def playbook(steps: str, rest: str = "") -> Playbook:
    """A playbook of these steps."""
    head = "id: under-test\ntrigger: {match: {any: {severity|exists: true}}}\n"
    return parse_playbook(head + dedent(rest) + "steps:\n" + dedent(steps), "under-test.yaml")


async def run(world: Stage, steps: str, rest: str = "", **alert: Any) -> Execution:
    """Open one execution and carry it to its end."""
    execution = await world.open(playbook(steps, rest), alert)
    return await world.finish(execution)


async def statuses(world: Stage, execution: Execution) -> dict[str, str]:
    """Path -> status of every step that has begun."""
    from soar.engine import view

    book = await world.engine._playbooks.get(execution.playbook_digest)
    return {step.path: step.status for step in view.steps(book, await world.facts(execution))}
