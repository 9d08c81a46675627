"""Addresses and networks as an attacker may write them, and quick answers to "does this touch that".

A query and a protected network touch when either holds a part of the other. IPv4 inside IPv6 (mapped, compatible,
6to4, NAT64, Teredo) counts as the IPv4 it stands for, in both directions.
"""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Iterator
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Network,
    ip_address,
    ip_network,
    summarize_address_range,
)
from typing import Final, Generic, TypeVar

Network = IPv4Network | IPv6Network
T = TypeVar("T")

_TEREDO: Final = IPv6Network("2001::/32")
_EMBEDDINGS: Final = (
    (_TEREDO, 96),
    (IPv6Network("::ffff:0:0/96"), 96),
    (IPv6Network("64:ff9b::/96"), 96),
    (IPv6Network("64:ff9b:1::/48"), 96),
    (IPv6Network("2002::/16"), 16),
    (IPv6Network("::/96"), 96),
)
"""IPv6 networks whose addresses stand for IPv4 ones, and after how many bits the IPv4 address begins."""
_ALL_IPV4: Final = IPv4Network("0.0.0.0/0")
_LONGEST: Final = 200
_PADDED: Final = re.compile(r"\d{1,4}(?:\.\d{1,4}){3}")
_HEX: Final = re.compile(r"0x[0-9a-f]{8}", re.IGNORECASE)
_LIST: Final = re.compile(r"[\s,;|]+")
_MAY_BE: Final = re.compile(r".*[:%].*|[\d./xa-f-]*[.x][\d./xa-f-]*", re.IGNORECASE | re.DOTALL)
"""Every address has a colon, or is made of nothing but these and has a dot or an x: most words are seen at once to be
none, and are not read in four ways first."""
_KEPT: Final = 64
"""Characters of a text whose reading is remembered: one value stands in several places of a call."""


class ZonedAddress(ValueError):
    """An address with a zone (`fe80::1%eth0`): it means nothing on another machine."""


def networks_of(text: str) -> list[Network]:
    """What a text writes out, when it is nothing but addresses, networks or ranges; several apart by comma or space.

    A port, brackets and a URL around an address do not hide it, nor does padding with zeros.

    Raises:
        ZonedAddress: one has a zone.
        ValueError: it is something else.
    """
    text = text.strip()
    if not text or len(text) > 100 * _LONGEST:
        raise ValueError("no address")
    if len(text) > _KEPT:
        return _read(text)
    found = _remembered(text)
    if isinstance(found, ValueError):
        raise type(found)(*found.args)
    return list(found)


@lru_cache(maxsize=8192)
def _remembered(text: str) -> tuple[Network, ...] | ValueError:
    try:
        return tuple(_read(text))
    except ValueError as error:
        return error


def _read(text: str) -> list[Network]:
    found: list[Network] = []
    for part in _LIST.split(text):
        if part:
            found += _one(part)
    return found


def _one(text: str) -> list[Network]:
    if len(text) > _LONGEST or not _MAY_BE.fullmatch(text):
        raise ValueError(f"'{text[:_LONGEST]}' is no address")
    for read in (_plain, _range, _unwrapped, _odd):
        try:
            return read(text)
        except ZonedAddress:
            raise
        except ValueError:
            continue
    raise ValueError(f"'{text}' is no address")


def _plain(text: str) -> list[Network]:
    if "%" in text:
        ip_address(text.partition("%")[0])
        raise ZonedAddress(f"'{text}' has a zone: it is an address of one link and means nothing on another machine")
    return [ip_network(text, strict=False)]


def _range(text: str) -> list[Network]:
    first, dash, last = text.partition("-")
    if not dash:
        raise ValueError(text)
    begin, end = ip_address(first), ip_address(last)
    if isinstance(begin, IPv4Address) and isinstance(end, IPv4Address):
        return list(summarize_address_range(begin, end))
    if begin.version != end.version:
        raise ValueError(text)
    return list(summarize_address_range(begin, end))


def _unwrapped(text: str) -> list[Network]:
    """`[2001:db8::1]:443`, `192.0.2.1:443`, `https://192.0.2.1/x`."""
    _, scheme, rest = text.rpartition("://")
    rest = rest.partition("/")[0].rpartition("@")[2] if scheme else rest
    if rest.startswith("["):
        return _plain(rest[1:].partition("]")[0])
    host, colon, port = rest.partition(":")
    if not scheme and not (colon and port.isdigit()):
        raise ValueError(text)
    return _plain(host)


def _odd(text: str) -> list[Network]:
    """`010.001.002.003` is read in both ways that systems read it; `0x0a010203` in the only one."""
    if _HEX.fullmatch(text):
        return [IPv4Network(int(text, 16))]
    if not _PADDED.fullmatch(text):
        raise ValueError(text)
    parts = text.split(".")
    readings = [[int(part) for part in parts]]
    if all(set(part) <= set("01234567") or not part.startswith("0") for part in parts):
        readings.append([int(part, 8 if part.startswith("0") else 10) for part in parts])
    found: list[Network] = [IPv4Network(bytes(numbers)) for numbers in readings if max(numbers) < 256]
    if not found:
        raise ValueError(text)
    return found


def touched_by(network: Network) -> list[Network]:
    """The network and every IPv4 network that a change to it would reach."""
    if isinstance(network, IPv4Network):
        return [network]
    return [network, *_embedded(network, widely=True)]


def spellings(network: Network) -> list[Network]:
    """A protected network, and the IPv4 network it stands for when it is one written as IPv6.

    A network that only holds such addresses among others protects itself: who protects 2000::/3 does not mean all IPv4.
    """
    if isinstance(network, IPv4Network):
        return [network]
    return [network, *_embedded(network, widely=False)]


def _embedded(network: IPv6Network, *, widely: bool) -> Iterator[IPv4Network]:
    for prefix, begins in _EMBEDDINGS:
        if _holds(prefix, network):
            length = min(max(network.prefixlen - begins, 0), 32)
            if length or widely:
                yield _inner(network, begins, length, flipped=prefix is _TEREDO)
        elif widely and _holds(network, prefix):
            yield _ALL_IPV4


def _holds(outer: IPv6Network, inner: IPv6Network) -> bool:
    """As `subnet_of`, without its cost."""
    length = outer.prefixlen
    start = int(inner.network_address) & _mask(128, length)
    return length <= inner.prefixlen and start == int(outer.network_address)


def _inner(network: IPv6Network, begins: int, length: int, *, flipped: bool) -> IPv4Network:
    value = (int(network.network_address) >> (128 - begins - 32)) & 0xFFFF_FFFF
    value = value ^ 0xFFFF_FFFF if flipped else value
    return IPv4Network((value & _mask(32, length), length))


def _mask(bits: int, length: int) -> int:
    return ((1 << length) - 1) << (bits - length)


class NetworkIndex(Generic[T]):
    """Protected networks, each with what is known of it; asked in time that hardly grows with their number."""

    def __init__(self) -> None:
        self._by_length: dict[int, dict[int, dict[int, T]]] = {4: {}, 6: {}}
        self._starts: dict[int, list[tuple[int, int]]] = {4: [], 6: []}
        self._sorted = True

    def add(self, network: Network, entry: T) -> None:
        """Add a network in all its spellings; the first entry of a network stays."""
        for one in spellings(network):
            start = int(one.network_address)
            known = self._by_length[one.version].setdefault(one.prefixlen, {})
            if start not in known:
                known[start] = entry
                self._starts[one.version].append((start, one.prefixlen))
                self._sorted = False

    def find(self, network: Network) -> T | None:
        """The entry of a protected network that touches this one."""
        if not self._sorted:
            for starts in self._starts.values():
                starts.sort()
            self._sorted = True
        for one in touched_by(network):
            found = self._around(one)
            found = self._within(one) if found is None else found
            if found is not None:
                return found
        return None

    def _around(self, network: Network) -> T | None:
        """A protected network that holds this one."""
        start, bits = int(network.network_address), network.max_prefixlen
        for length, known in self._by_length[network.version].items():
            if length <= network.prefixlen:
                found = known.get(start & _mask(bits, length))
                if found is not None:
                    return found
        return None

    def _within(self, network: Network) -> T | None:
        """A protected network that this one holds."""
        starts = self._starts[network.version]
        place = bisect_left(starts, (int(network.network_address), 0))
        if place < len(starts) and starts[place][0] <= int(network.broadcast_address):
            start, length = starts[place]
            return self._by_length[network.version][length][start]
        return None
