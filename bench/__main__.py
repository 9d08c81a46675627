"""`python -m bench`: measure, and print each target as met or missed. Progress goes to stderr, the table to stdout."""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
import time
from pathlib import Path

import uvloop

from bench import crash, footprint, matching, pages, report
from bench.comparison import Comparison, Plan
from bench.processes import end_all
from bench.servers import Floor, Ours, Server

PARTS = ("match", "start", "crash", "load", "pages")
RESULTS = Path(__file__).parent / "results"
QUICK = Plan(levels=(16,), rounds=1, warm=0.5, seconds=2.0, pace_seconds=2.0)


def main() -> int:
    options = _options()
    try:
        results = uvloop.run(_measure(options))
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("stopped; every process it started has ended\n")
        return 130
    finally:
        end_all()
    print(report.as_text(results))
    if not options.floor_only:
        report.save(results, RESULTS)
        print(f"\nAlso in {RESULTS / 'latest.json'} and, as a table for the README, {RESULTS / 'latest.md'}")
    return 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m bench", description=__doc__)
    parser.add_argument("--only", choices=PARTS, action="append", help="measure this part alone (may be repeated)")
    parser.add_argument("--quick", action="store_true", help="a short look instead of a measurement")
    parser.add_argument("--floor-only", action="store_true", help="load the floor and nothing else")
    return parser.parse_args()


async def _measure(options: argparse.Namespace) -> report.Results:
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, _stop, asyncio.current_task())
    began = time.perf_counter()
    parts = ("load",) if options.floor_only else tuple(options.only or PARTS)
    results = report.Results()
    if "match" in parts:
        results.matching = matching.measure(_tell)
    if "start" in parts:
        results.footprint = await footprint.measure(_tell, times=1 if options.quick else 3)
    if "crash" in parts:
        results.crash = await crash.measure(_tell)
    if "load" in parts:
        plan = QUICK if options.quick else Plan()
        floors: list[Server] = [Floor("aiohttp"), Floor("httpx")]
        servers = floors if options.floor_only else [*floors, Ours()]
        results.readings = await Comparison(servers, plan, _tell).run()
    if "pages" in parts:
        results.pages = await pages.measure(_tell, count=50_000 if options.quick else 1_000_000)
    results.seconds = time.perf_counter() - began
    return results


def _stop(task: asyncio.Task[object] | None) -> None:
    if task is not None:
        task.cancel()


_BEGAN = time.perf_counter()


def _tell(line: str) -> None:
    sys.stderr.write(f"[{time.perf_counter() - _BEGAN:4.0f} s] {line}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
