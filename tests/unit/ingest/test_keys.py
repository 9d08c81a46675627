"""What makes two alerts the same one."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.ingest.reading import keys, read, sample, source_of

ROW = {"sid": "scheduler__1", "search_name": "Failed sign-ins", "result": {"src": "203.0.113.1", "result": "failure"}}


def different(kind: str, *bodies: Any, **entry: Any) -> bool:
    found = keys(source_of(kind, **entry), *bodies)
    return len(set(found)) == len(found)


def test_a04_two_alerts_of_one_rule_and_host_are_two() -> None:
    one = {"rule_name": "R", "host": "h", "src_ip": "203.0.113.1", "occurred_at": "2026-01-01T00:00:00Z"}
    other = one | {"src_ip": "203.0.113.2", "occurred_at": "2026-01-01T00:01:00Z"}
    assert different("generic", one, other)
    assert different("generic", one, one | {"occurred_at": "2026-01-01T00:01:00Z"})


def test_a04_the_sender_s_own_id_decides_where_there_is_one() -> None:
    assert not different("generic", {"id": "7", "count": 1}, {"id": "7", "count": 2})
    assert different("generic", {"id": "7", "count": 1}, {"id": "8", "count": 1})


def test_a04_the_order_of_keys_does_not() -> None:
    assert not different("generic", b'{"a": 1, "b": {"c": 2, "d": 3}}', b'{"b": {"d": 3, "c": 2}, "a": 1}')


def test_a05_zero_false_empty_null_and_missing_are_five_values() -> None:
    bodies = [{"id": "1", **more} for more in ({"count": 0}, {"count": False}, {"count": ""}, {"count": None}, {})]
    assert different("generic", *bodies, dedupe=["count"])


def test_a05_two_fields_of_which_one_is_falsy() -> None:
    bodies = [{"count": 0, "blocked": False}, {"count": 1, "blocked": False}, {"count": 1, "blocked": True}]
    assert different("generic", *bodies, dedupe=["count", "blocked"])
    assert not different("generic", bodies[0], bodies[0] | {"other": 1}, dedupe=["count", "blocked"])


def test_rows_of_one_splunk_search_are_two_alerts_though_a_column_is_named_result() -> None:
    other = ROW | {"result": {"src": "203.0.113.2", "result": "failure"}}
    assert different("splunk", ROW, other)
    assert not different("splunk", ROW, json.loads(json.dumps(ROW)))


def test_a_notable_is_known_by_its_event_id_wherever_it_stands() -> None:
    notable = json.loads(sample("splunk", "splunk_es_notable.json"))
    assert not different("splunk", notable, notable | {"status_label": "In Progress"})
    assert not different("splunk", {"sid": "1", "result": notable}, {"sid": "2", "result": notable})


def test_alertmanager_repeats_are_one_alert_and_a_new_start_or_end_is_another() -> None:
    body = json.loads(sample("alertmanager", "alertmanager_webhook_v4.json"))
    alerts = body["alerts"]
    repeated = keys(source_of("alertmanager"), body, body | {"notification_reason": "repeat"})
    assert len(set(repeated)) == 3
    later = alerts[0] | {"startsAt": "2026-01-02T00:00:00Z"}
    ended = alerts[0] | {"status": "resolved"}
    assert different("alertmanager", {"alerts": [alerts[0], later, ended]})


def test_elastic_alerts_are_known_by_their_uuid_in_either_spelling() -> None:
    dotted = {"kibana.alert.uuid": "u-1", "message": "a"}
    nested = {"kibana": {"alert": {"uuid": "u-1"}}, "message": "b"}
    assert not different("elastic", dotted, nested)


@pytest.mark.parametrize("value", [True, "2", 0, -1, None])
def test_a16_a_number_cut_off_that_is_none_is_not_told(value: Any) -> None:
    [alert] = read(source_of("alertmanager"), {"alerts": [{"status": "firing"}], "truncatedAlerts": value})
    assert alert.tags == []
