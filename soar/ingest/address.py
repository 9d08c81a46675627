"""Where a delivery really comes from, when proxies stand in between."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Sequence

from soar.ingest.source import Address, Network


def client_address(peer: str | None, forwarded: Iterable[bytes], trusted: Sequence[Network]) -> Address | None:
    """The peer, or, while that is a trusted proxy, what it says of the hop before, from the right.

    None where it cannot be told: an unreadable entry is not stepped over, for anybody can write one.
    """
    address = _read(peer or "")
    hops = [hop for line in forwarded for hop in line.decode("latin-1").split(",")]
    while address is not None and hops and any(address in network for network in trusted):
        address = _read(hops.pop())
    return address


def _read(written: str) -> Address | None:
    text = written.strip().strip('"')
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    return getattr(address, "ipv4_mapped", None) or address
