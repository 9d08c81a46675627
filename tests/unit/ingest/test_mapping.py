"""Senders no kind is made for, read through `generic` with `mapping` and `severity_map`."""

from __future__ import annotations

import json
from typing import Any

import pytest

from soar.model.alert import Alert
from tests.unit.ingest.reading import keys, read, sample, source_of

GRAYLOG = {
    "mapping": {
        "source_ref": "event.id",
        "title": "event.message",
        "rule_id": "event_definition_id",
        "rule_name": "event_definition_title",
        "severity": "event.priority",
        "occurred_at": "event.timestamp",
        "src_ip": "event.fields.src_ip",
        "user": "event.fields.username",
    },
    "severity_map": {1: "low", 2: "medium", 3: "high", 4: "critical"},
}
FALCO = {
    "mapping": {
        "source_ref": "uuid",
        "title": "output",
        "rule_name": "rule",
        "severity": "priority",
        "occurred_at": "time",
        "src_ip": "output_fields['fd.name'] | regex_search('->([0-9a-f.:]+):')",
        "user": "output_fields['user.name']",
        "host": "hostname",
    },
    "severity_map": {
        "debug": "informational",
        "notice": "low",
        "warning": "medium",
        "error": "high",
        "alert": "critical",
        "emergency": "fatal",
    },
}
SNS = {
    "mapping": {
        "source_ref": "(Message | from_json).detail.id",
        "title": "(Message | from_json).detail.title",
        "rule_name": "(Message | from_json).detail.type",
        "severity": "(Message | from_json).detail.severity",
        "occurred_at": "(Message | from_json).detail.createdAt",
        "src_ip": "(Message | from_json).detail.service.action.awsApiCallAction.remoteIpDetails.ipAddressV4",
        "user": "(Message | from_json).detail.resource.accessKeyDetails.userName",
    },
    "severity_map": {">=1": "low", ">=4": "medium", ">=7": "high", ">=9": "critical"},
}
GUARDDUTY = {
    "mapping": {
        "source_ref": "detail.id",
        "title": "detail.title",
        "rule_name": "detail.type",
        "severity": "detail.severity",
        "occurred_at": "detail.createdAt",
        "src_ip": "detail.service.action.awsApiCallAction.remoteIpDetails.ipAddressV4",
        "user": "detail.resource.accessKeyDetails.userName",
        "api_key_id": "detail.resource.accessKeyDetails.accessKeyId",
    },
    "severity_map": SNS["severity_map"],
}
WAZUH = {
    "mapping": {
        "title": "rule.description",
        "severity": "rule.level",
        "attacks": "rule.mitre.id",
        "occurred_at": "timestamp",
        "src_ip": "data.srcip",
        "user": "data.srcuser",
        "host": "agent.name",
    },
    "severity_map": {"0-3": 1, "4-6": 2, "7-11": 3, "12-14": 4, ">=15": 5},
}
WAZUH_SHUFFLE = {
    "mapping": {
        "severity": "all_fields.rule.level",
        "rule_name": "title",
        "occurred_at": "timestamp",
        "src_ip": "all_fields.data.srcip",
        "user": "{{ all_fields.data.srcuser }}",
    },
    "severity_map": WAZUH["severity_map"],
}
GRAFANA = {
    "split": "alerts",
    "dedupe": ["fingerprint", "startsAt", "status"],
    "mapping": {
        "source_ref": "fingerprint",
        "title": "annotations.summary",
        "rule_id": "ruleUID",
        "rule_name": "labels.alertname",
        "severity": "labels.severity",
        "occurred_at": "startsAt",
        "src_ip": "labels.client_ip",
        "user": "envelope.commonLabels.client_id",
    },
}
FINDING = "UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.OutsideAWS"
BRUTE = "sshd: brute force trying to get access to the system. Authentication failed."
SEEN = "2026-01-01T00:20:22.316Z"
FOUND = "16afba5c5c43e07c9e3e5e2e544e95df"
SSHD = "2026-01-01T00:12:44.105Z"

Row = tuple[str, str | None, str | None, str | None, str | None, str | None]

TABLE: list[tuple[str, dict[str, Any], list[Row]]] = [
    (
        "graylog_http_notification.json",
        GRAYLOG,
        [
            (
                "high",
                "Token failures > 100",
                "203.0.113.61",
                "avery.lin",
                "01KDV0EXAMPLE00000000000001",
                "2026-01-01T00:38:04.556Z",
            )
        ],
    ),
    (
        "falcosidekick_webhook.json",
        FALCO,
        [
            (
                "critical",
                "Terminal shell in container",
                "203.0.113.91",
                "root",
                "5b8f2a10-0000-4000-8000-00000000f01c",
                "2026-01-01T00:51:56.746Z",
            )
        ],
    ),
    (
        "aws_guardduty_sns_notification.json",
        SNS,
        [("high", FINDING, "198.51.100.200", "api-runtime-role", FOUND, SEEN)],
    ),
    (
        "aws_guardduty_eventbridge.json",
        GUARDDUTY,
        [("high", FINDING, "198.51.100.200", "api-runtime-role", FOUND, SEEN)],
    ),
    ("wazuh_alert.json", WAZUH, [("medium", None, "203.0.113.99", "deploy", "1767226364.1048576", SSHD)]),
    (
        "wazuh_integration_shuffle.json",
        WAZUH_SHUFFLE,
        [("medium", BRUTE, "203.0.113.99", "deploy", "1767226364.1048576", SSHD)],
    ),
    (
        "grafana_alerting_webhook.json",
        GRAFANA,
        [
            (
                "critical",
                "TokenFailures",
                "203.0.113.71",
                "acme-checkout",
                "57c6d9296de2ad39",
                "2026-01-01T00:40:00.000Z",
            ),
            (
                "critical",
                "TokenFailures",
                "203.0.113.72",
                "acme-checkout",
                "91ab03c5de22ffe0",
                "2026-01-01T00:40:00.000Z",
            ),
        ],
    ),
]


def row(alert: Alert) -> Row:
    return (alert.severity, alert.rule_name, alert.src_ip, alert.user, alert.source_ref, alert.occurred_at)


@pytest.mark.parametrize(("name", "entry", "rows"), TABLE, ids=[name for name, _, _ in TABLE])
def test_a_sample_is_read_by_its_mapping(name: str, entry: dict[str, Any], rows: list[Row]) -> None:
    assert [row(alert) for alert in read(source_of("generic", **entry), sample("generic", name))] == rows


def test_grafana_is_read_by_kind_alertmanager_too() -> None:
    body = sample("generic", "grafana_alerting_webhook.json")
    alerts = read(source_of("alertmanager"), body)
    assert [(alert.rule_id, alert.status, alert.client_id) for alert in alerts] == [
        ("cdr1exampleuid", "firing", "acme-checkout"),
        ("cdr1exampleuid", "resolved", "acme-checkout"),
    ]
    assert alerts[0].tags == []


def test_an_sns_handshake_without_a_finding_is_read_without_a_crash() -> None:
    [alert] = read(source_of("generic", **SNS), sample("generic", "aws_sns_subscription_confirmation.json"))
    assert (alert.severity, alert.rule_name, alert.src_ip) == ("unknown", None, None)
    assert alert.raw["Type"] == "SubscriptionConfirmation"


@pytest.mark.parametrize(
    ("priority", "severity"),
    [(4, "critical"), (0, "unknown"), (99, "unknown"), ("3", "high"), (None, "unknown"), ([], "unknown")],
)
def test_a10_a_priority_outside_the_map_is_unknown_and_kept(priority: Any, severity: str) -> None:
    body = json.loads(sample("generic", "graylog_http_notification.json"))
    body["event"]["priority"] = priority
    [alert] = read(source_of("generic", **GRAYLOG), body)
    assert alert.severity == severity
    assert alert.raw["event"]["priority"] == priority
    assert alert.src_ip == "203.0.113.61"


def test_b08_a_19_digit_number_stays_exact() -> None:
    [alert] = read(source_of("generic", **FALCO), sample("generic", "falcosidekick_webhook.json"))
    assert alert.raw["output_fields"]["evt.time"] == 1767228716746609046


def test_a_field_of_an_expression_that_fails_is_empty_and_the_others_are_read() -> None:
    entry = {"mapping": {"user": "nobody.here", "src_ip": "data.ip", "description": None}}
    [alert] = read(source_of("generic", **entry), {"title": "t", "description": "d", "data": {"ip": "192.0.2.1"}})
    assert (alert.title, alert.user, alert.src_ip, alert.description) == ("t", None, "192.0.2.1", None)


def test_the_same_finding_again_is_the_same_alert() -> None:
    source = source_of("generic", **GUARDDUTY)
    body = json.loads(sample("generic", "aws_guardduty_eventbridge.json"))
    again = body | {"id": "another-delivery", "detail": body["detail"] | {"updatedAt": "2026-01-02T00:00:00Z"}}
    first, second = keys(source, body, again)
    assert first == second


def test_grafana_fires_and_resolves_as_two_alerts() -> None:
    body = json.loads(sample("generic", "grafana_alerting_webhook.json"))
    later = json.loads(json.dumps(body).replace('"firing"', '"resolved"'))
    source = source_of("generic", **GRAFANA)
    assert len(set(keys(source, body, later))) == 3
