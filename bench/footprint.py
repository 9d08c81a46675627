"""What `soar serve` costs while nothing happens, and how soon it is ready."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory

from bench.servers import Ours, prepare
from soar.model.approval import Approval, Approvers, Stage
from soar.model.execution import Execution, Fact
from soar.model.message import Message
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit

NOWHERE = "http://127.0.0.1:9"
"""Nobody calls it here."""
DAY = 86_400_000
BATCH = 500


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
    """Seconds to /readyz with 10,000 executions waiting for approval."""
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
    """Executions that wait for an answer, each with its request and the message that asks for it in a channel."""
    store = await Store.open(f"sqlite:///{folder / 'soar.db'}")
    try:
        for start in range(0, count, BATCH):
            numbers = range(start, min(start + BATCH, count))
            await store.executions.open_many([_execution(number) for number in numbers])
            await asyncio.gather(*(_ask(store, number) for number in numbers))
    finally:
        await store.close()


async def _ask(store: Store, number: int) -> None:
    """What the engine and the courier write until a request stands in its channel."""
    now = time.time_ns() // 1_000_000
    approval = _approval(number, now)
    shown = {"id": approval.id, "items": list(approval.shown), "digest": approval.digest}
    fact = Fact("contain", "approval", 1, now, shown)
    change = ExecutionChange("parked", awaiting="approval", due_at=now + 7 * DAY, started_at=now)
    unit = ExecutionUnit(approval.execution_id, 0, take=True, facts=[fact], change=change, approvals=[approval])
    await store.executions.commit(unit)
    identity = f"message-{number:08}"
    message = Message(identity, "request", approval.execution_id, "slack:#soc", now, approval_id=approval.id)
    await store.messages.plan(approval, [replace(message, nonce=identity, due_at=now)], now)
    await store.messages.begin(message)
    await store.messages.posted(message, {"channel": "C0000000001", "ts": str(number)}, "posted", now)
    await store.messages.shown(replace(message, due_at=now))


def _execution(number: int) -> Execution:
    now = time.time_ns() // 1_000_000
    return Execution(
        id=f"waiting-{number:08}",
        kind="run",
        playbook_id="three-calls",
        playbook_digest="0" * 64,
        state="queued",
        epoch=0,
        opened_at=now - number,
        deadline_at=now + 7 * DAY,
    )


def _approval(number: int, now: int) -> Approval:
    item = {
        "path": "contain/block",
        "action": "gateway.block_ip",
        "values": {"ip": f"203.0.113.{number % 256}", "reason": "Access token replayed from a new network"},
        "open": {},
        "target": f"203.0.113.{number % 256}",
        "risk": "high",
        "undo": "lifts itself after 24h",
        "effect": "Deny every request from one client address",
    }
    return Approval(
        id=f"approval-{number:08}",
        execution_id=f"waiting-{number:08}",
        path="contain",
        round=1,
        state="asking",
        message=f"Contain client c-{number}? Risk 90/100.",
        shown=(item,),
        digest="0" * 64,
        approvers=Approvers(groups=("soc-analysts",)),
        requester="source:siem",
        asked_at=now - number,
        stages=(Stage(("slack:#soc",), 86_400.0),),
        playbook_id="three-calls",
        due_at=now + DAY,
    )
