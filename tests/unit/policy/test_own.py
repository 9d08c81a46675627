"""The engine's own addresses, found in its configuration (I02)."""

from __future__ import annotations

from soar.config import Settings
from soar.policy import OwnAddresses


def test_i02_where_it_listens_is_reached_and_acts_is_its_own() -> None:
    settings = Settings(listen="198.51.100.5:8080", public_url="https://soar.example.com/x")
    own = OwnAddresses.of(settings, {"gateway": ["gw.example.com", "gw.example.com"], "edge": ["2001:db8::5"]})
    assert own.hosts == (
        ("198.51.100.5", "where this server listens"),
        ("soar.example.com", "this server's public address"),
        ("gw.example.com", "the system behind connection 'gateway'"),
        ("2001:db8::5", "the system behind connection 'edge'"),
    )
