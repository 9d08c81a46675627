"""The inbox beside ten thousand open requests: each page looks at as much as it shows, or at a bounded part."""

from __future__ import annotations

import html
import re
import sqlite3
import time
from collections.abc import Iterator
from dataclasses import replace

import httpx
import pytest

from soar.clock import SystemClock
from soar.ids import derived_id
from soar.model.approval import Approval, Approvers, Stage
from soar.store.approvals import insert_approvals
from tests.web.pages.browsing import PEOPLE, PLAYBOOKS
from tests.web.pages.conftest import with_tokens
from tests.web.serving import Served, served

MANY = 10_000
PATIENCE = 2.0
"""Seconds: far more than a page takes, far less than one that reads them all for each request it shows."""


def for_ana(number: int) -> bool:
    """None of the newest thousand, then fifteen hundred, and so on."""
    return number // 1_500 % 2 == 1


def request(number: int, now: int) -> Approval:
    """One for the leads, or for ana's role."""
    return Approval(
        id=derived_id("many", number),
        execution_id=derived_id("execution", number),
        path="block",
        round=1,
        state="asked",
        message=f"Block number {number}?",
        shown=({"path": "block", "action": "door.block_ip", "values": {"ip": "203.0.113.1", "note": "x" * 500}},),
        digest="d" * 64,
        approvers=Approvers(roles=("analyst",)) if for_ana(number) else Approvers(groups=("leads",)),
        requester="source:siem",
        asked_at=now - MANY + number,
        stages=(Stage((), 86_400.0),),
        playbook_id="guarded",
        due_at=now + 86_400_000,
    )


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("many"), more=PEOPLE, playbooks=PLAYBOOKS) as one:
        with_tokens(one)
        now = SystemClock().now()
        made = [request(number, now) for number in range(MANY)]
        settled = [
            replace(request(-1 - n, now), state="denied", due_at=None, settled_at=now - n, settled_by="person:ben")
            for n in range(30)
        ]

        def fill(db: sqlite3.Connection) -> None:
            insert_approvals(db, made + settled)
            db.execute("UPDATE approvals SET told = 1")  # no channel is to be told of them

        async def filled() -> None:
            await one.runtime.store._writer.run(fill)

        one.run(filled())
        yield one


def numbers(page: httpx.Response) -> list[int]:
    return [int(found) for found in re.findall(r"Block number (-?\d+)\?", page.text)]


def turned(client: httpx.Client, path: str, pages: int) -> tuple[list[list[int]], float]:
    """What stands on each page, and how long the slowest took."""
    seen, slowest, next_path = [], 0.0, path
    for _ in range(pages):
        started = time.perf_counter()
        page = client.get(next_path)
        slowest = max(slowest, time.perf_counter() - started)
        assert page.status_code == 200
        seen.append(numbers(page))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        if older is None:
            break
        next_path = html.unescape(older[1])
    return seen, slowest


def test_pages_of_ten_thousand_come_at_once_newest_first(ben: httpx.Client) -> None:
    for path, first in (("/approvals?view=waiting", MANY - 1), ("/approvals?view=decided", -1)):
        pages, slowest = turned(ben, path, 2)
        assert pages[0] == list(range(first, first - 25, -1)), path
        assert pages[1][0] == first - 25
        assert slowest < PATIENCE
    pages, slowest = turned(ben, "/approvals", 10)
    shown = [number for page in pages for number in page]
    assert shown == sorted(set(shown), reverse=True), "none twice"
    assert all(25 <= len(page) < 75 for page in pages), "pages stay pages"
    assert slowest < PATIENCE


def test_a_page_looks_through_a_bounded_part_for_what_is_mine(server: Served, ben: httpx.Client) -> None:
    with httpx.Client(base_url=server.base) as ana:
        ana.post("/sign-in", data={"token": "token-of-ana"})
        pages, slowest = turned(ana, "/approvals", 1_000)
    shown = [number for page in pages for number in page]
    assert shown == [number for number in range(MANY - 1, -1, -1) if for_ana(number)], "all, none twice"
    assert pages[0] == [], "it stops looking, and leads on"
    assert slowest < PATIENCE
