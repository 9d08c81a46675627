"""What the shipped playbooks leave alone: each alert below is one condition away from what they fire on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from soar.ingest.match import explain
from soar.model.alert import Alert
from soar.playbook import parse_playbook
from soar.testing.stage import given_alert
from soar.testing.suite import read_suite

FOLDER = Path(__file__).parents[2] / "playbooks"
LEFT_ALONE: list[tuple[str, str, dict[str, Any]]] = [
    ("stolen-token", "one of ours", {"src_ip": "10.1.2.3"}),
    ("stolen-token", "one of ours, written as IPv6", {"src_ip": "::ffff:10.1.2.3"}),
    ("stolen-token", "no more than medium", {"severity": "medium"}),
    ("stolen-token", "a token of the sandbox", {"host": "api.sandbox.example.com"}),
    ("stolen-token", "an alert that is over", {"status": "resolved"}),
    ("credential-stuffing", "thousands behind one address", {"tags": ["shared-egress"]}),
    ("credential-stuffing", "no address", {"src_ip": None}),
    ("credential-stuffing", "one of ours over IPv6", {"src_ip": "fd00::9"}),
    ("credential-stuffing", "hardly believed", {"confidence": 5}),
    ("api-key-leaked", "a key of the sandbox", {"tags": ["leaked-key", "sandbox"]}),
    ("api-key-leaked", "no key is named", {"api_key_id": None}),
    ("client-over-baseline", "stopped by the sensor already", {"disposition": "rate_limited"}),
    ("client-over-baseline", "not far over it", {"raw": {"factor": 2.9}}),
    ("client-over-baseline", "three times nothing", {"raw": {"factor": 9, "calls_per_minute": 12}}),
    ("client-over-baseline-peak", "not far over it", {"raw": {"factor": 2.9}}),
    ("consent-abuse", "our own app", {"raw": {"provider_id": "INT-7"}}),
    ("consent-abuse", "no provider", {"raw": {}}),
    ("bola-scan", "an announced pentest", {"tags": ["pentest", "announced"]}),
    ("bola-scan", "a user with many accounts", {"raw": {"distinct_objects": 20, "refused_ratio": 0.9}}),
    ("bola-scan", "a client that may see them", {"raw": {"distinct_objects": 900, "refused_ratio": 0.01}}),
    ("bola-scan", "what everybody may see", {"route": "/v2/rates/{id}"}),
    ("mtls-certificate-anomaly", "no certificate is named", {"raw": {"anomaly": "expiring"}}),
    ("admin-new-country", "nobody of power", {"raw": {"privileged": False}}),
    ("admin-new-country", "it did not succeed", {"status": "failure"}),
    ("admin-new-country", "their own country", {"country": "DE", "raw": {"privileged": True, "home_country": "DE"}}),
    ("admin-new-country", "our own VPN", {"tags": ["corporate-vpn"]}),
    ("payout-burst", "the payroll that was announced", {"raw": {"kind": "payroll", "announced": True}}),
    ("payout-burst", "to people they always pay", {"raw": {"new_payees": 0}}),
    ("payout-burst", "from another source", {"source": "siem"}),
]


def fires(name: str, **changes: Any) -> str:
    """What the alert of the playbook's own first test comes to, with these fields changed."""
    playbook = parse_playbook((FOLDER / f"{name}.yaml").read_text("utf-8"), f"{name}.yaml")
    first = dict(read_suite(FOLDER / f"{name}.test.yaml").cases[0].alert)
    source = min(playbook.trigger.sources, default="siem")
    raw = changes.get("raw")
    if raw and name == "payout-burst":
        changes["raw"] = {**first["raw"], **raw}
    fields = {"source": source, **first, **changes}
    alert: Alert = given_alert("a-1", fields).model_copy(update={"source": fields["source"]})
    return explain(alert, playbook).outcome


@pytest.mark.parametrize("name", sorted({name for name, _, _ in LEFT_ALONE}))
def test_it_fires_on_what_it_is_for(name: str) -> None:
    assert fires(name) == "matched"


@pytest.mark.parametrize(("name", "why", "changes"), LEFT_ALONE, ids=lambda one: one if isinstance(one, str) else "")
def test_it_leaves_alone(name: str, why: str, changes: dict[str, Any]) -> None:
    assert fires(name, **changes) == "unmatched", why


def test_a_pentest_that_nobody_announced_is_an_attack() -> None:
    assert fires("bola-scan", tags=["pentest"]) == "matched"
