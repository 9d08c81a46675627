"""`python -m tests.simulation --seeds N [--first S]`: so many weeks, on all processors; exit 1 when one breaks."""

from __future__ import annotations

import argparse
import logging
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor

import structlog

from tests.simulation.seeds import Tally, simulate

parser = argparse.ArgumentParser(prog="python -m tests.simulation", description="Simulated weeks of the engine.")
parser.add_argument("--seeds", type=int, default=100, help="how many")
parser.add_argument("--first", type=int, default=0, help="the first seed")


def _quiet() -> None:
    """Refused writes of frozen engines are counted, not told one by one."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))


def main() -> int:
    """Simulate, and print what came of it."""
    asked = parser.parse_args()
    whole, started = Tally(), time.monotonic()
    with ProcessPoolExecutor(os.cpu_count(), initializer=_quiet) as processes:
        for tally in processes.map(simulate, range(asked.first, asked.first + asked.seeds)):
            whole.add(tally)
            if tally.broken:
                print(tally.broken[0], flush=True)
            if whole.seeds % 100 == 0:
                print(f"{whole.seeds} of {asked.seeds}, {time.monotonic() - started:.0f} s", flush=True)
    print(f"seeds {asked.first} to {asked.first + asked.seeds - 1}\n{whole}")
    return 1 if whole.broken else 0


if __name__ == "__main__":
    sys.exit(main())
