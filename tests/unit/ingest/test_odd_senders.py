"""Bodies no document of a sender promises, as senders send them all the same."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from soar.errors import DeliveryMalformed, NormalizeFailed
from soar.ingest.severity import SeverityMap
from soar.ingest.values import address, attacks, host, instant, score, text
from soar.model.alert import ALERT_FIELDS, OURS
from tests.unit.ingest.reading import elements, read, source_of


@pytest.mark.parametrize("kind", ["generic", "splunk", "elastic", "alertmanager"])
def test_a12_null_everywhere_leaves_every_field_empty(kind: str) -> None:
    fields: dict[str, Any] = dict.fromkeys(ALERT_FIELDS - OURS)
    body = {
        "generic": fields,
        "splunk": {"result": None, "sid": None, "search_name": None},
        "elastic": {"_source": None},
    }
    body["alertmanager"] = {"alerts": [{"status": None, "labels": None, "annotations": None, "fingerprint": None}]}
    [alert] = read(source_of(kind), body[kind])
    assert alert.severity == "unknown"
    assert {name for name in ALERT_FIELDS - OURS if getattr(alert, name)} == {"severity"}


def test_elastic_documents_stand_alone_in_lists_and_in_answers_to_searches() -> None:
    one = {"kibana.alert.rule.name": "R", "source": {"ip": ["198.51.100.1"]}}
    other = {"kibana": {"alert": {"rule": {"name": "R"}}}, "source.ip": "::ffff:198.51.100.1"}
    bodies: list[Any] = [
        one,
        {"_id": "1", "_source": other},
        [one, other],
        {"alerts": [one, other]},
        {"context": {"alerts": [one, other]}},
        {"hits": {"total": 2, "hits": [{"_id": "1", "_source": one}, {"_id": "2", "_source": other}]}},
    ]
    counts = []
    for body in bodies:
        alerts = read(source_of("elastic"), body)
        counts.append(len(alerts))
        assert {(alert.rule_name, alert.src_ip) for alert in alerts} == {("R", "198.51.100.1")}
    assert counts == [1, 1, 2, 2, 2, 2]


def test_an_elastic_body_whose_list_is_empty_is_an_alert_itself() -> None:
    [alert] = read(source_of("elastic"), {"rule": {"name": "R"}, "context": {"alerts": []}})
    assert alert.rule_name == "R"


@pytest.mark.parametrize("body", [{}, {"alerts": None}, {"alerts": {"a": 1}}, {"status": "firing"}])
def test_an_alertmanager_body_without_its_list_is_refused(body: Any) -> None:
    with pytest.raises(DeliveryMalformed, match="must have a list 'alerts'"):
        elements(source_of("alertmanager"), body)


def test_a_delivery_of_no_alerts_has_none() -> None:
    assert elements(source_of("generic"), []) == []
    assert elements(source_of("alertmanager"), {"alerts": []}) == []


@pytest.mark.parametrize("body", [b"null", b'"text"', b"5", b"true"])
def test_a_body_that_is_no_object_and_no_list_is_refused(body: bytes) -> None:
    with pytest.raises(DeliveryMalformed, match="must be a JSON object, or a list of them"):
        elements(source_of("generic"), body)


@pytest.mark.parametrize("item", [[{"id": "1"}], 1, "a", None])
def test_an_element_that_is_no_object_cannot_be_read_and_does_not_lose_the_others(item: Any) -> None:
    source = source_of("generic")
    assert len(elements(source, [item, {"id": "2"}])) == 2
    with pytest.raises(NormalizeFailed, match="not an object"):
        read(source, [item])


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        ("HIGH", "high"),
        (" High ", "high"),
        ("crItical", "critical"),
        (["medium", "low"], "medium"),
        (4, "high"),
        (4.0, "high"),
        ("4", "high"),
        ("4.0", "high"),
        (0, "unknown"),
        (7, "unknown"),
        (-1, "unknown"),
        (10**40, "unknown"),
        (True, "unknown"),
        ({"name": "high"}, "unknown"),
        ("sehr hoch", "unknown"),
        ("", "unknown"),
    ],
)
def test_a_severity_in_whatever_form(said: Any, severity: str) -> None:
    body = orjson.dumps({"severity": said}) if said != 10**40 else b'{"severity": 1' + b"0" * 40 + b"}"
    [alert] = read(source_of("generic"), body)
    assert alert.severity == severity


@pytest.mark.parametrize(("number", "severity"), [(0, "unknown"), (3, "medium"), ("5", "critical"), (99, "unknown")])
def test_the_number_counts_where_no_word_is_known(number: Any, severity: str) -> None:
    [alert] = read(source_of("generic"), {"severity": "P-something", "severity_id": number})
    assert (alert.severity, alert.raw["severity"]) == (severity, "P-something")


def test_words_come_before_bands_and_bands_before_lowest_values() -> None:
    severities = SeverityMap({"7": "low", "7-9": "high", ">=8": "fatal", ">=1": 1, "Urgent": "CRITICAL"})
    said = [7, 7.5, 9, 10, 3, 0.5, "urgent", "high"]
    words = ["low", "high", "high", "fatal", "informational", "unknown", "critical", "high"]
    assert [severities.read(one) for one in said] == words


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        ("203.0.113.5", "203.0.113.5"),
        (" 203.0.113.5 ", "203.0.113.5"),
        (["-", "unknown", "203.0.113.5"], "203.0.113.5"),
        ("2001:DB8:0:0::1", "2001:db8::1"),
        ("[2001:db8::1]", "2001:db8::1"),
        ("::ffff:203.0.113.5", "203.0.113.5"),
        ("203.0.113.005", None),
        ("203.0.113.5/32", None),
        ("api.example.com", None),
        (3405803781, None),
        ({"ip": "203.0.113.5"}, None),
        (None, None),
        ("", None),
    ],
)
def test_an_address_has_one_spelling_or_is_none(written: Any, read_as: str | None) -> None:
    assert address(written) == read_as


@pytest.mark.parametrize(
    ("written", "read_as"),
    [
        (1772334765, "2026-03-01T03:12:45.000Z"),
        ("1772334765", "2026-03-01T03:12:45.000Z"),
        ("1772334765.001000000", "2026-03-01T03:12:45.001Z"),
        (1772334765.029, "2026-03-01T03:12:45.029Z"),
        (1772334765123, "2026-03-01T03:12:45.123Z"),
        (1772334765123456, "2026-03-01T03:12:45.123Z"),
        (1772334765123456789, "2026-03-01T03:12:45.123Z"),
        ("2026-03-01T03:12:45.1234567Z", "2026-03-01T03:12:45.123Z"),
        ("2026-03-01T04:12:45+0100", "2026-03-01T03:12:45.000Z"),
        ("2026-03-01 03:12:45", "2026-03-01T03:12:45.000Z"),
        ("2026-03-01", "2026-03-01T00:00:00.000Z"),
        ("2026-12-31T23:59:60Z", "2026-12-31T23:59:59.000Z"),
        ("0001-01-01T00:00:00Z", None),
        ("2026-13-01", None),
        ("2026-02-30T00:00:00Z", None),
        ("2026-03-01T03:12:45+99:99", None),
        (0, None),
        (-5, None),
        (True, None),
        (10**30, None),
        ("yesterday", None),
        ({}, None),
    ],
)
def test_a_time_in_whatever_form(written: Any, read_as: str | None) -> None:
    assert instant(written) == read_as


def test_milliseconds_of_a_float_are_not_lost() -> None:
    for milliseconds in range(1_772_334_765_000, 1_772_334_766_000):
        assert instant(milliseconds / 1000) == instant(milliseconds)


@pytest.mark.parametrize(
    ("written", "read_as"),
    [("1767226364.1048576", "1767226364.1048576"), (0, "0"), (False, "false"), ("0012", "0012"), (1e5, "100000.0")],
)
def test_ids_stay_as_they_were_written(written: Any, read_as: str) -> None:
    assert text(written) == read_as


def test_scores_hosts_and_techniques() -> None:
    assert [score(one) for one in (71, "71.5", 250, -1, "high", True, None)] == [71, 71.5, 100, None, None, None, None]
    assert [host(one) for one in ("h:9100", "[2001:db8::1]:80", "2001:db8::1", "h")] == [
        "h",
        "2001:db8::1",
        "2001:db8::1",
        "h",
    ]
    assert attacks(["attack.t1528", "T1110.001", "t1528", "persistence"]) == ["T1528", "T1110.001"]


def test_a_30_digit_account_number_stays_exact() -> None:
    [alert] = read(source_of("generic"), b'{"account_id": 123456789012345678901234567890}')
    assert alert.account_id == "123456789012345678901234567890"
    assert alert.raw["account_id"] == 123456789012345678901234567890
