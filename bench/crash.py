"""SIGKILL in the middle of a burst: what was accepted, and what became of it after the restart."""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp
import orjson

from bench.load import alert, sign
from bench.servers import Ours, Running, prepare
from bench.target import STEPS, ApiCall, Target

IN_FLIGHT = 64
BURST = 2.0
"""Seconds of load before the kill."""
PATIENCE = 60.0


@dataclass(frozen=True, slots=True)
class CrashResult:
    """Counts after the restart."""

    accepted: int
    lost: int
    repeated: int
    """Calls that arrived twice."""
    other_key: int
    """Calls that arrived twice under different keys: must be none."""
    seconds: float
    """Restart to the last third call."""


class _Ledger:
    """Every call the target saw, by alert and step; it rings at every third call."""

    def __init__(self) -> None:
        self.keys: dict[tuple[str, str], list[str | None]] = defaultdict(list)
        self.rang = asyncio.Event()

    def on_call(self, call: ApiCall) -> None:
        self.keys[call.ref, call.path].append(call.key)
        if call.path == STEPS[-1]:
            self.rang.set()

    def missing(self, refs: set[str]) -> int:
        return sum(any(not self.keys.get((ref, step)) for step in STEPS) for ref in refs)


async def measure(tell: Callable[[str], None]) -> CrashResult:
    ledger = _Ledger()
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        async with Target(ledger.on_call) as target:
            folder = Path(name)
            port = prepare(folder, target.url)
            first = await asyncio.to_thread(Ours().serve, port, folder)
            try:
                accepted = await _burst_and_kill(first)
            finally:
                first.end()
            second = await asyncio.to_thread(Ours().serve, port, folder)
            try:
                result = await _settled(ledger, accepted)
            finally:
                second.end()
    tell(f"kill -9 in a burst: {result.accepted} accepted, {result.lost} lost, {result.repeated} calls repeated")
    return result


async def _burst_and_kill(server: Running) -> set[str]:
    accepted: set[str] = set()

    async def worker(session: aiohttp.ClientSession, lane: int) -> None:
        for number in range(1_000_000):
            ref = f"crash-{lane}-{number}"
            body = orjson.dumps(alert(ref, number))
            try:
                async with session.post(server.webhook, data=body, headers={"X-Signature": sign(body)}) as reply:
                    if reply.status == 202:
                        accepted.add(ref)
            except aiohttp.ClientError:
                return  # the server was killed under it

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        tasks = [asyncio.create_task(worker(session, lane)) for lane in range(IN_FLIGHT)]
        await asyncio.sleep(BURST)
        await asyncio.to_thread(server.child.kill)
        await asyncio.gather(*tasks)
    return accepted


async def _settled(ledger: _Ledger, accepted: set[str]) -> CrashResult:
    began = time.perf_counter()
    with suppress(TimeoutError):
        async with asyncio.timeout(PATIENCE):
            while ledger.missing(accepted):
                ledger.rang.clear()
                await ledger.rang.wait()
    seconds = time.perf_counter() - began
    twice = [keys for keys in ledger.keys.values() if len(keys) > 1]
    return CrashResult(
        accepted=len(accepted),
        lost=ledger.missing(accepted),
        repeated=sum(len(keys) - 1 for keys in twice),
        other_key=sum(len(set(keys)) > 1 for keys in twice),
        seconds=seconds,
    )
