"""The database goes and comes back: work goes on, and nothing of ours is started again (C03)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import psycopg
import pytest
from structlog.testing import capture_logs

from bench import postgres
from tests.queue.running import Database, Held, Worker, job, until

LOOKS = {"pgqueuer": 0.0, "procrastinate": 2.2}
"""Seconds until the dead are looked for again, after jobs were handed out."""
CONNECTIONS = "FROM pg_stat_activity WHERE application_name = 'soar-queue' AND datname = current_database()"
LOCKED = {
    "pgqueuer": "LOCK TABLE pgqueuer IN ACCESS EXCLUSIVE MODE",
    "procrastinate": "LOCK TABLE procrastinate_jobs IN ACCESS EXCLUSIVE MODE",
}


@pytest.fixture
def server() -> Iterator[postgres.Server]:
    one = postgres.Server()
    try:
        one.start()
        yield one
    finally:
        one.close()


async def test_c03_postgresql_stops_and_starts(server: postgres.Server, kind: str) -> None:
    database = Database(kind, server.create())
    (before,) = database.add(job("before"))
    held = Held()
    async with Worker(database, handler=held) as busy:
        await busy.has("before")
        async with Worker(database, zones=["", "b"]) as free:
            database.add(job("warm", zone="b"))
            await free.has("warm")
            again = await _outage(server, database)
            await free.has("after", within=5)
            held.go.set()
            await until(lambda: not again.live())
            assert busy.handed[0] == ("before", before)
            assert "before" not in free.at
            again.close()
            server.stop()
            began = time.monotonic()
            await asyncio.gather(busy.queue.stop(5), free.queue.stop(5))
            assert time.monotonic() - began < 2, "a database that is away holds up no stop"
    database.close()


async def _outage(server: postgres.Server, database: Database) -> Database:
    """Two seconds without it, in which another worker begins; then there are jobs again."""
    with capture_logs() as said:
        server.stop()
        async with Worker(database, zones=["c"]) as late:
            await until(lambda: len(said) == 3)
            gone = time.monotonic()
            await until(lambda: time.monotonic() - gone > 2)
            server.start()
            again = database.another()
            again.add(job("after", zone="b"), job("late", zone="c"))
            await late.has("late", within=5)
        warnings = [each["event"] for each in said if each["log_level"] == "warning"]
        assert warnings == ["the queue waits for its database"] * 3, "each of the three says so, once"
    return again


async def test_c03_who_lived_through_a_long_outage_keeps_its_jobs(database: Database) -> None:
    """Nobody could say that he lives: all connections are cut, and the last signs of life are old."""
    age = {
        "pgqueuer": "UPDATE pgqueuer SET heartbeat = now() - interval '1 minute'",
        "procrastinate": "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '1 minute'",
    }
    fresh = {
        "pgqueuer": "SELECT bool_and(heartbeat > now() - interval '20 s') FROM pgqueuer",
        "procrastinate": "SELECT bool_and(last_heartbeat > now() - interval '20 s') FROM procrastinate_workers",
    }
    first, held = Held(), Held()
    async with Worker(database, zones=["", "b"], handler=first, room=1) as free:  # the first one that looks again
        database.add(job("warm", zone="b"))
        await free.has("warm")
        async with Worker(database, handler=held) as busy:
            (before,) = database.add(job("before"))
            await busy.has("before")
            first.go.set()
            await until(lambda: database.live() == {before})
            _cut(database)
            database.add(job("next", zone="b"))
            await _while(lambda: database.ask(age[database.kind]), free.has("next"), LOOKS[database.kind])
            await until(lambda: database.ask(fresh[database.kind]) == [(True,)])
            assert "before" not in free.at
            held.go.set()
            await until(lambda: not database.live())
            assert busy.handed == [("before", before)]


async def _while(again: Callable[[], Any], awaited: Awaitable[Any], more: float) -> None:
    """Do something again and again until that came, and some seconds more."""
    waiting = asyncio.ensure_future(awaited)
    await until(lambda: (again(), waiting.done())[1])
    end = time.monotonic() + more
    await until(lambda: (again(), time.monotonic() > end)[1])
    await waiting


def _cut(database: Database) -> int:
    """End every connection of the queues; how many those were."""
    return len(database.ask(f"SELECT pg_terminate_backend(pid, 1000) {CONNECTIONS}"))


async def test_c03_the_queues_connections_are_cut(database: Database) -> None:
    """The server, or whatever stands between, ended them: that must not cost a poll of half a minute."""
    held = Held()
    async with Worker(database, zones=["a"], handler=held) as busy, Worker(database) as free:
        (before, _) = database.add(job("before", zone="a"), job("warm"))
        await asyncio.gather(busy.has("before"), free.has("warm"))
        # A job may be picked before its worker listens.
        await until(lambda: len(database.ask(f"SELECT pid {CONNECTIONS}")) == 4)
        assert _cut(database) == 4
        (after, second) = database.add(job("after"), job("second", zone="a"))
        await asyncio.gather(free.has("after", within=5), busy.has("second", within=5))
        assert database.live() >= {before, second}
        held.go.set()
        await until(lambda: not database.live())
        assert sorted(busy.handed + free.handed)[:2] == [("after", after), ("before", before)]
        assert len(busy.handed + free.handed) == 4
        database.add(job("heard"))
        assert await free.has("heard") < 2, "it listens again, or looks every now and then"


async def test_what_the_server_refuses_is_said_once_and_asked_again(database: Database) -> None:
    """It is there, and does not do what is asked: a full disk, a lock that somebody keeps."""
    database.ask(f"ALTER DATABASE {database.url.rpartition('/')[2]} SET lock_timeout = '50ms'")
    database.add(job("waits"))
    with capture_logs() as said, psycopg.connect(database.url) as other:
        other.execute(LOCKED[database.kind])
        async with Worker(database) as worker:
            await until(lambda: said)
            began = time.monotonic()
            await until(lambda: time.monotonic() - began > 1.2)
            assert not worker.handed
            other.rollback()
            await worker.has("waits", within=5)
    assert [each["event"] for each in said] == ["the database refuses what the queue asks"]
    assert "lock timeout" in said[0]["reason"]
