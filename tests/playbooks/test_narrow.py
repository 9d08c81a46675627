"""What the shipped playbooks leave alone: each alert below is one condition away from what they fire on."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from soar.clock import as_millis, rfc3339
from soar.ingest.match import explain
from soar.ingest.opening import weighed
from soar.ingest.schedule import next_firing
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


@pytest.mark.parametrize(
    ("before", "due"),
    [("2026-03-01T12:00:00Z", "2026-03-02T06:30:00.000Z"), ("2026-07-01T12:00:00Z", "2026-07-06T05:30:00.000Z")],
)
def test_the_review_comes_on_monday_at_half_past_seven_in_berlin(before: str, due: str) -> None:
    text = (FOLDER / "weekly-containment-review.yaml").read_text("utf-8")
    schedule = parse_playbook(text, "weekly-containment-review.yaml").trigger.schedule
    assert schedule is not None
    assert rfc3339(next_firing(schedule, as_millis(datetime.fromisoformat(before)))) == due


def test_on_the_days_of_the_sales_the_peak_takes_the_place_of_the_ordinary_one() -> None:
    names = ("client-over-baseline", "client-over-baseline-peak")
    books = {name: parse_playbook((FOLDER / f"{name}.yaml").read_text("utf-8"), name) for name in names}
    alert = given_alert("a-1", {"rule_name": "Client over baseline", "client_id": "c-42", "raw": {"factor": 8}})
    matches = [explain(alert, one) for one in books.values()]

    def opens(at: str) -> list[str]:
        now = as_millis(datetime.fromisoformat(at))
        return [match.playbook_id for match in weighed(matches, books, now) if match.outcome == "matched"]

    assert opens("2026-11-19T22:59:59Z") == ["client-over-baseline"]
    assert opens("2026-11-27T12:00:00Z") == ["client-over-baseline-peak"]
    assert opens("2026-12-01T23:00:00Z") == ["client-over-baseline"]
