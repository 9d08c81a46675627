"""Several processes on one file, and processes that end in the middle of a write."""

from __future__ import annotations

import asyncio
import json
import signal
import sqlite3
from pathlib import Path

import pytest

from soar.errors import StoreUnavailable
from soar.model.execution import Execution
from soar.store import Store, sqlite
from soar.store.units import ExecutionUnit
from tests.store.given import NOW, child, execution, fact, opening, outputs, raw_alert

DELIVER = """
import asyncio, sys
from soar.store import Store
from tests.store.given import opening, raw_alert

async def main(url):
    store = await Store.open(url)
    print("ready", flush=True)
    await asyncio.to_thread(sys.stdin.readline)
    raws = [raw_alert("event-1") for _ in range(20)]
    for (kept,) in await asyncio.gather(*[store.alerts.keep([raw]) for raw in raws]):
        print(kept.id, kept.duplicate)
    await store.alerts.open([opening(raw, "contain") for raw in await store.alerts.unprocessed()])
    await store.close()

asyncio.run(main(sys.argv[1]))
"""

WRITE = """
import asyncio, sys, time
from soar.store import Store
from tests.store.given import raw_alert

async def writer(store, name, until):
    number = 0
    while time.monotonic() < until:
        await store.alerts.keep([raw_alert(f"{name}-{number}")])
        number += 1
    return number

async def main(url, name, seconds):
    store = await Store.open(url)
    until = time.monotonic() + float(seconds)
    written = await asyncio.gather(*[writer(store, f"{name}-{n}", until) for n in range(50)])
    await store.close()
    print(sum(written), min(written))

asyncio.run(main(*sys.argv[1:]))
"""

MAKE = """
import asyncio, sys
from pathlib import Path
from soar.store import Store
from tests.store.given import raw_alert

async def main(folder, name):
    print("ready", flush=True)
    for number in range(20):
        await asyncio.to_thread(sys.stdin.readline)
        store = await Store.open(f"sqlite:///{folder}/{number}.db")
        await store.alerts.keep([raw_alert(name)])
        await store.close()
        print(number, flush=True)

asyncio.run(main(*sys.argv[1:]))
"""

CLAIM = """
import asyncio, sys
from soar.errors import LeaseLost
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit

async def main(url):
    store = await Store.open(url)
    while ready := await store.executions.ready(0, 5):
        for one in ready:
            try:
                await store.executions.commit(ExecutionUnit(one.id, one.epoch, take=True))
            except LeaseLost:
                continue
            await store.executions.commit(ExecutionUnit(one.id, one.epoch + 1, change=ExecutionChange("succeeded")))
            print(one.id)
    await store.close()

asyncio.run(main(sys.argv[1]))
"""

SAME_FACT = """
import asyncio, sys
from soar.store import Store
from soar.store.units import ExecutionUnit
from tests.store.given import fact

async def main(url, execution_id):
    store = await Store.open(url)
    for number in range(50):
        await store.executions.commit(ExecutionUnit(execution_id, 1, facts=[fact(f"enrich[{number}]", score=number)]))
    await store.close()

asyncio.run(main(*sys.argv[1:]))
"""

KEEP_FOR_EVER = """
import asyncio, json, sys
from soar.store import Store
from soar.store.units import Apply, ExecutionUnit
from tests.store.given import apply, execution, fact, opening, raw_alert

async def one(store, name):
    number = 0
    while True:
        raw = raw_alert(f"{name}-{number}")
        await store.alerts.keep([raw])
        print(json.dumps(["kept", raw.id]), flush=True)
        (opened,) = await store.alerts.open([opening(raw, "contain")])
        print(json.dumps(["opened", opened]), flush=True)
        unit = ExecutionUnit(opened, 0, take=True, facts=[fact("a", "attempt"), fact("b")])
        unit.ledger.append(apply(opened, "a", target=opened))
        await store.executions.commit(unit)
        print(json.dumps(["committed", opened]), flush=True)
        number += 1

async def main(url):
    store = await Store.open(url)
    await asyncio.gather(*[one(store, name) for name in "abcdefgh"])

asyncio.run(main(sys.argv[1]))
"""


async def test_a02_twenty_identical_deliveries_in_two_processes_are_one_execution(url: str) -> None:
    children = [await child(DELIVER, url, stdin=asyncio.subprocess.PIPE) for _ in range(2)]
    for one in children:
        assert one.stdout is not None
        assert await one.stdout.readline() == b"ready\n"
    for one in children:
        assert one.stdin is not None
        one.stdin.write(b"go\n")
    answers = "".join(await outputs(children)).split("\n")[:-1]

    assert len(answers) == 40
    assert len({answer.split()[0] for answer in answers}) == 1
    assert sum(answer.endswith("False") for answer in answers) == 1
    store = await Store.open(url)
    assert len((await store.executions.page()).items) == 1
    counts = await store.alerts.counts()
    assert (counts.received, counts.matched, counts.duplicates) == (1, 1, 39)
    await store.close()


async def test_many_processes_may_make_the_file_at_once(url: str) -> None:
    children = [await child(WRITE, url, name, 0.01) for name in "abcde"]
    assert len(await outputs(children)) == 5


@pytest.mark.parametrize("seconds", [2, pytest.param(60, marks=pytest.mark.slow)])
async def test_l01_fifty_writers_in_each_of_two_processes(url: str, seconds: float) -> None:
    found = await outputs([await child(WRITE, url, name, seconds) for name in "ab"])
    written = [[int(number) for number in line.split()] for line in found]
    assert min(least for _, least in written) > 0
    store = await Store.open(url)
    counts = await store.alerts.counts()
    assert (counts.received, counts.duplicates) == (sum(total for total, _ in written), 0)
    assert await store._reader.run(lambda db: db.execute("SELECT count(*) FROM raw_alerts").fetchone()[0]) == (
        counts.received
    )
    await store.close()


async def test_l02_ten_processes_claim_without_an_error_and_none_twice(url: str, store: Store) -> None:
    await store.executions.open_many([execution(opened_at=NOW + number) for number in range(200)])
    claimed = "".join(await outputs([await child(CLAIM, url) for _ in range(10)])).split()
    assert len(claimed) == len(set(claimed)) == 200


async def test_l04_the_same_results_from_four_processes_are_there_once(url: str, store: Store) -> None:
    one = execution()
    await store.executions.open(one)
    await store.executions.commit(ExecutionUnit(one.id, 0, take=True))
    await outputs([await child(SAME_FACT, url, one.id) for _ in range(4)])
    facts = await store.executions.facts(one.id)
    assert sorted(found.data["score"] for found in facts) == list(range(50))


async def test_s42_a_busy_engine_does_not_starve_a_command(url: str, store: Store) -> None:
    """A short write from beside gets its turn while the engine commits without a pause."""
    going = True

    async def load(name: str) -> None:
        number = 0
        while going:
            await store.alerts.keep([raw_alert(f"{name}-{number}")])
            number += 1

    loads = [asyncio.ensure_future(load(str(name))) for name in range(16)]
    found = await outputs([await child(WRITE, url, "command", 0.3)])
    going = False
    await asyncio.gather(*loads)
    assert int(found[0].split()[1]) > 0


@pytest.mark.parametrize("after", [1, 40, 400])
async def test_what_was_said_to_be_kept_is_there_after_kill_9(url: str, after: int) -> None:
    """The child says each thing once it is written, and is killed in the middle of its writing."""
    one = await child(KEEP_FOR_EVER, url)
    assert one.stdout is not None
    said = [json.loads(await one.stdout.readline()) for _ in range(after)]
    one.send_signal(signal.SIGKILL)
    rest, errors = await one.communicate()
    assert one.returncode == -signal.SIGKILL, errors.decode()
    said += [json.loads(line) for line in rest.split(b"\n")[:-1]]

    store = await Store.open(url)
    for what, name in said:
        if what == "kept":
            assert (await store.alerts.raw(name)).body == b'{"a": 1}'
        else:
            found = await store.executions.get(name)
            assert what == "opened" or (found.epoch, found.state) == (1, "running")
    await nothing_is_half(store)
    await store.close()


async def nothing_is_half(store: Store) -> None:
    """Whatever was written, was written as whole units."""
    counts = await store.alerts.counts()
    bodies = await store._reader.run(lambda db: db.execute("SELECT count(*) FROM raw_alerts").fetchone()[0])
    opened: list[Execution] = []
    cursor: str | None = None
    while True:
        page = await store.executions.page(cursor=cursor, limit=200)
        opened += page.items
        if (cursor := page.next_cursor) is None:
            break
    assert (counts.received, counts.matched) == (bodies, len(opened))
    assert counts.waiting == len(await store.alerts.unprocessed(limit=10_000))
    ledger = await store._reader.run(
        lambda db: dict(
            db.execute("SELECT h.execution_id, c.state FROM holds h JOIN containments c ON c.id = h.containment_id")
        )
    )
    for one in opened:
        facts = [found.path for found in await store.executions.facts(one.id)]
        taken = (one.state, one.epoch, facts, ledger.get(one.id)) == ("running", 1, ["a", "b"], "applying")
        assert taken or (one.state, one.epoch, facts, ledger.get(one.id)) == ("queued", 0, [], None)


async def test_the_work_goes_on_after_kill_9(url: str) -> None:
    one = await child(KEEP_FOR_EVER, url)
    assert one.stdout is not None
    for _ in range(30):
        await one.stdout.readline()
    one.kill()
    await one.communicate()

    store = await Store.open(url)
    for left in await store.alerts.unprocessed():
        await store.alerts.open([opening(left, "contain")])
    assert (await store.alerts.counts()).waiting == 0
    for found in await store.executions.interrupted():
        await store.executions.commit(ExecutionUnit(found.id, found.epoch, take=True, facts=[fact("c")]))
        assert (await store.executions.get(found.id)).epoch == 2
    await store.close()


def test_the_children_run_what_is_tested_here() -> None:
    assert Path(__file__).parents[2].joinpath("soar/store/store.py").exists()
    assert raw_alert("a").body == b'{"a": 1}'


async def test_l01_two_processes_make_the_same_new_file_at_once_twenty_times(tmp_path: Path) -> None:
    makers = [await child(MAKE, tmp_path, name, stdin=asyncio.subprocess.PIPE) for name in "ab"]
    for awaited in ("ready", *map(str, range(20))):
        for one in makers:
            assert one.stdout is not None
            assert one.stdin is not None
            if (await one.stdout.readline()).decode().strip() != awaited:
                await outputs([one])
        for one in makers:
            assert one.stdin is not None
            one.stdin.write(b"go\n")
    await outputs(makers)
    for number in range(20):
        store = await Store.open(f"sqlite:///{tmp_path / str(number)}.db")
        assert {raw.dedupe_key for raw in await store.alerts.unprocessed()} == {"a", "b"}
        await store.close()


async def test_l01_a_new_file_that_stays_locked_is_unavailable_and_no_raw_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "BUSY_SECONDS", 0.05)
    path = tmp_path / "soar.db"
    holder = sqlite3.connect(path, isolation_level=None)
    holder.execute("BEGIN EXCLUSIVE")
    with pytest.raises(StoreUnavailable, match=r"database is locked.*another process holds it"):
        await Store.open(f"sqlite:///{path}")
    holder.execute("COMMIT")
    holder.execute("PRAGMA journal_mode = WAL")
    holder.execute("BEGIN IMMEDIATE")
    with pytest.raises(StoreUnavailable, match=r"database is locked.*another process holds it"):
        await Store.open(f"sqlite:///{path}")
    holder.close()
    await (await Store.open(f"sqlite:///{path}")).close()
