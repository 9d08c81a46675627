"""What every sender of the four kinds sends is read: severity, rule, address, user, id and time, written out."""

from __future__ import annotations

from typing import Any

import pytest

from soar.model.alert import Alert
from tests.unit.ingest.reading import read, sample, source_of

Expected = dict[str, Any]

COLUMNS = ("severity", "rule_name", "src_ip", "user", "source_ref", "occurred_at", "detected_at")


def expected(*values: object, **more: object) -> Expected:
    return dict(zip(COLUMNS, values, strict=True)) | more


NOTABLE_ID = "0A0B0C0D-1111-2222-3333-444455556666@@notable@@9f8e7d6c5b4a39281706f5e4d3c2b1a0"
SID = "scheduler__svc_soc__search__RMD5a1b2c3d4e5f60718_at_1767225600_4821"
UUID = "5b1f1f6f0d4a3c1e9a7b2d8c4e6f00112233445566778899aabbccddeeff0011"
BURST = "API token endpoint brute force"
BOM = b"\xef\xbb\xbf"
FIRED = "2026-01-01T00:46:00.123Z"

SAMPLES: dict[tuple[str, str], list[Expected]] = {
    ("splunk", "splunk_webhook.json"): [
        expected(
            "high",
            "API Abuse - Failed Token Burst - Rule",
            "203.0.113.45",
            "avery.lin@example.com",
            SID,
            "2026-01-01T00:00:00.000Z",
            "2026-01-01T00:00:00.000Z",
            title="API Abuse - Failed Token Burst - Rule",
            client_id="acme-checkout",
            host="api-gw-1.example.com",
        )
    ],
    ("splunk", "splunk_webhook_adhoc.json"): [
        expected("unknown", None, None, None, "1767229200.771", None, None, title=None)
    ],
    ("splunk", "splunk_es_notable.json"): [
        expected(
            "high",
            "Brute Force Access Behavior Detected",
            "203.0.113.45",
            "avery.lin",
            NOTABLE_ID,
            "2026-01-01T00:05:24.000Z",
            "2026-01-01T00:05:24.000Z",
            title="Brute force from 203.0.113.45",
            risk_score=80,
            status="New",
            tags=["authentication", "modaction_result"],
        )
    ],
    ("elastic", "elastic_alert_document.json"): [
        expected(
            "high",
            BURST,
            "198.51.100.23",
            "avery.lin",
            UUID,
            "2026-01-01T00:09:41.007Z",
            "2026-01-01T00:10:03.412Z",
            rule_id="api-token-burst",
            risk_score=73,
            attacks=["T1110"],
            country="ZZ",
            asn="64500",
            method="POST",
            route="/v1/token",
        )
    ],
    ("elastic", "elastic_webhook_connector.json"): [
        expected(
            "high",
            BURST,
            "198.51.100.23",
            "avery.lin",
            "aaaa1111bbbb2222cccc3333dddd4444",
            "2026-01-01T00:10:03.412Z",
            "2026-01-01T00:10:03.412Z",
            rule_id="c0ffee00-1234-4abc-8def-001122334455",
            tags=["api"],
        ),
        expected(
            "high",
            BURST,
            "2001:db8::bad:1",
            "svc-report",
            "eeee5555ffff6666aaaa7777bbbb8888",
            "2026-01-01T00:10:03.500Z",
            "2026-01-01T00:10:03.500Z",
            rule_id="c0ffee00-1234-4abc-8def-001122334455",
            tags=["api"],
        ),
    ],
    ("alertmanager", "alertmanager_webhook_v4.json"): [
        expected("critical", "ApiTokenFailures", address, None, f"a1b2c3d4e5f6000{number}", FIRED, FIRED, status=status)
        for number, (address, status) in enumerate(
            [("203.0.113.81", "firing"), ("2001:db8::81", "firing"), ("203.0.113.83", "resolved")], start=1
        )
    ],
}

GENERIC: list[tuple[Any, list[Expected]]] = [
    (
        {
            "id": "evt-1",
            "title": "Token replayed",
            "severity": "high",
            "rule_name": "Token replay",
            "src_ip": "203.0.113.7",
            "user": "avery.lin@example.com",
            "occurred_at": "2026-03-01T03:12:45.120Z",
            "detected_at": 1772334766,
        },
        [
            expected(
                "high",
                "Token replay",
                "203.0.113.7",
                "avery.lin@example.com",
                "evt-1",
                "2026-03-01T03:12:45.120Z",
                "2026-03-01T03:12:46.000Z",
                title="Token replayed",
            )
        ],
    ),
    (
        {
            "event_id": 90071992547409931,
            "name": "Login from two countries",
            "rule": {"id": "R-7", "name": "Impossible travel"},
            "severity_id": 5,
            "src_ip": "2001:DB8:0:0::7",
            "user": ["u-1001", "u-1002"],
            "occurred_at": "2026-03-01T04:12:45+0100",
        },
        [
            expected(
                "critical",
                "Impossible travel",
                "2001:db8::7",
                "u-1001",
                "90071992547409931",
                "2026-03-01T03:12:45.000Z",
                None,
                title="Login from two countries",
                rule_id="R-7",
            )
        ],
    ),
    (
        [
            {"uuid": "b-1", "message": "first", "severity": "WARNING", "src_ip": "::ffff:198.51.100.9"},
            {"uuid": "b-2", "message": "second", "severity": 2, "src_ip": "-", "occurred_at": "1772334765123"},
        ],
        [
            expected("medium", None, "198.51.100.9", None, "b-1", None, None, title="first"),
            expected("low", None, None, None, "b-2", "2026-03-01T03:12:45.123Z", None, title="second"),
        ],
    ),
    (
        BOM + b'{"id": "0012", "rule.name": "Dotted", "severity": "Fatal", "src_ip": "192.0.2.4", "user": ""}\n',
        [expected("fatal", "Dotted", "192.0.2.4", None, "0012", None, None)],
    ),
    (
        {
            "id": "evt-5",
            "source": "not-ours",
            "tenant": "not-ours",
            "raw": "not-ours",
            "received_at": "1999-01-01T00:00:00Z",
            "severity": "sev-1",
            "occurred_at": "0001-01-01T00:00:00Z",
            "detected_at": 1772334765123456789,
            "token_id": "jti-9",
            "account_id": 12345678901234567890,
        },
        [
            expected(
                "unknown",
                None,
                None,
                None,
                "evt-5",
                None,
                "2026-03-01T03:12:45.123Z",
                source="siem",
                tenant=None,
                received_at="2026-01-01T00:00:00.000Z",
                token_id="jti-9",
                account_id="12345678901234567890",
            )
        ],
    ),
]


def check(alerts: list[Alert], wanted: list[Expected]) -> None:
    shown = [alert.model_dump() for alert in alerts]
    found = [{name: alert[name] for name in one} for alert, one in zip(shown, wanted, strict=True)]
    assert found == wanted


@pytest.mark.parametrize(("kind", "name"), SAMPLES, ids=[name for _, name in SAMPLES])
def test_a_sample_is_read(kind: str, name: str) -> None:
    check(read(source_of(kind), sample(kind, name)), SAMPLES[kind, name])


@pytest.mark.parametrize(("body", "wanted"), GENERIC, ids=range(1, len(GENERIC) + 1))
def test_a_generic_body_is_read(body: Any, wanted: list[Expected]) -> None:
    check(read(source_of("generic"), body), wanted)


def test_every_address_of_a_list_is_an_observable() -> None:
    [notable] = read(source_of("splunk"), sample("splunk", "splunk_es_notable.json"))
    assert [seen.value for seen in notable.observables if seen.type == "ip"] == ["203.0.113.45", "203.0.113.46"]


def test_a16_how_many_the_sender_cut_off_stands_in_every_alert() -> None:
    alerts = read(source_of("alertmanager"), sample("alertmanager", "alertmanager_webhook_v4.json"))
    assert [alert.tags for alert in alerts] == [["truncated-by-sender:2"]] * 3


def test_raw_is_the_body_as_it_came() -> None:
    [alert] = read(source_of("splunk"), sample("splunk", "splunk_es_notable.json"))
    assert alert.raw["tag::app"] == ["authentication"]
    assert alert.raw["_si"] == ["idx-2.example.com", "notable"]
