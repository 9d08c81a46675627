"""A queue that is stopped hands out nothing more, waits for what it handed out, and cuts that when it was told to."""

from __future__ import annotations

import asyncio
import time

import pytest

from soar.queue import queue_of
from soar.queue.serving import Hands, Returned
from tests.queue.running import Database, Held, Worker, job, until


async def test_a_stop_waits_for_what_is_under_way_and_hands_out_nothing_more(database: Database) -> None:
    held = Held()
    async with Worker(database, handler=held, room=2) as worker:
        database.add(job("first"))
        await worker.has("first")
        stopping = asyncio.create_task(worker.queue.stop(30))
        database.add(job("second"))
        async with Worker(database) as other:
            await other.has("second")
        assert not stopping.done()
        held.go.set()
        await asyncio.wait_for(stopping, 5)
        assert database.live() == set(), "what ended was written down before the stop was over"
        assert held.cut == 0
        assert [execution for execution, _ in worker.handed] == ["first"]
        assert worker.running is not None
        await asyncio.wait_for(worker.running, 2)


async def test_s40_what_is_cut_is_handed_out_again_by_another(database: Database) -> None:
    held = Held()
    async with Worker(database, handler=held) as worker:
        (cut,) = database.add(job("long"))
        await worker.has("long")
        began = time.monotonic()
        await worker.queue.stop(0.3)
        assert 0.3 <= time.monotonic() - began < 2
        assert held.cut == 1
        assert worker.running is not None
        await asyncio.wait_for(worker.running, 2)
    assert database.live() == {cut}
    async with Worker(database) as other:
        await other.has("long", within=10)
        assert other.handed == [("long", cut)]
        await until(lambda: not database.live())


async def test_what_was_picked_and_not_begun_goes_back_at_once() -> None:
    """Both libraries may hand over what they picked a moment before they were stopped."""
    began: list[str] = []

    async def take_up(execution: str, _: int) -> None:
        began.append(execution)

    hands = Hands(take_up)
    await hands.work("first", 1)
    await hands.drain(0)
    with pytest.raises(Returned) as returned:
        await hands.work("second", 2)
    assert returned.value.delay == 0
    assert began == ["first"]


async def test_an_idle_queue_stops_at_once(database: Database) -> None:
    async with Worker(database) as worker:
        database.add(job("one"))
        await worker.has("one")
        began = time.monotonic()
        await worker.queue.stop(30)
        assert time.monotonic() - began < 1


async def test_one_that_never_ran_can_be_stopped(kind: str) -> None:
    await queue_of(kind).stop(30)


async def test_one_that_was_stopped_before_it_began_hands_out_nothing(database: Database) -> None:
    database.add(job("one"))
    queue = queue_of(database.kind)
    await queue.stop(1)
    await asyncio.wait_for(queue.run(database.url, [""], None, 1), 2)  # type: ignore[arg-type]
    assert len(database.live()) == 1
