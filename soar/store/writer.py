"""The one writer of a process: what arrives while a commit runs goes into the next one, together.

A commit costs an fsync whether it holds one unit or two hundred, so units wait for the writer, not
for each other. A job is a function and an item; jobs with the same function are handed to it as one
list, so that it can write them in bulk. When a group fails as a whole, it is written again with a
savepoint around each job, and only the guilty one learns of it (S41).

Each statement lets go of the interpreter's lock and has to get it back from a busy event loop (and
with PostgreSQL it is a message and an answer); that is why the functions given here should make few
calls with many rows.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from soar.errors import CommitUnknown, StoreError, StoreUnavailable
from soar.store.connection import Connection
from soar.store.database import Database

T = TypeVar("T")

GROUP: Final = 256
"""Jobs in one commit, at most."""

Bulk = Callable[[Connection, Sequence[Any]], Sequence[Any]]
"""Writes the items, gives one result for each; a result that is an Exception is raised at that item's caller.

It must not have written anything for an item whose result is an Exception.
"""


@dataclass(slots=True)
class _Job:
    bulk: Bulk
    item: Any
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop
    outside: bool = False
    """To be run between two transactions instead of in one."""


class Writer:
    """A thread with the only connection of this process that writes."""

    def __init__(self, database: Database, connection: Connection) -> None:
        self._database = database
        self._connection = connection
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="soar-store-writer", daemon=True)
        self._thread.start()

    def submit(self, bulk: Bulk, item: Any) -> asyncio.Future[Any]:
        """Have the item written in the next group; the future is done once it is committed, or not written."""
        return self._enqueue(_Job(bulk, item, *_place()))

    def run(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Have one function write in the next group; an error it raises takes back all it wrote, and no more."""
        return self._enqueue(_Job(_each, work, *_place()))

    def outside(self, work: Callable[[Connection], T]) -> asyncio.Future[T]:
        """Run one function on the writer's connection, outside any transaction."""
        return self._enqueue(_Job(_each, work, *_place(), outside=True))

    async def close(self) -> None:
        """Write what was handed over, then let go of the database."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _enqueue(self, job: _Job) -> asyncio.Future[Any]:
        if self._closed:
            job.future.set_exception(StoreUnavailable(f"{self._database.label}: closed; nothing was written"))
        else:
            self._jobs.put(job)
        return job.future

    def _serve(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            for job in [job for job in group if job.outside]:
                _resolve([job], [self._attempt(job)])
            group = [job for job in group if not job.outside]
            if group:
                _resolve(group, self._write(group))
        self._connection.close()

    def _next_group(self) -> tuple[list[_Job], bool]:
        first = self._jobs.get()
        if first is None:
            return [], False
        group = [first]
        while len(group) < GROUP:
            try:
                job = self._jobs.get_nowait()
            except Empty:
                break
            if job is None:
                return group, False
            group.append(job)
        return group, True

    def _write(self, group: Sequence[_Job]) -> Sequence[Any]:
        """One transaction; its results only once it is on disk."""
        database = self._database
        try:
            connection = self._usable()
            database.begin(connection)
            try:
                results = _together(connection, group)
            except Exception as error:
                if database.ruins(error):
                    raise
                database.rollback(connection)
                database.begin(connection)
                results = _one_by_one(database, connection, group)
            database.commit(connection)
        except CommitUnknown as error:
            return [error] * len(group)
        except Exception as error:  # noqa: BLE001 - the thread lives on; each caller gets it
            self._forget()
            return [database.unavailable(error) for _ in group]
        return results

    def _usable(self) -> Connection:
        """The connection; a new one where the last one leads nowhere any more."""
        if not self._database.usable(self._connection):
            self._connection.close()
            self._connection = self._database.connect_writer()
        return self._connection

    def _forget(self) -> None:
        """Leave the failed transaction; a database that refuses even that is asked again with the next group."""
        with suppress(Exception):
            self._database.rollback(self._connection)

    def _attempt(self, job: _Job) -> Any:
        """Outside of any transaction."""
        try:
            return job.item(self._usable())
        except Exception as error:  # noqa: BLE001 - the thread lives on; the caller gets it
            return error if isinstance(error, StoreError) else self._database.unavailable(error)


def _place() -> tuple[asyncio.Future[Any], asyncio.AbstractEventLoop]:
    loop = asyncio.get_running_loop()
    return loop.create_future(), loop


def _together(connection: Connection, group: Sequence[_Job]) -> list[Any]:
    """Every job, those of one kind in one call. All wait for this very commit, so their order is free."""
    kinds: dict[Bulk, list[int]] = {}
    for index, job in enumerate(group):
        kinds.setdefault(job.bulk, []).append(index)
    results: list[Any] = [None] * len(group)
    for bulk, places in kinds.items():
        outcomes = bulk(connection, [group[index].item for index in places])
        for index, outcome in zip(places, outcomes, strict=True):
            results[index] = outcome
    return results


def _one_by_one(database: Database, connection: Connection, group: Sequence[_Job]) -> list[Any]:
    results = []
    for job in group:
        connection.execute("SAVEPOINT job")
        try:
            (result,) = job.bulk(connection, [job.item])
        except Exception as error:
            if database.ruins(error):
                raise
            connection.execute("ROLLBACK TO job")
            result = error
        connection.execute("RELEASE job")
        results.append(result)
    return results


def guarded(connection: Connection, work: Callable[[], Any]) -> Any:
    """The work's result, or the refusal it raised with all it wrote taken back; any other error is raised."""
    connection.execute("SAVEPOINT one")
    try:
        result = work()
    except StoreError as error:
        connection.execute("ROLLBACK TO one")
        result = error
    connection.execute("RELEASE one")
    return result


def _each(connection: Connection, works: Sequence[Any]) -> Sequence[Any]:
    return [guarded(connection, lambda work=work: work(connection)) for work in works]  # type: ignore[misc]


def _resolve(jobs: Sequence[_Job], results: Sequence[Any]) -> None:
    """Tell each caller, with one wake-up per event loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[asyncio.Future[Any], Any]]] = {}
    for job, result in zip(jobs, results, strict=True):
        loops.setdefault(job.loop, []).append((job.future, result))
    for loop, outcomes in loops.items():
        try:
            loop.call_soon_threadsafe(_tell, outcomes)
        except RuntimeError:
            continue  # that loop has ended, and with it everybody who waited


def _tell(outcomes: Sequence[tuple[asyncio.Future[Any], Any]]) -> None:
    for future, outcome in outcomes:
        if future.done():
            continue  # its caller was cancelled; the row is written all the same
        if isinstance(outcome, BaseException):
            future.set_exception(outcome)
        else:
            future.set_result(outcome)
