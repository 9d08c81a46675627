"""A process that hands out of a queue; what it is told comes by its input, what it has to say is lines of JSON."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import structlog

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from soar.queue import queue_of

structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))


def say(*words: object) -> None:
    print(json.dumps(words), flush=True)


async def main(kind: str, url: str, zone: str) -> None:
    queue = queue_of(kind)
    returned = asyncio.Event()

    async def take_up(execution: str, job_id: int) -> None:
        say("took", execution, job_id)
        await asyncio.to_thread(sys.stdin.readline)
        returned.set()

    running = asyncio.create_task(queue.run(url, [zone], take_up, 4))
    await returned.wait()
    await queue.stop(5)
    await running
    say("stopped")


asyncio.run(main(*json.loads(sys.argv[1])))
