"""A job is written in the transaction of whoever makes its execution ready (S38)."""

from __future__ import annotations

from tests.queue.running import Database, Worker, job


async def test_s38_a_job_is_there_with_the_commit_and_not_before(database: Database) -> None:
    async with Worker(database) as worker:
        database.begin()
        ids = database.queue.enqueue(database.writer.raw, [job("mine")])
        other = database.another()
        other.writer.raw.execute("BEGIN")  # without the lock of whoever writes
        other.queue.enqueue(other.writer.raw, [job("another's")])
        other.commit()
        other.close()
        await worker.has("another's")
        assert "mine" not in worker.at
        assert not database.live() & set(ids)
        database.commit()
        await worker.has("mine")
        assert ("mine", ids[0]) in worker.handed


async def test_s38_a_rollback_leaves_nothing(database: Database) -> None:
    database.begin()
    database.queue.enqueue(database.writer.raw, [job("gone"), job("gone too", due=database.now() + 60_000)])
    database.database.rollback(database.writer)
    assert database.live() == set()
    assert database.queue.depths(database.writer.raw) == []
    async with Worker(database) as worker:
        database.add(job("kept"))
        await worker.has("kept")
        assert [execution for execution, _ in worker.handed] == ["kept"]


async def test_s39_the_ids_come_in_the_order_of_the_jobs(database: Database) -> None:
    """The row of each execution names its job by them."""
    now = database.now()
    jobs = [job(f"e{n}", due=now + n if n % 3 else None, priority=n % 5 - 2) for n in range(300)]
    ids = database.add(*jobs)
    assert len(set(ids)) == 300
    async with Worker(database, room=50) as worker:
        await worker.has(*(each.execution_id for each in jobs))
        assert dict(worker.handed) == {each.execution_id: one for each, one in zip(jobs, ids, strict=True)}


def test_s39_none_is_due_a_millisecond_early(database: Database) -> None:
    """Its execution would not be due yet, and the job would be gone."""
    column = {"pgqueuer": "execute_after FROM pgqueuer", "procrastinate": "scheduled_at FROM procrastinate_jobs"}
    for each in range(20):
        due = database.now() + 1_000 + 37 * each
        (added,) = database.add(job("e", due=due))
        ((found,),) = database.ask(f"SELECT {column[database.kind]} WHERE id = $1", added)
        assert due <= found.timestamp() * 1000 < due + 2


def test_none_is_fine(database: Database) -> None:
    assert database.add() == []
