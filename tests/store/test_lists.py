"""Lists: stable while rows arrive, and answered from an index whatever is asked."""

from __future__ import annotations

import base64
import itertools
from typing import Any

import pytest

from soar.errors import CursorInvalid
from soar.store import AlertFilter, ContainmentFilter, ExecutionFilter, Store, alerts, containments, executions
from soar.store.pages import LIMIT, Listing
from tests.store.given import NOW, execution, raw_alert


async def test_pages_are_stable_while_rows_arrive(store: Store) -> None:
    old = [execution(opened_at=NOW + number // 3) for number in range(50)]  # many of one instant
    await store.executions.open_many(old)
    seen: list[str] = []
    cursor = None
    for turn in itertools.count():
        page = await store.executions.page(cursor=cursor, limit=7)
        seen += [one.id for one in page.items]
        await store.executions.open_many([execution(opened_at=NOW + 99 + turn) for _ in range(5)])
        cursor = page.next_cursor
        if cursor is None:
            break
    assert seen == [one.id for one in reversed(old)]


async def test_a_full_last_page_has_no_next(store: Store) -> None:
    await store.executions.open_many([execution() for _ in range(4)])
    first = await store.executions.page(limit=2)
    last = await store.executions.page(cursor=first.next_cursor, limit=2)
    assert (len(first.items), len(last.items), last.next_cursor) == (2, 2, None)
    assert (await store.executions.page(ExecutionFilter(playbook="nobody"))).items == []


async def test_no_page_is_longer_than_the_limit(store: Store) -> None:
    await store.executions.open_many([execution() for _ in range(LIMIT + 1)])
    assert len((await store.executions.page(limit=10**9)).items) == LIMIT
    assert len((await store.executions.page(limit=-1)).items) == 1


@pytest.mark.parametrize(
    "cursor",
    ["", "x", "null", "W10", "%00", "é", "..", "WzFd", "W251bGwsbnVsbF0", "WyJhIiwxXQ", "WzEuNSwxXQ", "W3RydWUsMV0"],
)
async def test_a_cursor_that_is_none(store: Store, cursor: str) -> None:
    with pytest.raises(CursorInvalid, match="use next_cursor of the page before"):
        await store.executions.page(cursor=cursor)


async def test_a_cursor_beyond_any_row(store: Store) -> None:
    huge = base64.urlsafe_b64encode(b"[99999999999999999999999, 1]").decode()
    with pytest.raises(CursorInvalid):
        await store.alerts.page(cursor=huge)


async def test_filters_of_executions(store: Store) -> None:
    await store.executions.open_many(
        [
            execution(opened_at=NOW + 0, playbook_id="a", state="failed", severity_id=4, alert_id="x"),
            execution(opened_at=NOW + 1, playbook_id="a", state="succeeded", severity_id=2, alert_id="y"),
            execution(opened_at=NOW + 2, playbook_id="b", state="failed", severity_id=2, alert_id="x"),
            execution(opened_at=NOW + 3, playbook_id="lift", state="failed", kind="lift"),
        ]
    )

    async def found(**fields: Any) -> list[int]:
        return [one.opened_at - NOW for one in (await store.executions.page(ExecutionFilter(**fields))).items]

    assert await found() == [3, 2, 1, 0]
    assert await found(status="failed") == [3, 2, 0]
    assert await found(playbook="a") == [1, 0]
    assert await found(playbook="a", status="failed") == [0]
    assert await found(severity="low") == [2, 1]
    assert await found(severity="low", status="failed", playbook="b") == [2]
    assert await found(alert="x") == [2, 0]
    assert await found(alert="x", status="failed", since=NOW + 1) == [2]
    assert await found(kind="lift") == [3]
    assert await found(kind="lift", status="failed") == [3]
    assert await found(kind="run", status="failed") == [2, 0]
    assert await found(since=NOW + 1, until=NOW + 3) == [2, 1]


# A million rows must be answered like ten: no sort, no walk over the table, and never an index that
# all rows share when a rarer one is asked for. The plan does not depend on the number of rows.

INDEXES = {
    (): "ix_executions_opened_at",
    ("status",): "ix_executions_state",
    ("playbook",): "ix_executions_playbook",
    ("severity",): "ix_executions_severity",
    ("alert",): "ix_executions_alert",
    ("kind",): "ix_executions_lifts",
    ("playbook", "status"): "ix_executions_playbook_state",
    ("severity", "status"): "ix_executions_severity_state",
    ("playbook", "severity"): "ix_executions_playbook",
    ("status", "kind"): "ix_executions_lifts",
    ("playbook", "kind"): "ix_executions_playbook",
    ("playbook", "severity", "status"): "ix_executions_playbook_state",
    ("alert", "status"): "ix_executions_alert",
    ("alert", "playbook", "severity", "status", "kind"): "ix_executions_alert",
}
VALUES = {"status": "succeeded", "playbook": "p", "severity": "high", "alert": "a", "kind": "lift"}


async def plan(store: Store, sql: str, values: Any = ()) -> str:
    rows = await store._reader.run(lambda db: db.execute(f"EXPLAIN QUERY PLAN {sql}", values).fetchall())
    return "; ".join(row[3] for row in rows)


async def pages(store: Store, listing: Listing) -> list[str]:
    """The plans of the first page and of a later one."""
    later = base64.urlsafe_b64encode(b"[1, 1]").decode()
    return [await plan(store, *listing.sql(cursor, 50)) for cursor in (None, later)]


@pytest.mark.parametrize("between", [{}, {"since": 1}, {"since": 1, "until": 2}])
@pytest.mark.parametrize("names", INDEXES, ids="+".join)
async def test_lists_of_executions_use_the_rarest_index(sqlite_store: Store, names: Any, between: Any) -> None:
    listing = executions.listed(ExecutionFilter(**{name: VALUES[name] for name in names}, **between))
    for found in await pages(sqlite_store, listing):
        assert f"USING INDEX {INDEXES[names]} (" in f"{found} (", found
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (AlertFilter(), "ix_alerts_received_at"),
        (AlertFilter(status="failed"), "ix_alerts_state"),
        (AlertFilter(source="siem"), "ix_alerts_source"),
        (AlertFilter(severity="high"), "ix_alerts_severity"),
        (AlertFilter(severity="high", status="matched", source="siem", since=1, until=2), "ix_alerts_severity"),
        (AlertFilter(status="received", source="siem"), "ix_alerts_state"),
    ],
)
async def test_lists_of_alerts_use_an_index(sqlite_store: Store, filters: AlertFilter, index: str) -> None:
    for found in await pages(sqlite_store, alerts.listed(filters)):
        assert f"USING INDEX {index} (" in f"{found} (", found
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("filters", "index"),
    [
        (ContainmentFilter(), "ix_containments_started_at"),
        (ContainmentFilter(status="held"), "ix_containments_state"),
        (ContainmentFilter(current=True), "ix_containments_current"),
        (ContainmentFilter(connection="g", current=True), "ix_containments_current"),
        (ContainmentFilter(connection="g"), "ix_containments_connection"),
        (ContainmentFilter(current=False), "ix_containments_started_at"),
    ],
)
async def test_lists_of_containments_use_an_index(sqlite_store: Store, filters: ContainmentFilter, index: str) -> None:
    for found in await pages(sqlite_store, containments.listed(filters)):
        assert f"USING INDEX {index} (" in f"{found} (", found
        assert "TEMP B-TREE" not in found


@pytest.mark.parametrize(
    ("sql", "index"),
    [
        (executions._READY[0].replace("?", "1"), "ix_executions_ready"),
        (executions._READY[1].replace("?", "1"), "ix_executions_due"),
        (executions._READY[2].replace("?", "1"), "ix_signals_unread"),
        ("SELECT min(due_at) FROM executions WHERE state = 'parked'", "ix_executions_due"),
        ("SELECT * FROM executions WHERE state = 'running' ORDER BY opened_at, seq", "ix_executions_state"),
        (containments._EXPIRED.replace("?", "1"), "ix_holds_expiry"),
        (f"{alerts._RAW} WHERE a.state = 'received'{alerts._OLDEST}".replace("?", "1"), "ix_alerts_state"),
        ("SELECT 1 FROM facts WHERE execution_seq = 1 ORDER BY seq", "uq_facts|sqlite_autoindex_facts_1"),
    ],
)
async def test_what_the_engine_asks_all_day_uses_an_index(sqlite_store: Store, sql: str, index: str) -> None:
    found = await plan(sqlite_store, sql)
    assert any(f"INDEX {name}" in found for name in index.split("|")), found
    assert "TEMP B-TREE" not in found or "facts" in index, found


async def test_the_age_of_rows_is_theirs_not_that_of_their_writing(store: Store) -> None:
    late, early = raw_alert("late", at=NOW + 9), raw_alert("early", at=NOW)
    await store.alerts.keep([late])
    await store.alerts.keep([early])
    assert [one.id for one in (await store.alerts.page()).items] == [late.id, early.id]
