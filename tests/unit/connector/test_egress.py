from __future__ import annotations

import ipaddress

import pytest

from soar.connector.egress import Egress, innermost
from soar.errors import ConfigError, Refused

METADATA = [
    "169.254.169.254",
    "::ffff:169.254.169.254",
    "2002:a9fe:a9fe::1",
    "64:ff9b::a9fe:a9fe",
    "64:ff9b:1::a9fe:a9fe",
]
LOCAL = ["127.0.0.1", "::1", "::ffff:127.0.0.1", "2002:7f00:1::", "64:ff9b::7f00:1", "::7f00:1", "0.0.0.0", "::"]
PRIVATE = ["10.0.0.5", "192.168.1.1", "fd00::1", "fe80::1", "::ffff:10.0.0.5", "100.64.0.1"]
PUBLIC = ["93.184.215.14", "2606:2800:21f:cb07:6820:80da:af6b:8b2c"]


@pytest.mark.parametrize("host", [*METADATA, *LOCAL, *PRIVATE, *PUBLIC, "metadata.internal", "localhost"])
def test_h08_nothing_is_allowed_out_of_the_box(host: str) -> None:
    with pytest.raises(Refused, match=r"egress\.allow"):
        Egress("web", []).check_host(host)


@pytest.mark.parametrize("address", [*METADATA, *LOCAL, *PRIVATE])
def test_h05_a_pattern_vouches_for_public_addresses_only(address: str) -> None:
    egress = Egress("web", ["*.example.com", "*"])
    egress.check_host("api.example.com")
    assert not egress.may_dial("api.example.com", address)


@pytest.mark.parametrize("address", PUBLIC)
def test_a_pattern_vouches_for_public_addresses(address: str) -> None:
    assert Egress("web", ["*.example.com"]).may_dial("api.example.com", address)


@pytest.mark.parametrize(
    "address", [*METADATA, "0.0.0.0", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "224.0.0.1"]
)
def test_h05_no_name_vouches_for_metadata_or_unspecified_addresses(address: str) -> None:
    egress = Egress("web", ["gateway.internal"])
    egress.check_host("gateway.internal")
    assert not egress.may_dial("gateway.internal", address)


@pytest.mark.parametrize("address", ["10.0.0.5", "127.0.0.1", "fd00::1", *PUBLIC])
def test_a_name_of_the_operators_vouches_for_where_it_leads(address: str) -> None:
    assert Egress("web", ["Gateway.Internal."]).may_dial("gateway.internal", address)


@pytest.mark.parametrize("address", METADATA)
def test_h05_a_listed_network_is_allowed_in_every_spelling_of_it(address: str) -> None:
    egress = Egress("web", ["169.254.169.254"])
    egress.check_host(address)
    assert egress.may_dial(address, address)


def test_a_listed_ipv6_network_is_allowed() -> None:
    egress = Egress("web", ["2001:db8::/32"])
    egress.check_host("[2001:db8::7]")
    assert egress.may_dial("2001:db8::7", "2001:db8::7")
    assert not egress.may_dial("2001:db8::7", "2001:db9::7")


def test_an_address_is_not_allowed_by_the_name_it_was_found_for() -> None:
    assert not Egress("web", ["10.0.0.0/8"]).may_dial("10.0.0.1", "192.168.0.1")


@pytest.mark.parametrize("host", ["example.com", "evil-example.com", "api.example.com.evil.test", "example.org"])
def test_a_pattern_is_for_names_below_its_domain(host: str) -> None:
    with pytest.raises(Refused):
        Egress("web", ["*.example.com"]).check_host(host)


@pytest.mark.parametrize("entry", ["https://api.example.com", "api.example.com/x", "a b", "api.*.com", "", "api:443"])
def test_an_entry_that_means_nothing_is_an_error(entry: str) -> None:
    with pytest.raises(ConfigError, match=r"egress\.allow"):
        Egress("web", [entry])


@pytest.mark.parametrize(
    ("wrapped", "inner"),
    [
        ("::ffff:10.1.2.3", "10.1.2.3"),
        ("2002:a01:203::", "10.1.2.3"),
        ("64:ff9b::a01:203", "10.1.2.3"),
        ("::a01:203", "10.1.2.3"),
        ("2001:0:53aa:64c:0:0:f5fe:fdfc", "10.1.2.3"),
        ("::1", "::1"),
        ("2001:db8::1", "2001:db8::1"),
    ],
)
def test_h05_the_address_inside_an_address(wrapped: str, inner: str) -> None:
    assert str(innermost(ipaddress.ip_address(wrapped))) == inner
