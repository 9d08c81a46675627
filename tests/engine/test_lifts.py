"""Taking back: late, early, by several holders, up a ladder, over restarts and upgrades, or by a person (S31-S33)."""

from __future__ import annotations

import itertools
import sqlite3
from pathlib import Path
from typing import Any

import pytest

from soar.errors import Conflict
from soar.ids import derived_id
from soar.model.action import UndoCall
from soar.model.containment import Containment
from soar.store import AuditEntry, ContainmentFilter, ExecutionFilter, upgrade
from soar.store.text import dumps
from soar.testing.clock import START
from soar.testing.connections import Answer, FakeConnections
from soar.testing.stage import Stage, stage

from .conftest import run

HOUR = 3_600_000
DAY = 24 * HOUR
BLOCK = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: 24h}}\n"
LADDER = "- {id: block, action: gateway.block_ip, with: {ip: 203.0.113.9}, undo: {after: [1h, 24h, 7d]}}\n"
LET_IN = "gateway.unblock_ip"
SCHEMA = Path(__file__).parents[1] / "store" / "schemas" / "0001.sql"


async def periods(world: Stage) -> list[Containment]:
    """Every period of the one target, the oldest first."""
    return list(reversed((await world.store.containments.page(ContainmentFilter())).items))


async def trail(world: Stage, one: Containment) -> list[AuditEntry]:
    return list(reversed((await world.store.audit.page(f"containment:{one.id}")).items))


async def stuck(world: Stage, connections: FakeConnections) -> Containment:
    """One whose lift was tried until it was given up."""
    connections.script_undo(LET_IN, Answer.error("unavailable", "the gateway is down"))
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + 25 * HOUR)
    (one,) = await periods(world)
    assert one.state == "stuck"
    return one


async def test_s33_a_lift_that_fails_is_retried_with_growing_pauses_and_then_a_person_is_told(
    world: Stage, connections: FakeConnections
) -> None:
    world.wanted = lambda name: name.startswith("containment.")
    one = await stuck(world, connections)
    (lift,) = (await world.store.executions.page(ExecutionFilter(kind="lift"))).items
    tried = [fact.at for fact in await world.facts(lift) if fact.kind == "attempt"]
    pauses = [later - earlier for earlier, later in itertools.pairwise(tried)]
    assert len(tried) == 12 and pauses[0] < 5_000 < pauses[4] < pauses[8]
    assert len({call.key for call in connections.called(LET_IN)}) == 1
    (event,) = await world.store.events.since("containment.stuck", 0, 0)
    assert event.data["containment"] == one.id and "the gateway is down" in event.data["error"]["message"]
    last = (await trail(world, one))[-1]
    assert last.action == "containment.stuck" and last.data["execution"] == lift.id
    await world.restart()
    await world.run(until=world.clock.now() + DAY)
    assert len(connections.called(LET_IN)) == 12, "a stuck one is a person's"


async def test_s33_a_person_has_a_stuck_one_lifted_again_by_a_new_round(
    world: Stage, connections: FakeConnections
) -> None:
    one = await stuck(world, connections)
    connections.script_undo(LET_IN, Answer.done({}))
    await world.store.containments.lift(one.id, "person:ana", "the gateway is back", world.clock.now())
    await world.run(until=world.clock.now() + HOUR)
    (one,) = await periods(world)
    assert (one.state, one.round, one.lifted_by) == ("lifted", 2, "person:ana")
    assert len({call.key for call in connections.called(LET_IN)}) == 2


async def test_s33_a_person_took_a_stuck_one_back_by_hand(world: Stage, connections: FakeConnections) -> None:
    one = await stuck(world, connections)
    before = len(connections.calls)
    await world.store.containments.lift_by_hand(one.id, "person:ana", "removed it myself", world.clock.now())
    await world.run(until=world.clock.now() + DAY)
    (one,) = await periods(world)
    assert (one.state, len(connections.calls)) == ("lifted", before)
    last = (await trail(world, one))[-1]
    assert (last.actor, last.action) == ("person:ana", "containment.lifted")
    assert last.data == {"reason": "removed it myself", "by_hand": True}


async def test_s31_a_persons_lift_lets_go_for_all_holders_and_says_why(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK)
    await world.run(until=world.clock.now() + HOUR)
    await run(world, BLOCK)
    (one,) = await periods(world)
    assert [hold.state for hold in one.holds] == ["live", "live"] and one.expires_at == one.holds[1].expires_at
    await world.store.containments.lift(one.id, "person:ana", "false alarm", world.clock.now())
    await world.run(until=world.clock.now() + 3 * DAY)
    (one,) = await periods(world)
    assert one.state == "lifted" and {hold.state for hold in one.holds} == {"released"}
    assert connections.names() == ["gateway.block_ip", LET_IN]
    told = [(entry.action, entry.actor) for entry in await trail(world, one)]
    assert [action for action, _ in told] == [
        "containment.held",
        "containment.held",
        "containment.lifting",
        "containment.lifted",
    ]
    asked = (await trail(world, one))[2]
    assert (asked.actor, asked.data["reason"]) == ("person:ana", "false alarm")
    with pytest.raises(Conflict, match="lifted already"):
        await world.store.containments.lift(one.id, "person:ben", "again", world.clock.now())


async def test_s31_each_holder_has_its_own_expiry_and_an_undo_step_lets_go_of_its_own(
    world: Stage, connections: FakeConnections
) -> None:
    await run(world, BLOCK.replace("24h", "2h"))
    await run(world, BLOCK.replace("24h", "1h") + "- {id: back, undo: [block]}\n")
    (one,) = await periods(world)
    assert one.state == "held" and [hold.state for hold in one.holds] == ["live", "released"]
    await world.run(until=world.clock.now() + 3 * HOUR)
    assert connections.names() == ["gateway.block_ip", LET_IN]


async def test_s32_a_ladder_goes_up_over_restarts_and_its_last_rung_repeats(
    world: Stage, connections: FakeConnections
) -> None:
    lasted = []
    for _ in range(4):
        await run(world, LADDER)
        await world.restart()
        one = (await periods(world))[-1]
        lasted.append(((one.expires_at or 0) - one.started_at) // HOUR)
        await world.restart()
        await world.run(until=(one.expires_at or 0) + HOUR)
        assert (await periods(world))[-1].state == "lifted"
    assert lasted == [1, 24, 168, 168]
    assert [one.rung for one in await periods(world)] == [1, 2, 3, 4]


async def test_s32_a_month_later_the_ladder_begins_anew(world: Stage, connections: FakeConnections) -> None:
    await run(world, LADDER)
    await world.run(until=world.clock.now() + 31 * DAY)
    await run(world, LADDER)
    assert [one.rung for one in await periods(world)] == [1, 1]


def _insert(db: sqlite3.Connection, table: str, **row: Any) -> None:
    sql = f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join('?' * len(row))})"
    db.execute(sql, list(row.values()))


def _older(path: Path) -> None:
    """A database of the first schema, in which an address is blocked for an hour."""
    with sqlite3.connect(path) as db:
        db.executescript(SCHEMA.read_text())
        db.execute("INSERT INTO alembic_version VALUES ('0001')")
        common = {"id": "c1", "connection": "gateway", "family": "unblock_ip", "target": "203.0.113.9"}
        times = {"started_at": START, "expires_at": START + HOUR}
        _insert(db, "containments", **common, **times, action="block_ip", state="held", round=0, playbook_id="old")
        undo = UndoCall("gateway.block_ip", {"ip": "203.0.113.9"}, "key-1", {"ok": True}, LET_IN)
        hold = {"id": "h1", "containment_id": "c1", "execution_id": "e1", "path": "block", "state": "live"}
        times = {"called_at": START, "expires_at": START + HOUR}
        _insert(db, "holds", **hold, **times, suspected=0, undo_after=3600.0, changed=1, undo=dumps(undo))
    db.close()


async def test_s32_s33_an_upgrade_on_the_way_keeps_the_expiry_and_the_ladder(
    tmp_path: Path, connections: FakeConnections
) -> None:
    path = tmp_path / "stage.db"
    _older(path)
    upgrade(f"sqlite:///{path}")
    async with stage(tmp_path, connections) as world:
        await world.run(until=START + 2 * HOUR)
        (first,) = await periods(world)
        assert (first.id, first.state, first.rung) == ("c1", "lifted", 1)
        (undone,) = connections.called(LET_IN)
        assert undone.key == derived_id(derived_id("c1", "lift", 1), "@0")
        await run(world, LADDER)
        second = (await periods(world))[-1]
        assert (second.rung, (second.expires_at or 0) - second.started_at) == (2, DAY)
