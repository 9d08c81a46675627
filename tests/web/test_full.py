"""A11: a database that takes no more rows. What is answered with 2xx is on disk, and health tells the rest."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from tests.web.serving import Served


async def _let_grow(server: Served, pages: int) -> None:
    writer = server.runtime.store._writer
    now = await writer.outside(lambda db: db.execute("PRAGMA page_count").fetchone()[0])
    await writer.outside(lambda db: db.execute(f"PRAGMA max_page_count = {now + pages}").fetchone())


@contextmanager
def full(server: Served, pages: int = 0) -> Iterator[None]:
    """As a disk with so many free pages; then there is room again."""
    server.run(_let_grow(server, pages))
    try:
        yield
    finally:
        server.run(_let_grow(server, 100_000))


def body(number: int) -> dict[str, Any]:
    return {"id": f"a11-{number}", "rule_name": "Nobody waits for this", "pad": "x" * 8000}


def test_a11_a_2xx_is_on_disk_and_everything_else_is_a_503(server: Served) -> None:
    before = server.run(server.runtime.store.alerts.counts()).received
    kept, refused = [], []
    with full(server, 60):
        for number in range(60):
            answer = server.post("edge", body(number))
            if answer.status_code == 202:
                kept.append(answer.json()["alerts"][0]["id"])
                continue
            assert answer.status_code == 503
            assert answer.json()["type"] == "urn:soar:problem:not-stored"
            assert "nothing was written" in answer.json()["detail"]
            assert int(answer.headers["retry-after"]) > 0
            refused.append(number)
        assert kept
        assert refused
        assert server.run(server.runtime.store.alerts.counts()).received == before + len(kept)
    for alert in kept:
        assert server.processed(alert)["state"] == "unmatched"
    for number in refused:  # the sender tries again, and it is no duplicate of what was never there
        assert server.deliver(body(number))[0]["duplicate"] is False


def test_a11_health_turns_red_and_green_again(server: Served) -> None:
    assert server.http.get("/readyz").status_code == 200
    with full(server):
        answer = server.http.get("/readyz")
        assert answer.status_code == 503
        assert answer.headers["content-type"] == "application/problem+json"
        assert "store: " in answer.json()["detail"]
        assert "full" in answer.json()["detail"]
        assert server.http.get("/healthz").status_code == 200  # a restart would not help
        assert server.get("/alerts", limit=1)  # reading goes on
        assert server.ask("GET", "/metrics").status_code == 200
    assert server.http.get("/readyz").status_code == 200


def test_a11_nothing_is_begun_by_hand_that_cannot_be_kept(server: Served) -> None:
    with full(server):
        answer = server.ask("POST", "/playbooks/note/executions", json={"alert": {"pad": "x" * 12_000}})
        assert answer.status_code == 503
        assert answer.json()["type"] == "urn:soar:problem:not-stored"
    assert server.all("/executions", playbook="note") == []


def test_a11_a_batch_is_kept_whole_or_not_at_all(server: Served) -> None:
    before = server.run(server.runtime.store.alerts.counts()).received
    with full(server, 4):
        assert server.post("edge", [body(100 + number) for number in range(10)]).status_code == 503
    assert server.run(server.runtime.store.alerts.counts()).received == before


def test_a11_the_log_says_why_and_no_person_sees_a_trace(server: Served) -> None:
    assert "database or disk is full; nothing was written" in server.logged()
    assert "Traceback" not in server.logged()
