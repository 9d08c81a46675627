"""What must never be contained, however it is written (I01-I04, I06, I08)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.unit.policy.given import judged, policy, spec

PARTNERS = """\
protected:
  partners:
    reason: contract 17
    addresses: [192.0.2.0/24, {value: "2001:db8:5::/48", reason: "bank A"}]
    clients: ["bank-a-*"]
    users: [ceo@example.com]
    hosts: ["*.core.example.com"]
"""


def forbidden(tmp_path: Path, text: str | None = PARTNERS, **inputs: Any) -> tuple[str, ...]:
    judgement = judged(policy(tmp_path, text), **inputs)
    assert (judgement.verdict == "forbidden") == bool(judgement.reasons), judgement
    return judgement.reasons if judgement.verdict == "forbidden" else ()


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.10",
        "192.0.2.0/25",
        "192.0.0.0/16",
        "192.0.2.10/32",
        "192.0.2.10:443",
        "[::ffff:192.0.2.10]:443",
        "https://192.0.2.10/x",
        "192.000.002.010",
        "192.0.1.250-192.0.2.3",
        "198.51.100.1, 192.0.2.10",
        "2001:db8:5::7",
        "2001:DB8:5:0:0::7",
        "2001:db8::/32",
    ],
)
def test_i04_overlap_with_a_protected_network_is_refused_however_it_is_written(tmp_path: Path, address: str) -> None:
    (reason,) = forbidden(tmp_path, ip=address)
    assert "protected: 'partners'" in reason
    assert "policy.yaml:4" in reason


@pytest.mark.parametrize(
    "address",
    ["::ffff:192.0.2.10", "::FFFF:c000:020a", "64:ff9b::192.0.2.10", "2002:c000:020a::1", "::192.0.2.10"],
)
def test_i04_ipv4_inside_ipv6_is_the_ipv4_it_stands_for(tmp_path: Path, address: str) -> None:
    assert forbidden(tmp_path, ip=address)


@pytest.mark.parametrize("address", ["198.51.100.7", "203.0.113.0/28", "2001:db8:6::1", "192.0.3.1"])
def test_others_may_be_contained(tmp_path: Path, address: str) -> None:
    assert not forbidden(tmp_path, ip=address)


@pytest.mark.parametrize(
    "address",
    [
        "192.0.2.53",
        "127.0.0.1",
        "127.8.8.8",
        "::1",
        "0.0.0.0",
        "224.0.0.5",
        "255.255.255.255",
        "ff02::1",
        "0.0.0.0/0",
        "::/0",
    ],
)
def test_i02_our_own_side_is_protected_without_any_entry(tmp_path: Path, address: str) -> None:
    assert forbidden(tmp_path, None, ip=address)


def test_i03_a_link_local_address_with_a_zone_is_refused_as_such(tmp_path: Path) -> None:
    (reason,) = forbidden(tmp_path, ip="fe80::1%eth0")
    assert "link-local" in reason
    assert forbidden(tmp_path, ip="fe80::1")


def test_i02_the_systems_behind_our_connections_are_protected_by_name(tmp_path: Path) -> None:
    host = spec(params={"properties": {"host": {}}}, name="edr.isolate_host")
    assert judged(policy(tmp_path), host, host="GATEWAY.example.com").verdict == "forbidden"
    assert judged(policy(tmp_path), host, host="laptop-7").verdict != "forbidden"


@pytest.mark.parametrize("value", [None, "", "  ", "-", "unknown", "UNKNOWN", "N/A", "*", "null", "none"])
def test_i08_a_target_that_is_nobody_is_refused(tmp_path: Path, value: Any) -> None:
    assert forbidden(tmp_path, ip=value)


def test_i08_a_missing_target_is_refused(tmp_path: Path) -> None:
    assert forbidden(tmp_path)


def test_i08_a_host_name_where_an_address_is_expected(tmp_path: Path) -> None:
    (reason,) = forbidden(tmp_path, ip="evil.example.org")
    assert "an address is expected" in reason
    allowed = PARTNERS + 'actions: [{action: "gateway.block_ip", host_names: true}]\n'
    assert not forbidden(tmp_path, allowed, ip="evil.example.org")
    assert forbidden(tmp_path, allowed, ip="db1.core.example.com")


def test_i08_each_of_a_list_is_looked_at(tmp_path: Path) -> None:
    many = spec(params={"properties": {"ips": {"items": {"format": "ipv4"}}}, "required": ["ips"]})
    found = policy(tmp_path, PARTNERS)
    assert judged(found, many, ips=["198.51.100.1", "198.51.100.2"]).verdict == "allowed"
    assert judged(found, many, ips=["198.51.100.1", "192.0.2.9", "198.51.100.2"]).verdict == "forbidden"
    assert judged(found, many, ips=[]).verdict == "forbidden"
    assert judged(found, many, ips=["198.51.100.1", "-"]).verdict == "forbidden"


@pytest.mark.parametrize(
    ("params", "inputs"),
    [
        ({"client": {}}, {"client": "bank-a-7"}),
        ({"client_id": {}}, {"client_id": "BANK-A-7"}),
        ({"client_id": {}}, {"client_id": " ｂａｎｋ-a-7"}),
        ({"subject": {}}, {"subject": "192.0.2.9"}),
        ({"user": {}}, {"user": "CEO@example.com"}),
        ({"user": {}}, {"user": "root"}),
        ({"body": {}}, {"body": {"target": {"address": "192.0.2.9"}}}),
        ({"query": {}}, {"query": {"192.0.2.9": True}}),
        ({"list": {}}, {"list": "evil.example.org, 192.0.2.9"}),
        ({"list": {}}, {"list": "someone;CEO@example.com"}),
        ({"path": {}}, {"path": "/deny/192.0.2.9?x=1"}),
        ({"path": {}}, {"path": "/deny/192%2E0%2E2%2E9"}),
    ],
)
def test_i01_what_is_really_passed_is_what_is_looked_at(
    tmp_path: Path, params: dict[str, Any], inputs: dict[str, Any]
) -> None:
    one = spec(params={"properties": params})
    assert judged(policy(tmp_path, PARTNERS), one, **inputs).verdict == "forbidden"


def test_i01_a_pattern_that_takes_protected_names_in_is_refused(tmp_path: Path) -> None:
    one = spec(params={"properties": {"client": {}}})
    assert judged(policy(tmp_path, PARTNERS), one, client="bank-*").verdict == "forbidden"
    assert judged(policy(tmp_path, PARTNERS), one, client="*").verdict == "forbidden"


def test_i06_telling_somebody_about_a_protected_address_is_no_harm(tmp_path: Path) -> None:
    post = spec("chat.post", undo=None, risk="low", params={"properties": {"text": {}, "ip": {}}})
    assert judged(policy(tmp_path, PARTNERS), post, text="192.0.2.9", ip="192.0.2.9").verdict == "allowed"
    lookup = spec("intel.lookup", changes=False)
    assert judged(policy(tmp_path, PARTNERS), lookup, ip="192.0.2.9").verdict == "allowed"


def test_i06_a_request_counts_as_what_the_policy_says_it_is(tmp_path: Path) -> None:
    hook = spec("hook.request", connector="http", undo=None, params={"properties": {"json": {}}})
    assert judged(policy(tmp_path, PARTNERS), hook, json={"ip": "192.0.2.9"}).verdict == "forbidden"
    text = PARTNERS + 'actions: [{action: "hook.request", counts_as: notifying}]\n'
    assert judged(policy(tmp_path, text), hook, json={"ip": "192.0.2.9"}).verdict == "allowed"


def test_an_own_entry_takes_a_shipped_one_away(tmp_path: Path) -> None:
    assert forbidden(tmp_path, None, ip="10.1.2.3")
    assert not forbidden(tmp_path, "protected: {private_networks: null}\n", ip="10.1.2.3")


def test_i04_a_network_that_is_protected_as_ipv6_is_protected_as_the_ipv4_it_stands_for(tmp_path: Path) -> None:
    text = 'protected: {mine: {addresses: ["::ffff:198.51.100.0/120"]}}\n'
    assert forbidden(tmp_path, text, ip="198.51.100.7")
    assert not forbidden(tmp_path, text, ip="198.51.101.7")


def test_i01_more_values_than_can_be_looked_at_are_refused(tmp_path: Path) -> None:
    one = spec(params={"properties": {"items": {}}})
    found = policy(tmp_path, None)
    assert judged(found, one, items=[f"c-{number}" for number in range(10_000)]).verdict == "allowed"
    judgement = judged(found, one, items=[f"c-{number}" for number in range(10_001)])
    assert judgement.verdict == "forbidden"
    assert "more than 10000 values" in judgement.reasons[0]
