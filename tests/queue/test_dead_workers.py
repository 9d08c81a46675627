"""Who says nothing for HEARTBEAT seconds counts as dead, and others get its jobs; who is slow does not (S40)."""

from __future__ import annotations

import asyncio
import signal

from soar.queue.port import HEARTBEAT
from tests.queue.running import Child, Database, Held, Worker, job, until

PICKED = {
    "pgqueuer": ("status, heartbeat, execute_after, queue_manager_id", "pgqueuer"),
    "procrastinate": ("status, scheduled_at, worker_id", "procrastinate_jobs"),
}
"""What says of a job that it was picked, and by whom."""


async def test_s40_a_dead_or_frozen_workers_jobs_are_handed_out_again(database: Database) -> None:
    """Under the same id, which the row names (S39); what the frozen one ends later takes no job from the survivor."""
    killed, frozen = await asyncio.gather(Child.start(database, "a"), Child.start(database, "b"))
    try:
        ids = database.add(job("one", zone="a"), job("two", zone="b"))
        assert await killed.says() == ["took", "one", ids[0]]
        assert await frozen.says() == ["took", "two", ids[1]]
        held = Held()
        async with Worker(database, zones=["a", "b"], handler=held) as survivor:
            await killed.kill()
            frozen.send(signal.SIGSTOP)
            assert await survivor.has("one", "two", within=10) > HEARTBEAT / 3
            assert sorted(survivor.handed) == [("one", ids[0]), ("two", ids[1])]
            frozen.send(signal.SIGCONT)
            frozen.let_go()
            assert await frozen.says() == ["stopped"]
            assert database.live() == set(ids), "the job of the one who works on it now is gone"
            held.go.set()
            await until(lambda: not database.live())
            assert len(survivor.handed) == 2
    finally:
        await asyncio.gather(killed.kill(), frozen.kill())


async def test_s40_who_is_slow_keeps_the_job(database: Database) -> None:
    """Also while it is being stopped: its grace may be longer than a heartbeat."""
    busy, draining = Held(), Held()
    async with (
        Worker(database, zones=["a"], handler=busy) as one,
        Worker(database, zones=["b"], handler=draining) as two,
    ):
        ids = database.add(job("one", zone="a"), job("two", zone="b"))
        await asyncio.gather(one.has("one"), two.has("two"))
        stopping = asyncio.create_task(two.queue.stop(60))
        async with Worker(database, zones=["a", "b"]) as idle:
            await _passes(HEARTBEAT + 2.5)
            assert not idle.handed
            assert database.live() == set(ids)
            busy.go.set()
            draining.go.set()
            await stopping
            await until(lambda: not database.live())
            assert not idle.handed
    assert len(one.handed) == len(two.handed) == 1


async def test_s40_what_was_picked_by_an_answer_that_was_lost_is_handed_out(database: Database) -> None:
    """The connection may be cut between the server's commit and its answer: the job stands under a living worker."""
    held = Held()
    async with Worker(database, handler=held) as worker:
        (first, lost) = database.add(job("first"), job("lost", due=database.now() + 3_600_000))
        await worker.has("first")
        columns, table = PICKED[database.kind]
        found = f"(SELECT {columns} FROM {table} WHERE id = $1)"
        database.ask(f"UPDATE {table} SET ({columns}) = {found} WHERE id = $2", first, lost)
        await worker.has("lost", within=10)
        assert worker.handed == [("first", first), ("lost", lost)]


async def _passes(seconds: float) -> None:
    """Time in which nothing may happen."""
    loop = asyncio.get_running_loop()
    end = loop.time() + seconds
    await until(lambda: loop.time() >= end, seconds + 1)
