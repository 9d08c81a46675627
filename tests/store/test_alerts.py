"""Alerts at the store: kept once, opened once, counted to the last one."""

from __future__ import annotations

import asyncio

import pytest

from soar.errors import Conflict, NotFound, StoreUnavailable
from soar.model.alert import Alert, KeptAlert
from soar.store import AlertCounts, AlertFilter, Store
from tests.store.given import NOW, alert_of, opening, raw_alert


async def test_a01_the_same_again_is_a_duplicate_with_the_first_ones_id(store: Store) -> None:
    first, again = raw_alert("event-1"), raw_alert("event-1")
    assert await store.alerts.keep([first]) == [KeptAlert(first.id, duplicate=False)]
    await store.alerts.open([opening(first, "contain")])  # its execution has begun

    assert await store.alerts.keep([again]) == [KeptAlert(first.id, duplicate=True)]

    assert await store.alerts.unprocessed() == []
    assert len((await store.executions.page()).items) == 1
    assert (await store.alerts.get(first.id)).duplicates == 1
    assert await store.alerts.counts() == AlertCounts(received=1, matched=1, duplicates=1)
    with pytest.raises(NotFound):
        await store.alerts.get(again.id)


async def test_a02_twenty_at_the_same_instant_are_one(store: Store) -> None:
    same = [raw_alert("event-1") for _ in range(20)]
    kept = await asyncio.gather(*[store.alerts.keep([one]) for one in same])
    answers = [answer for (answer,) in kept]
    assert len({answer.id for answer in answers}) == 1
    assert sorted(answer.duplicate for answer in answers) == [False] + [True] * 19
    assert len(await store.alerts.unprocessed()) == 1


async def test_a02_the_constraint_is_in_the_schema(store: Store) -> None:
    await store.alerts.keep([raw_alert("event-1")])
    with pytest.raises(
        Exception, match=r"UNIQUE constraint failed: alerts\.source, alerts\.dedupe_key|uq_alerts_dedupe"
    ):
        await store._writer.run(
            lambda db: db.execute(
                "INSERT INTO alerts (id, source, dedupe_key, received_at, state, duplicates)"
                " VALUES ('x', 'siem', 'event-1', 1, 'received', 0)"
            )
        )


async def test_a05_keys_that_differ_in_nothing_but_zero_false_and_empty_are_four(store: Store) -> None:
    keys = ['["count",0]', '["count",false]', '["count",""]', '["count"]', "", "0"]
    kept = await store.alerts.keep([raw_alert(key) for key in keys])
    assert [one.duplicate for one in kept] == [False] * 6


async def test_the_same_key_at_another_source_is_another_alert(store: Store) -> None:
    kept = await store.alerts.keep([raw_alert("event-1", source="siem"), raw_alert("event-1", source="edge")])
    assert [one.duplicate for one in kept] == [False, False]


async def test_duplicates_inside_one_delivery(store: Store) -> None:
    one, two, again = raw_alert("a"), raw_alert("b"), raw_alert("a")
    kept = await store.alerts.keep([one, two, again, again])
    assert kept == [
        KeptAlert(one.id, False),
        KeptAlert(two.id, False),
        KeptAlert(one.id, True),
        KeptAlert(one.id, True),
    ]
    assert await store.alerts.counts() == AlertCounts(received=2, duplicates=2)


async def test_the_very_same_raw_alert_kept_twice_is_a_duplicate(store: Store) -> None:
    one = raw_alert("a")
    await store.alerts.keep([one])
    assert await store.alerts.keep([one]) == [KeptAlert(one.id, duplicate=True)]


async def test_an_id_that_is_taken_is_refused_and_hurts_nobody_else(store: Store) -> None:
    one, other = raw_alert("a"), raw_alert("c")
    await store.alerts.keep([one])
    stranger = type(one)(one.id, "siem", "b", NOW, b"{}")
    refused, kept = await asyncio.gather(
        store.alerts.keep([stranger]), store.alerts.keep([other]), return_exceptions=True
    )
    assert isinstance(refused, Conflict)
    assert kept == [KeptAlert(other.id, duplicate=False)]


async def test_bodies_come_back_byte_for_byte_oldest_first(store: Store) -> None:
    late = raw_alert("late", at=NOW + 5, body=b'{"text": "\\u0000 \xc3\xa9"}')
    early = raw_alert("early", at=NOW, body=b"\xff\xfe not even text")
    await store.alerts.keep([late, early])
    assert await store.alerts.unprocessed() == [early, late]
    assert await store.alerts.unprocessed(limit=1) == [early]
    assert await store.alerts.raw(late.id) == late


async def test_s45_an_opening_is_one_unit_and_opening_twice_is_opening_once(store: Store) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    one = opening(raw, "contain", "notify", severity="high", severity_id=4, title="Leak", src_ip="192.0.2.1")

    opened = await store.alerts.open([one, one])
    again = await store.alerts.open([one])

    assert opened == [execution.id for execution in one.executions]
    assert again == []
    stored = await store.alerts.get(raw.id)
    assert (stored.state, stored.alert, stored.catalog_digest) == ("matched", one.alert, "catalog")
    assert await store.alerts.matches(raw.id) == one.matches
    assert [one.id for one in await store.executions.ready(NOW, 10)] == sorted(opened)
    assert await store.alerts.counts() == AlertCounts(received=1, matched=1)
    assert (await store.alerts.raw(raw.id)).state == "processed"


async def test_a_refused_opening_leaves_the_others_standing(store: Store) -> None:
    kept, never = raw_alert("a"), raw_alert("b")
    await store.alerts.keep([kept])
    with pytest.raises(NotFound, match=f"alert {never.id}: it was not kept"):
        await store.alerts.open([opening(never, "contain"), opening(kept, "contain")])
    assert (await store.alerts.get(kept.id)).state == "matched"
    assert await store.alerts.counts() == AlertCounts(received=1, matched=1)


async def test_counts_add_up(store: Store) -> None:
    raws = [raw_alert(str(number)) for number in range(10)]
    await store.alerts.keep(raws)
    await store.alerts.open([opening(raw, "contain") for raw in raws[:3]])
    await store.alerts.open([opening(raw) for raw in raws[3:5]])
    await store.alerts.fail(raws[5].id, "no mapping for it")
    await store.alerts.fail(raws[5].id, "said twice")
    counts = await store.alerts.counts()
    assert counts == AlertCounts(received=10, matched=3, unmatched=2, failed=1)
    assert counts.waiting == 4


async def test_a_dead_letter_says_why_and_keeps_its_body(store: Store) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    await store.alerts.fail(raw.id, "severity: 'seven' is no number")
    stored = await store.alerts.get(raw.id)
    assert (stored.state, stored.error, stored.alert) == ("failed", "severity: 'seven' is no number", None)
    assert (await store.alerts.raw(raw.id)).body == raw.body
    assert await store.alerts.unprocessed() == []
    assert await store.alerts.open([opening(raw, "contain")]) == []


async def test_what_was_processed_is_no_dead_letter(store: Store) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    await store.alerts.open([opening(raw)])
    with pytest.raises(Conflict, match="unmatched"):
        await store.alerts.fail(raw.id, "late")
    with pytest.raises(NotFound):
        await store.alerts.fail("nobody", "x")


async def test_a12_an_alert_without_a_single_optional_field_is_listed_and_shown(store: Store) -> None:
    bare, full = raw_alert("a"), raw_alert("b", at=NOW + 1)
    await store.alerts.keep([bare, full])
    await store.alerts.open([opening(bare), opening(full, title="T", user="ana", rule_id="r1")])
    items = (await store.alerts.page()).items
    assert [(one.id, one.title, one.user) for one in items] == [(full.id, "T", "ana"), (bare.id, None, None)]
    assert (await store.alerts.get(bare.id)).alert == alert_of(bare)


async def test_b01_a_nul_character_neither_hides_nor_breaks_anything(store: Store) -> None:
    raw = raw_alert("a\x00b")
    await store.alerts.keep([raw])
    await store.alerts.open([opening(raw, title="before\x00after", raw={"deep": ["\x00"]})])
    shown = "before␀after" if store.database.shared else "before\x00after"  # its text columns hold no NUL
    assert (await store.alerts.page()).items[0].title == shown
    stored = (await store.alerts.get(raw.id)).alert
    assert stored is not None
    assert stored.raw == {"deep": ["\x00"]}
    assert (await store.alerts.keep([raw_alert("a\x00c")]))[0].duplicate is False
    assert (await store.alerts.keep([raw_alert("a\x00b")]))[0].duplicate is True


async def test_b02_a_lone_surrogate_is_replaced_and_written(store: Store) -> None:
    raw = raw_alert("key \ud800")
    await store.alerts.keep([raw])
    alert = alert_of(raw).model_copy(update={"title": "t \ud800", "raw": {"k": "\udfff!"}})
    one = opening(raw, "contain")
    await store.alerts.open([type(one)(alert, one.matches, one.executions, "c")])
    stored = (await store.alerts.get(raw.id)).alert
    assert stored is not None
    assert (stored.title, stored.raw) == ("t \ufffd", {"k": "\ufffd!"})
    assert (await store.alerts.page()).items[0].title == "t \ufffd"


@pytest.mark.parametrize("number", [9_223_372_036_854_775_807, 1234567890123456789, 10**30, -(10**25)])
async def test_b08_numbers_stay_exact(store: Store, number: int) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    one = opening(raw, raw={"account": number, "none": None})
    await store.alerts.open(
        [type(one)(one.alert, [type(one.matches[0])("p", "d", "unmatched", {"n": number})], [], "c")]
    )
    stored = (await store.alerts.get(raw.id)).alert
    assert stored is not None
    assert stored.raw == {"account": number, "none": None}
    assert (await store.alerts.matches(raw.id))[0].trace == {"n": number}


async def test_every_field_of_an_alert_comes_back(store: Store) -> None:
    raw = raw_alert("a")
    await store.alerts.keep([raw])
    fields = {
        "tags": ["x"],
        "attacks": ["T1528"],
        "severity": "fatal",
        "severity_id": 6,
        "risk_score": 0,
        "confidence": 99.5,
        "title": "",
        "observables": [{"type": "ip", "value": "192.0.2.1"}],
        "raw": {"nested": [{"null": None, "zero": 0, "false": False, "empty": ""}]},
    }
    one = opening(raw, **fields)
    await store.alerts.open([one])
    stored = (await store.alerts.get(raw.id)).alert
    assert isinstance(stored, Alert)
    assert stored.model_dump() == one.alert.model_dump()


async def test_the_catalog_an_alert_was_weighed_against(store: Store) -> None:
    raw = raw_alert("a")
    await store.playbooks.keep([("contain", "d1", "contain.yaml", "text"), ("other", "d2", "o.yaml", "t")], "catalog")
    await store.alerts.keep([raw])
    assert await store.alerts.catalog(raw.id) == []
    await store.alerts.open([opening(raw)])
    assert await store.alerts.catalog(raw.id) == [("contain", "d1"), ("other", "d2")]


async def test_filters(store: Store) -> None:
    raws = [raw_alert(str(n), source="siem" if n % 2 else "edge", at=NOW + n) for n in range(6)]
    await store.alerts.keep(raws)
    await store.alerts.open([opening(raw, "contain", severity="high", severity_id=4) for raw in raws[:2]])
    await store.alerts.fail(raws[2].id, "bad")

    async def found(**fields: object) -> list[int]:
        page = await store.alerts.page(AlertFilter(**fields))  # type: ignore[arg-type]
        return [one.received_at - NOW for one in page.items]

    assert await found() == [5, 4, 3, 2, 1, 0]
    assert await found(source="edge") == [4, 2, 0]
    assert await found(status="received") == [5, 4, 3]
    assert await found(status="failed") == [2]
    assert await found(severity="high", source="siem") == [1]
    assert await found(severity="high", status="matched") == [1, 0]
    assert await found(since=NOW + 2, until=NOW + 4) == [3, 2]


async def test_nothing_is_kept_after_the_end(url: str) -> None:
    store = await Store.open(url)
    await store.close()
    with pytest.raises(StoreUnavailable, match="closed"):
        await store.alerts.keep([raw_alert("a")])


async def test_what_was_handed_over_before_the_end_is_written(url: str) -> None:
    store = await Store.open(url)
    pending = [asyncio.ensure_future(store.alerts.keep([raw_alert(str(number))])) for number in range(300)]
    await asyncio.sleep(0)
    await store.close()
    await asyncio.gather(*pending)
    again = await Store.open(url)
    assert (await again.alerts.counts()).received == 300
    await again.close()
