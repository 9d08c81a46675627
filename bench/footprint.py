"""What `soar serve` costs while nothing happens, and how soon it is ready."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.servers import Ours, prepare
from soar.model.execution import Execution
from soar.store import Store

NOWHERE = "http://127.0.0.1:9"
"""Nobody calls it here."""
DAY = 86_400_000


@dataclass(frozen=True, slots=True)
class Footprint:
    """Medians of a few starts."""

    first_start: float
    """Seconds from spawn to /readyz, in an empty folder (the schema is made)."""
    start: float
    """The same on the database that is there."""
    idle: float
    """Resident MB after some seconds of nothing."""
    waiting_start: float
    """Seconds to /readyz with 10,000 executions waiting."""
    waiting_idle: float


async def measure(tell: Callable[[str], None], times: int = 3) -> Footprint:
    first, again, waiting = [], [], []
    for number in range(times):
        with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            port = prepare(folder, NOWHERE)
            first.append(_start(folder, port))
            again.append(_start(folder, port))
            await fill_waiting(folder, 10_000)
            waiting.append(_start(folder, port))
        tell(f"start {number + 1}: ready after {again[-1][0]:.2f} s, idle {again[-1][1]:.0f} MB")
    return Footprint(
        first_start=statistics.median(seconds for seconds, _ in first),
        start=statistics.median(seconds for seconds, _ in again),
        idle=statistics.median(megabytes for _, megabytes in again),
        waiting_start=statistics.median(seconds for seconds, _ in waiting),
        waiting_idle=statistics.median(megabytes for _, megabytes in waiting),
    )


def _start(folder: Path, port: int) -> tuple[float, float]:
    running = Ours().serve(port, folder)
    try:
        time.sleep(2.0)  # idle means after whatever the start has left to do
        return running.ready_after, running.child.resident_bytes() / 1e6
    finally:
        running.end()


async def fill_waiting(folder: Path, count: int) -> None:
    """Executions that wait until tomorrow."""
    store = await Store.open(f"sqlite:///{folder / 'soar.db'}")
    try:
        await store.executions.open_many(list(_waiting(count)))
    finally:
        await store.close()


def _waiting(count: int) -> Iterable[Execution]:
    now = time.time_ns() // 1_000_000
    for number in range(count):
        yield Execution(
            id=f"waiting-{number:08}",
            kind="run",
            playbook_id="three-calls",
            playbook_digest="0" * 64,
            state="parked",
            awaiting="timer",
            due_at=now + DAY,
            epoch=1,
            opened_at=now - number,
            deadline_at=now + 7 * DAY,
            started_at=now - number,
        )
