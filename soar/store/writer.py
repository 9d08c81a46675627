"""The one writer of a process: what arrives while a commit runs goes into the next one, together.

A commit costs an fsync whether it holds one unit or two hundred, so units wait for the writer, not
for each other. A job is a function and an item; jobs with the same function are handed to it as one
list, so that it can write them in bulk. When a group fails as a whole, it is written again with a
savepoint around each job, and only the guilty one learns of it (S41).

Each call into SQLite lets go of the interpreter's lock and has to get it back from a busy event
loop; that is why the functions given here should make few calls with many rows.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Final, TypeVar

from soar.errors import StoreError, StoreUnavailable
from soar.store import database

T = TypeVar("T")

GROUP: Final = 256
"""Jobs in one commit, at most."""

Bulk = Callable[[sqlite3.Connection, Sequence[Any]], Sequence[Any]]
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

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._closed = False
        self._thread = threading.Thread(target=self._serve, name="soar-store-writer", daemon=True)
        self._thread.start()

    def submit(self, bulk: Bulk, item: Any) -> asyncio.Future[Any]:
        """Have the item written in the next group; the future is done once it is committed, or not written."""
        return self._enqueue(_Job(bulk, item, *_place()))

    def run(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Have one function write in the next group; an error it raises takes back all it wrote, and no more."""
        return self._enqueue(_Job(_each, work, *_place()))

    def outside(self, work: Callable[[sqlite3.Connection], T]) -> asyncio.Future[T]:
        """Run one function on the writer's connection, outside any transaction."""
        return self._enqueue(_Job(_each, work, *_place(), outside=True))

    async def close(self) -> None:
        """Write what was handed over, then let go of the file."""
        if self._closed:
            return
        self._closed = True
        self._jobs.put(None)
        await asyncio.get_running_loop().run_in_executor(None, self._thread.join)

    def _enqueue(self, job: _Job) -> asyncio.Future[Any]:
        if self._closed:
            job.future.set_exception(StoreUnavailable(f"{self._path}: closed; nothing was written"))
        else:
            self._jobs.put(job)
        return job.future

    def _serve(self) -> None:
        open_ = True
        while open_:
            group, open_ = self._next_group()
            for job in [job for job in group if job.outside]:
                _resolve([job], _attempt(self._connection, [job], self._path))
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
        connection = self._connection
        try:
            database.begin(connection)
            try:
                results = _together(connection, group)
            except Exception as error:
                if database.concerns_the_file(error):
                    raise
                database.rollback(connection)
                database.begin(connection)
                results = _one_by_one(connection, group)
            connection.execute("COMMIT")
        except Exception as error:  # noqa: BLE001 - the thread lives on; each caller gets it
            _forget(connection)
            return [database.unavailable(self._path, error) for _ in group]
        return results


def _place() -> tuple[asyncio.Future[Any], asyncio.AbstractEventLoop]:
    loop = asyncio.get_running_loop()
    return loop.create_future(), loop


def _together(connection: sqlite3.Connection, group: Sequence[_Job]) -> list[Any]:
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


def _one_by_one(connection: sqlite3.Connection, group: Sequence[_Job]) -> list[Any]:
    return [guarded(connection, lambda job=job: job.bulk(connection, [job.item])[0]) for job in group]  # type: ignore[misc]


def guarded(connection: sqlite3.Connection, work: Callable[[], Any]) -> Any:
    """The work's result, or its error with all it wrote taken back; an error of the file itself is raised."""
    connection.execute("SAVEPOINT one")
    try:
        result = work()
    except Exception as error:
        if database.concerns_the_file(error):
            raise
        connection.execute("ROLLBACK TO one")
        result = error
    connection.execute("RELEASE one")
    return result


def _each(connection: sqlite3.Connection, works: Sequence[Any]) -> Sequence[Any]:
    if not connection.in_transaction:
        return [work(connection) for work in works]
    return [guarded(connection, lambda work=work: work(connection)) for work in works]  # type: ignore[misc]


def _attempt(connection: sqlite3.Connection, jobs: Sequence[_Job], path: Path) -> Sequence[Any]:
    try:
        return _each(connection, [job.item for job in jobs])
    except Exception as error:  # noqa: BLE001 - the thread lives on; the caller gets it
        known = error if isinstance(error, StoreError) else database.unavailable(path, error)
        return [known] * len(jobs)


def _forget(connection: sqlite3.Connection) -> None:
    """Leave the failed transaction; a file that refuses even that is asked again with the next group."""
    try:
        database.rollback(connection)
    except sqlite3.Error:
        return


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
