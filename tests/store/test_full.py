"""A11: a disk that is full, or a file that cannot be written. What is not on disk is never said to be."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
from pathlib import Path

import pytest

from soar.errors import StoreUnavailable
from soar.store import Store
from soar.store.units import ExecutionUnit
from tests.store.given import child, execution, fact, opening, outputs, raw_alert, running


@pytest.fixture
def url(tmp_path: Path) -> str:
    """One file: what is told of here is no server's."""
    return f"sqlite:///{tmp_path / 'soar.db'}"


async def limit(store: Store, more_pages: int) -> None:
    """Let the file grow by so many pages and no further, as a full disk would."""
    pages = await store._writer.outside(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await store._writer.outside(lambda db: db.execute(f"PRAGMA max_page_count = {pages + more_pages}").fetchone())


async def test_a11_what_does_not_fit_is_refused_and_the_rest_is_there(store: Store) -> None:
    await store.writable()
    await limit(store, 40)
    kept, refused = 0, 0
    for number in range(60):
        try:
            await store.alerts.keep([raw_alert(str(number), body=b"x" * 8000)])
            kept += 1
        except StoreUnavailable as error:
            assert "database or disk is full; nothing was written: free some space" in str(error)
            refused += 1
    assert kept > 0
    assert refused > 0
    assert len(await store.alerts.unprocessed()) == kept
    assert (await store.alerts.counts()).received == kept


async def test_a11_health_turns_red_while_it_is_full_and_green_again(store: Store) -> None:
    await limit(store, 2)
    with pytest.raises(StoreUnavailable, match="full"):
        await store.writable()
    await limit(store, 1000)
    await store.writable()
    await store.alerts.keep([raw_alert("a", body=b"x" * 8000)])


async def test_a11_a_full_disk_loses_nothing_that_was_there(store: Store) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    owner = await running(store)
    await limit(store, 0)
    with pytest.raises(StoreUnavailable):
        await store.executions.commit(ExecutionUnit(owner.id, 1, facts=[fact("a", text="x" * 50_000)]))
    assert await store.executions.facts(owner.id) == []
    assert (await store.alerts.raw(raw.id)).body == raw.body
    await limit(store, 1000)
    await store.executions.commit(ExecutionUnit(owner.id, 1, facts=[fact("a", text="x" * 50_000)]))
    assert len(await store.executions.facts(owner.id)) == 1


async def test_a11_every_caller_of_a_group_that_does_not_fit_is_told(store: Store) -> None:
    await limit(store, 0)
    keeps = [store.alerts.keep([raw_alert(str(number), body=b"x" * 9000)]) for number in range(50)]
    results = await asyncio.gather(*keeps, return_exceptions=True)
    kept = [one for one in results if not isinstance(one, StoreUnavailable)]
    assert len(await store.alerts.unprocessed()) == len(kept) < 50


FILL = """
import asyncio, resource, sys
from soar.errors import StoreUnavailable
from soar.store import Store
from tests.store.given import raw_alert

async def main(url):
    store = await Store.open(url)
    resource.setrlimit(resource.RLIMIT_FSIZE, (900_000, 900_000))
    kept = 0
    for number in range(400):
        try:
            await store.alerts.keep([raw_alert(str(number), body=b"x" * 8000)])
            kept += 1
        except StoreUnavailable as error:
            assert "nothing was written" in str(error), error
            break
    else:
        raise AssertionError("it never became full")
    print(kept)
    assert len(await store.alerts.unprocessed(1000)) == kept
    await store.close()

asyncio.run(main(sys.argv[1]))
"""


async def test_a11_writes_the_system_refuses(url: str) -> None:
    """The kernel itself says no here, in the middle of the log."""
    (said,) = await outputs([await child(FILL, url)])
    kept = said.strip()
    store = await Store.open(url)
    assert len(await store.alerts.unprocessed(1000)) == int(kept) > 0
    await store.alerts.keep([raw_alert("after", body=b"x" * 8000)])
    await store.close()


async def test_less_than_a_mebibyte_of_free_disk_is_red(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.statvfs(store.path.parent)
    fields = list(real)
    fields[4] = 3  # f_bavail
    monkeypatch.setattr(os, "statvfs", lambda _: os.statvfs_result(fields))
    with pytest.raises(StoreUnavailable, match="less than 1 MiB is free"):
        await store.writable()


async def test_a_write_lock_that_another_holds_for_long(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("soar.store.sqlite.BUSY_SECONDS", 0.05)
    other = sqlite3.connect(store.path, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match="another process holds it for long"):
        await store.alerts.keep([raw_alert("a")])
    assert await store.alerts.unprocessed() == []  # reading goes on
    other.execute("ROLLBACK")
    await store.alerts.keep([raw_alert("a")])
    other.close()


async def test_the_writer_outlives_every_refusal(store: Store, tmp_path: Path) -> None:
    one = execution()
    await limit(store, 0)
    for _ in range(5):
        with pytest.raises(StoreUnavailable):
            await store.alerts.keep([raw_alert(str(number), body=b"x" * 5000) for number in range(20)])
    await limit(store, 1000)
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    await store.alerts.open([opening(raw, "contain")])
    await store.executions.open(one)
    await store.backup(tmp_path / "copy.db")
    assert shutil.disk_usage(tmp_path).free > 0
