"""Whose turn it is: by priority, on time, in its zone, as far as there is room; and what is said of what waits."""

from __future__ import annotations

import pytest

from tests.queue.running import Database, Held, Worker, job, until


async def test_the_more_urgent_goes_first_and_of_two_alike_the_older(database: Database) -> None:
    order = {"a": -8, "b": 16, "c": 0, "d": 16, "e": 7}
    database.add(*(job(name, priority=priority) for name, priority in order.items()))
    async with Worker(database, room=1) as worker:
        await worker.has(*order)
        assert [execution for execution, _ in worker.handed] == ["b", "d", "e", "c", "a"]


async def test_s39_a_job_for_a_time_comes_then(database: Database) -> None:
    async with Worker(database) as worker:
        now = database.now()
        due = {f"in {each}": now + each for each in (-60_000, 350, 700, 1_301)}
        database.add(*(job(name, due=at) for name, at in due.items()))
        await worker.has(*due)
        for name, at in due.items():
            assert max(at, now) <= worker.at[name] * 1000 < max(at, now) + 1_000, name


async def test_zones_are_kept_apart(database: Database) -> None:
    database.add(job("default"), job("far", zone="dmz"), job("near", zone="lan"))
    async with Worker(database, zones=["lan"]) as near:
        await near.has("near")
        async with Worker(database, zones=["", "dmz"]) as others:
            await others.has("default", "far")
            assert set(near.at) == {"near"}
            assert set(others.at) == {"default", "far"}


@pytest.mark.parametrize("room", [1, 3])
async def test_no_more_at_once_than_there_is_room_for(database: Database, room: int) -> None:
    names = [f"e{n}" for n in range(8)]
    database.add(*map(job, names))
    held = Held()
    async with Worker(database, handler=held, room=room) as worker:
        await until(lambda: held.now == room)
        async with Worker(database) as other:  # it finds them: they were not picked and left to wait
            await other.has(*names[room:])
        held.go.set()
        assert held.most == room
        assert {execution for execution, _ in worker.handed} == set(names[:room])


async def test_room_that_is_free_again_is_used(database: Database) -> None:
    names = [f"e{n}" for n in range(20)]
    database.add(*map(job, names))
    held = Held()
    held.go.set()
    async with Worker(database, handler=held, room=2) as worker:
        await worker.has(*names)
        assert held.most <= 2


async def test_s40_live_is_what_waits_and_what_is_worked_on(database: Database) -> None:
    """The sweep gives an execution another job only if this does not see its own."""
    held = Held()
    (picked, later) = database.add(job("picked"), job("later", due=database.now() + 60_000))
    assert database.live() == {picked, later}
    async with Worker(database, handler=held) as worker:
        await worker.has("picked")
        assert database.live() == {picked, later}
        held.go.set()
        await until(lambda: database.live() == {later})


async def test_a_handler_that_fails_ends_nothing_but_its_job(database: Database) -> None:
    async def fail(execution: str) -> None:
        if execution == "bad":
            raise RuntimeError("it is a bad one")

    async with Worker(database, handler=fail) as worker:
        (bad,) = database.add(job("bad"))
        await until(lambda: ("bad", bad) in worker.handed and not database.live())
        database.add(job("good"))
        await worker.has("good")
        await until(lambda: not database.live())
        assert [execution for execution, _ in worker.handed] == ["bad", "good"]


async def test_depths_say_what_waits_in_each_zone_and_since_when(database: Database) -> None:
    now = database.now()
    database.add(job("a"), job("b"), job("c", zone="dmz", due=now - 5_000), job("d", zone="lan", due=now + 60_000))
    found = {depth.zone: depth for depth in database.queue.depths(database.writer.raw)}
    assert {zone: depth.waiting for zone, depth in found.items()} == {"": 2, "dmz": 1}
    oldest = found[""].oldest
    assert oldest is not None
    assert now - 1 <= oldest <= database.now() + 1
    held = Held()
    async with Worker(database, zones=["dmz"], handler=held) as worker:
        await worker.has("c")
        assert [depth.zone for depth in database.queue.depths(database.writer.raw)] == [""]


async def test_prune_forgets_what_is_over_some_rows_at_a_time(database: Database) -> None:
    async def fail(execution: str) -> None:
        raise RuntimeError(execution)

    (kept,) = database.add(job("kept", zone="other"))
    names = [f"e{n}" for n in range(6)]
    async with Worker(database, handler=fail) as worker:
        database.add(*map(job, names))
        await worker.has(*names)
        await until(lambda: database.live() == {kept})
    raw, after = database.writer.raw, database.now() + 1_000
    assert database.queue.prune(raw, database.now() - 60_000, 100) == 0
    assert 0 < database.queue.prune(raw, after, 2) <= 4
    for _ in range(50):
        if not database.queue.prune(raw, after, 2):
            break
    assert database.live() == {kept}
    assert _rows(database) <= 1


def _rows(database: Database) -> int:
    tables = {
        "pgqueuer": ("pgqueuer_log", "pgqueuer WHERE status = 'failed'"),
        "procrastinate": (
            "procrastinate_events WHERE type <> 'deferred'",
            "procrastinate_jobs WHERE status = 'failed'",
        ),
    }
    return sum(int(database.ask(f"SELECT count(*) FROM {each}")[0][0]) for each in tables[database.kind])
