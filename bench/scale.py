"""`python -m bench.scale`: what workers and one PostgreSQL carry, beside a bare loop on the same server.

A backlog is put in before the workers start, so intake costs nothing of what is measured; the middle eight tenths of
its executions count. PostgreSQL runs with fsync, full_page_writes and synchronous_commit on.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson
import psycopg
import uvloop

from bench import scale_report
from bench.load import SECRET, alert, percentile, sign
from bench.postgres import Server
from bench.processes import Child, end_all
from bench.scale_floor import INDEX, TABLE
from bench.scale_report import Latency, Rate, Results, TakeOver
from bench.servers import CONFIG, PLAYBOOK, soar_command
from bench.target import STEPS, ApiCall, Target
from soar.config import load_settings
from soar.ids import new_id
from soar.model.alert import RawAlert
from soar.rehearsal.process import free_port
from soar.role import Role
from soar.runtime import Runtime

WORKERS = (1, 2, 4)
LOADS = (10, 40, 80, 120)
"""Alerts a second, with two workers and a server that takes them in."""
LANES = 32
"""Executions side by side in one process, on both sides."""
FIRST, LAST = 0.1, 0.9
RESULTS = Path(__file__).parent / "results"
DURABLE: dict[str, Any] = {"fsync": "on", "full_page_writes": "on", "synchronous_commit": "on"}


class Watched:
    """The target, and when each alert's calls arrived."""

    def __init__(self) -> None:
        self.ended: dict[str, float] = {}
        self.calls = 0
        self._moved = asyncio.Event()

    def on_call(self, call: ApiCall) -> None:
        self.calls += 1
        if call.path == STEPS[-1]:
            self.ended.setdefault(call.ref, time.perf_counter())
        self._moved.set()

    async def until(self, calls: int) -> float:
        """When so many calls had come."""
        async with asyncio.timeout(240):
            while self.calls < calls:
                self._moved.clear()
                await self._moved.wait()
        return time.perf_counter()


class Bench:
    """One server, and databases of their own on it."""

    def __init__(self, server: Server, count: int, tell: Callable[[str], None]) -> None:
        self._server = server
        self._count = count
        self._tell = tell

    async def floor(self, processes: int) -> Rate:
        """The bare loop in so many processes."""
        url = self._server.create()
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(TABLE)
            connection.execute(INDEX)
            given = [(orjson.dumps(alert(f"f-{number}", number)).decode(),) for number in range(self._count)]
            connection.cursor().executemany("INSERT INTO floor_jobs (alert) VALUES (%s)", given)

        def start(folder: Path, target: str) -> list[Child]:
            argv = [sys.executable, "-m", "bench.scale_floor", "--database", url, "--target", target]
            argv += ["--lanes", str(LANES)]
            root = Path(__file__).parent.parent
            return [Child(argv, cwd=root, log=folder / f"floor-{number}.log") for number in range(processes)]

        return await self._measured("floor", processes, start)

    async def workers(self, processes: int) -> Rate:
        """`soar worker`, so many of them."""
        url = self._server.create()

        def start(folder: Path, _target: str) -> list[Child]:
            return [worker(folder, number) for number in range(processes)]

        async def prepare(folder: Path, target: str) -> None:
            configure(folder, target, url)
            await backlog(folder, self._count)

        return await self._measured("soar worker", processes, start, prepare)

    async def _measured(self, name: str, processes: int, start: Any, prepare: Any = None) -> Rate:
        watched = Watched()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            async with Target(watched.on_call) as target:
                if prepare is not None:
                    await prepare(folder, target.url)
                children = start(folder, target.url)
                for child in children:
                    stack.callback(child.end)
                steps = len(STEPS)
                began = await watched.until(round(self._count * steps * FIRST))
                cpu = [self._server.cpu_seconds(), sum(child.cpu_seconds() for child in children), watched.calls]
                ended = await watched.until(round(self._count * steps * LAST))
                done = (watched.calls - cpu[2]) / steps
                rate = Rate(
                    name,
                    processes,
                    done / (ended - began),
                    1000 * (self._server.cpu_seconds() - cpu[0]) / done,
                    1000 * (sum(child.cpu_seconds() for child in children) - cpu[1]) / done,
                )
                await watched.until(self._count * steps)
        figures = f"{rate.per_second:.0f}/s, PostgreSQL {rate.database_cpu:.2f} ms, processes {rate.process_cpu:.2f} ms"
        self._tell(f"{name}, {processes}: {figures} CPU each")
        return rate

    async def take_over(self) -> TakeOver:
        """Kill one of three workers in the middle of a burst."""
        url, watched = self._server.create(), Watched()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            async with Target(watched.on_call) as target:
                configure(folder, target.url, url)
                await backlog(folder, self._count)
                children = [worker(folder, number) for number in range(3)]
                for child in children:
                    stack.callback(child.end)
                await watched.until(self._count)
                children[0].kill()
                killed = time.perf_counter()
                with psycopg.connect(url, autocommit=True) as connection:
                    running = set(connection.execute(_RUNNING).fetchall())
                    await _until(lambda: not running & set(connection.execute(_RUNNING).fetchall()))
                    moved = time.perf_counter() - killed
                    await watched.until(self._count * len(STEPS))
                    found = connection.execute(_ENDED).fetchone()
                assert found is not None
        over = TakeOver(len(running), moved, self._count, int(found[0]))
        self._tell(f"a worker killed: the last of {over.running} executions that ran moved on after {moved:.1f} s")
        return over

    async def latency(self, per_second: int, seconds: float = 8.0) -> Latency:
        """From the delivery to the last call, at a steady load, and how much waited."""
        url, watched, sent = self._server.create(), Watched(), dict[str, float]()
        with ExitStack() as stack:
            folder = Path(stack.enter_context(TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True)))
            async with Target(watched.on_call) as target:
                port = configure(folder, target.url, url)
                argv = [soar_command(), "serve", "--config", str(folder / "soar.yaml")]
                serve = Child(argv, cwd=folder, log=folder / "soar.log", env={"BENCH_SECRET": SECRET})
                stack.callback(serve.end)
                await asyncio.to_thread(serve.wait_ready, f"http://127.0.0.1:{port}/readyz", timeout=30)
                for number in range(2):
                    stack.callback(worker(folder, number).end)
                depths = await self._paced(port, url, per_second, seconds, sent)
                await _until(lambda: len(watched.ended) == len(sent))
        took = [watched.ended[ref] - at for ref, at in sent.items() if not ref.startswith("warm")]
        reading = Latency(
            per_second, percentile(took, 0.5), percentile(took, 0.99), statistics.mean(depths), max(depths)
        )
        self._tell(f"{per_second} alerts/s: p50 {1000 * reading.p50:.0f} ms p99 {1000 * reading.p99:.0f} ms")
        return reading

    async def _paced(self, port: int, url: str, per_second: int, seconds: float, sent: dict[str, float]) -> list[int]:
        depths: list[int] = []
        webhook, tasks = f"http://127.0.0.1:{port}/webhooks/bench", set[asyncio.Task[None]]()
        async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as http:

            async def post(ref: str, number: int) -> None:
                body = orjson.dumps(alert(ref, number))
                sent[ref] = time.perf_counter()
                headers = {"X-Signature": sign(body), "Content-Type": "application/json"}
                async with http.post(webhook, data=body, headers=headers) as reply:
                    assert reply.status == 202, reply.status

            with psycopg.connect(url, autocommit=True) as connection:
                for number in range(round(per_second * (seconds + 2))):
                    ref = f"{'warm' if number < 2 * per_second else 'paced'}-{number}"
                    tasks.add(asyncio.create_task(post(ref, number)))
                    await asyncio.sleep(1 / per_second)
                    if number % max(per_second // 4, 1) == 0:
                        row = connection.execute(_WAITING).fetchone()
                        depths.append(0 if row is None else int(row[0]))
            await asyncio.gather(*tasks)
        return depths


async def _until(holds: Callable[[], bool]) -> None:
    """Look twenty times a second, for two minutes at most."""
    async with asyncio.timeout(120):
        while not holds():  # noqa: ASYNC110 # of what is not in this process, nobody tells
            await asyncio.sleep(0.05)


_RUNNING = "SELECT id, epoch FROM executions WHERE state = 'running'"
_ENDED = "SELECT count(*) FROM executions WHERE state IN ('succeeded', 'running')"
_WAITING = "SELECT count(*) FROM executions WHERE state = 'queued'"


def configure(folder: Path, target: str, database: str) -> int:
    """Write the config and the playbook; the port a server listens on."""
    port = free_port()
    (folder / "playbooks").mkdir()
    (folder / "playbooks" / "three-calls.yaml").write_text(PLAYBOOK)
    text = CONFIG.format(port=port, target=target).replace("sqlite:///soar.db", database)
    (folder / "soar.yaml").write_text(f"{text}execution: {{side_by_side: {LANES}}}\n")
    return port


def worker(folder: Path, number: int) -> Child:
    argv = [soar_command(), "worker", "--config", str(folder / "soar.yaml")]
    return Child(argv, cwd=folder, log=folder / f"worker-{number}.log", env={"BENCH_SECRET": SECRET})


async def backlog(folder: Path, count: int) -> None:
    """Have so many executions wait, as a server leaves them: kept, matched and opened, each with its job."""

    os.environ["BENCH_SECRET"] = SECRET
    runtime = await Runtime.build(load_settings(folder / "soar.yaml"), role=Role("serve"))
    try:
        await runtime.keep_versions(runtime.loaded.catalog)
        now = runtime.clock.now()
        raws = [
            RawAlert(new_id(), "bench", f"b-{number}", now, orjson.dumps(alert(f"b-{number}", number)))
            for number in range(count)
        ]
        for start in range(0, count, 500):
            await runtime.store.alerts.keep(raws[start : start + 500])
        for raw in raws:
            openings = [runtime.processor.opening(raw, runtime.loaded)]
            await runtime.store.alerts.open(openings)
    finally:
        await runtime.store.close()


async def measure(options: argparse.Namespace, tell: Callable[[str], None]) -> Results:
    server = await asyncio.to_thread(lambda: Server(**DURABLE))
    began = time.perf_counter()
    try:
        await asyncio.to_thread(server.start)
        bench = Bench(server, options.count, tell)
        rates: list[Rate] = []
        for number in WORKERS:
            rounds = [(await bench.floor(number), await bench.workers(number)) for _ in range(options.rounds)]
            rates += [median([one[side] for one in rounds]) for side in (0, 1)]
        over = await bench.take_over()
        latencies = [await bench.latency(load) for load in LOADS]
    finally:
        await asyncio.to_thread(server.close)
    return Results(rates, over, latencies, time.perf_counter() - began)


def median(rates: Sequence[Rate]) -> Rate:
    middle = statistics.median
    figures = ("per_second", "database_cpu", "process_cpu")
    return Rate(rates[0].name, rates[0].processes, *(middle(getattr(one, name) for one in rates) for name in figures))


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.scale", description=__doc__)
    parser.add_argument("--count", type=int, default=2_000, help="executions of each backlog")
    parser.add_argument("--rounds", type=int, default=3)
    options = parser.parse_args()
    began = time.perf_counter()

    def tell(text: str) -> None:
        sys.stderr.write(f"[{time.perf_counter() - began:4.0f} s] {text}\n")

    try:
        results = uvloop.run(measure(options, tell))
    finally:
        end_all()
    print(scale_report.as_text(results))
    scale_report.save(results, RESULTS)
    print(f"\nAlso in {RESULTS / 'scale.json'} and, as a table, {RESULTS / 'scale.md'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
