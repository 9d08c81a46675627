"""The floor and the server under the same load, in turns, three rounds; the median stands in the table."""

from __future__ import annotations

import asyncio
import statistics
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, fields
from pathlib import Path
from tempfile import TemporaryDirectory

import aiohttp

from bench.load import Load, Sample, Tracker, drained, percentile
from bench.servers import Running, Server
from bench.target import Target

PACED = 0
"""The place of the paced stretch (so many alerts a second) among the levels in flight."""


@dataclass(frozen=True, slots=True)
class Plan:
    """How long and how often is measured."""

    levels: tuple[int, ...] = (1, 16, 64, 500)
    rounds: int = 3
    warm: float = 1.0
    seconds: float = 5.0
    pace: float = 5.0
    pace_seconds: float = 8.0


@dataclass(frozen=True, slots=True)
class Reading:
    """One stretch in figures: milliseconds, but for the rate and the counts."""

    rate: float
    accept_p50: float
    accept_p99: float
    whole_p50: float
    whole_p99: float
    cpu: float
    """CPU of the server process per execution."""
    sender: float
    """Share of a core the sender and the target took: near 1 means they were the limit, not the server."""
    refused: float
    lost: float


Readings = dict[tuple[str, int], Reading]
"""By server and alerts in flight; `PACED` for the paced stretch."""


class Comparison:
    """All servers started, side by side, one of them loaded at a time."""

    def __init__(self, servers: Sequence[Server], plan: Plan, tell: Callable[[str], None]) -> None:
        self._servers = servers
        self._plan = plan
        self._tell = tell
        self._tracker = Tracker()

    async def run(self) -> Readings:
        with ExitStack() as stack:
            async with Target(self._tracker.on_call) as target:
                running = [(server.name, await self._start(stack, server, target)) for server in self._servers]
                rounds = [await self._round(number, running) for number in range(self._plan.rounds)]
        return {key: median([readings[key] for readings in rounds]) for key in rounds[0]}

    async def _start(self, stack: ExitStack, server: Server, target: Target) -> Running:
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
        running = await asyncio.to_thread(server.start, folder, target.url)
        stack.callback(running.end)
        return running

    async def _round(self, number: int, running: Sequence[tuple[str, Running]]) -> Readings:
        readings: Readings = {}
        for level in (PACED, *self._plan.levels):
            first = number % len(running)
            for name, server in (*running[first:], *running[:first]):  # nobody is always the first
                readings[name, level] = reading = await self._stretch(server, level)
                self._tell(f"round {number + 1}, {told(level, self._plan)}, {name}: {summary(reading, level)}")
        return readings

    async def _stretch(self, server: Running, level: int) -> Reading:
        plan = self._plan
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector) as session:
            load = Load(session, server.webhook, self._tracker)
            began, cpu, own = time.perf_counter(), server.child.cpu_seconds(), time.process_time()
            if level == PACED:
                sample = await load.paced(plan.pace, seconds=plan.pace_seconds)
            else:
                sample = await load.closed(level, warm=plan.warm, seconds=plan.seconds)
            spent, cpu = time.perf_counter() - began, server.child.cpu_seconds() - cpu
            own = time.process_time() - own
            await drained(self._tracker)
        return read(sample, cpu, own / spent)


def read(sample: Sample, cpu: float, sender: float) -> Reading:
    """The sample in figures; the CPU is that of the whole stretch, warm-up included, over all it carried."""
    return Reading(
        rate=sample.rate,
        accept_p50=percentile(sample.accept, 0.50) * 1000,
        accept_p99=percentile(sample.accept, 0.99) * 1000,
        whole_p50=percentile(sample.whole, 0.50) * 1000,
        whole_p99=percentile(sample.whole, 0.99) * 1000,
        cpu=cpu / max(1, sample.carried) * 1000,
        sender=sender,
        refused=sample.refused,
        lost=sample.lost,
    )


def median(readings: Sequence[Reading]) -> Reading:
    """Each figure's median; what was refused or lost is added up, never averaged away."""
    figures = {f.name: statistics.median(getattr(r, f.name) for r in readings) for f in fields(Reading)}
    figures["refused"] = sum(r.refused for r in readings)
    figures["lost"] = sum(r.lost for r in readings)
    return Reading(**figures)


def told(level: int, plan: Plan) -> str:
    return f"{plan.pace:g} alerts/s" if level == PACED else f"{level} in flight"


def summary(reading: Reading, level: int) -> str:
    rate = "" if level == PACED else f"{reading.rate:.0f}/s, "
    return f"{rate}to last action p50 {reading.whole_p50:.1f} ms p99 {reading.whole_p99:.1f} ms"
