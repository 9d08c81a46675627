"""A list page of a million executions, over HTTP, as the console and a program ask for it."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import aiohttp
import orjson

from bench.footprint import NOWHERE
from bench.load import percentile
from bench.servers import Ours, prepare, soar_command
from soar.model.execution import Execution, ExecutionState
from soar.store import Store

BATCH = 10_000
PAGE = 50
ASKED = 60
"""Times each page is asked for."""

QUESTIONS = {
    "newest": "",
    "failed ones": "&status=failed",
    "one playbook": "&playbook=playbook-7",
    "one playbook, failed": "&playbook=playbook-7&status=failed",
    "critical": "&severity=critical",
}


@dataclass(frozen=True, slots=True)
class PageTimes:
    """Milliseconds at the client."""

    question: str
    p50: float
    p99: float


async def measure(tell: Callable[[str], None], count: int = 1_000_000) -> list[PageTimes]:
    with TemporaryDirectory(prefix="bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        port = prepare(folder, NOWHERE)
        await _fill(folder, count, tell)
        token = create_token(folder)
        running = Ours().serve(port, folder)
        try:
            headers = {"Authorization": f"Bearer {token}"}
            async with aiohttp.ClientSession(running.base, headers=headers) as session:
                times = [await _ask(session, question, query) for question, query in QUESTIONS.items()]
                times.append(await _walk(session))
        finally:
            running.end()
    for page in times:
        tell(f"page of {count:,}, {page.question}: p50 {page.p50:.1f} ms p99 {page.p99:.1f} ms")
    return times


def create_token(folder: Path) -> str:
    """A reader's token for the server of this folder, made as an operator makes it."""
    argv = [soar_command(), "token", "create", "--role", "viewer", "--name", "bench", "--json"]
    argv += ["--config", str(folder / "soar.yaml")]
    done = subprocess.run(argv, cwd=folder, check=True, capture_output=True, text=True, timeout=60)
    token: str = orjson.loads(done.stdout)["token"]
    return token


async def _fill(folder: Path, count: int, tell: Callable[[str], None]) -> None:
    began = time.perf_counter()
    store = await Store.open(f"sqlite:///{folder / 'soar.db'}")
    try:
        for start in range(0, count, BATCH):
            await store.executions.open_many(list(_executions(start, min(start + BATCH, count))))
            if start % 250_000 == 0:
                tell(f"{start:,} of {count:,} executions filled in")
    finally:
        await store.close()
    tell(f"{count:,} executions filled in, {time.perf_counter() - began:.0f} s")


def _executions(start: int, end: int) -> Iterator[Execution]:
    opened = time.time_ns() // 1_000_000 - 90 * 86_400_000
    for number in range(start, end):
        state: ExecutionState = "failed" if number % 97 == 0 else "succeeded"
        at = opened + number * 7
        yield Execution(
            id=f"{number * 2_654_435_761 % 2**64:026x}",  # spread like real ids, which are hashes
            kind="run",
            playbook_id=f"playbook-{number % 50}",
            playbook_digest=f"{number % 50:064x}",
            state=state,
            epoch=1,
            opened_at=at,
            deadline_at=at + 604_800_000,
            alert_id=f"{number:026}",
            severity_id=number % 7,
            actor="source:bench",
            started_at=at + 3,
            finished_at=at + 40,
            error={"step": "third", "kind": "refused", "message": "answered 404"} if state == "failed" else None,
        )


async def _page(session: aiohttp.ClientSession, query: str) -> tuple[float, dict[str, Any]]:
    began = time.perf_counter()
    async with session.get(f"/api/v1/executions?limit={PAGE}{query}") as reply:
        body = await reply.read()
    took = time.perf_counter() - began
    if reply.status != 200:
        raise RuntimeError(f"/api/v1/executions?limit={PAGE}{query} answered {reply.status}: {body[:300]!r}")
    page: dict[str, Any] = orjson.loads(body)
    if not page["items"]:
        raise RuntimeError(f"a page of {PAGE} was asked for ({query}), and an empty one came")
    return took, page


async def _ask(session: aiohttp.ClientSession, question: str, query: str) -> PageTimes:
    return _times(question, [(await _page(session, query))[0] for _ in range(ASKED)])


async def _walk(session: aiohttp.ClientSession) -> PageTimes:
    """Page after page from the newest."""
    took, cursor = [], ""
    for _ in range(ASKED):
        seconds, page = await _page(session, cursor)
        took.append(seconds)
        cursor = f"&cursor={page['next_cursor']}"
    return _times("page after page", took)


def _times(question: str, took: list[float]) -> PageTimes:
    return PageTimes(question, percentile(took, 0.50) * 1000, percentile(took, 0.99) * 1000)
