"""Where connections may connect to: names before they are looked up, addresses when they are dialled.

Off the list is refused, out of the box. The host of a connection's `base_url` is on its
list; the rest is `egress.allow` in `soar.yaml`. The address that counts is the one really
connected to, so a name cannot lead elsewhere than it may, and an IPv4 address wrapped in
an IPv6 one (mapped, 6to4, NAT64, Teredo) is judged as what it is.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import lru_cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Any, Final

import aiohttp

from soar.connector.trail import Trail, connection_found, current_trail
from soar.errors import ConfigError, Refused
from soar.model.lease import current_lease

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

_NAT64: Final = (ip_network("64:ff9b::/96"), ip_network("64:ff9b:1::/48"))
_NEVER_BY_NAME: Final = (
    ip_network("0.0.0.0/8"),
    ip_network("169.254.0.0/16"),  # link-local, with the clouds' metadata service
    ip_network("224.0.0.0/3"),  # multicast, reserved, broadcast
    ip_network("::/128"),
    ip_network("fe80::/10"),
    ip_network("ff00::/8"),
    ip_network("fd00:ec2::254/128"),  # a cloud's metadata service over IPv6
)


class Egress:
    """The allow-list of one connection.

    An entry is a host name, `*.` and a domain, `*`, an address or a network. A name vouches
    for the private addresses it leads to; a pattern for public ones only; no name vouches
    for link-local or unspecified addresses. Those must be listed as addresses.
    """

    def __init__(self, connection: str, allow: Iterable[str]) -> None:
        self.connection = connection
        self._networks: list[Network] = []
        self._names: set[str] = set()
        self._suffixes: list[str] = []
        self._anything = False
        for entry in allow:
            self._add(entry.strip())
        self._may_ask = lru_cache(maxsize=1024)(self._host_allowed)
        self._may_dial = lru_cache(maxsize=1024)(self._judge)

    def _add(self, entry: str) -> None:
        network = _network(entry)
        if network is not None:
            self._networks.append(network)
        elif entry == "*":
            self._anything = True
        elif entry.startswith("*."):
            self._suffixes.append(canonical_host(entry[1:]))
        elif entry and not set(entry) & set("/:*@ "):
            self._names.add(canonical_host(entry))
        else:
            raise ConfigError(
                f"egress.allow: '{entry}' is neither a host name, `*.domain`, an address nor a network;"
                " write for example `api.example.com`, `*.example.com` or `192.0.2.0/24`"
            )

    def check_host(self, host: str) -> None:
        """Refuse a host that is not on the list, before anything is looked up.

        Raises:
            Refused: the message names the setting that allows it.
        """
        if not self._may_ask(host):
            raise Refused(self.refusal(host))

    def may_dial(self, host: str, address: str) -> bool:
        """Whether a connection for that host may go to that address."""
        return self._may_dial(host, address)

    def refusal(self, host: str, address: str | None = None) -> str:
        """Why not, and what to do about it."""
        target = host if address is None or address == host else f"{address} (which '{host}' leads to)"
        entry = address or host
        return (
            f"connection '{self.connection}' may not reach {target}: it is not on the allow-list;"
            f" if this is meant, add '{entry}' to `egress.allow` in soar.yaml"
        )

    def _host_allowed(self, host: str) -> bool:
        name = canonical_host(host)
        address = as_address(name)
        return self._literal(address) if address is not None else self._named(name)

    def _judge(self, host: str, text: str) -> bool:
        address = as_address(text)
        if address is None:
            return False
        if self._literal(address):
            return True
        name = canonical_host(host)
        judged = innermost(address)
        if as_address(name) is not None or any(judged in network for network in _NEVER_BY_NAME):
            return False
        return name in self._names or (self._by_pattern(name) and judged.is_global)

    def _named(self, name: str) -> bool:
        return name in self._names or self._by_pattern(name)

    def _by_pattern(self, name: str) -> bool:
        return self._anything or any(name.endswith(suffix) for suffix in self._suffixes)

    def _literal(self, address: Address) -> bool:
        judged = innermost(address)
        if any(address in network or judged in network for network in self._networks):
            return True
        public = judged.is_global and not any(judged in network for network in _NEVER_BY_NAME)
        return self._anything and public


def canonical_host(host: str) -> str:
    """One spelling of a host: lower case, no trailing dot, no brackets."""
    return host.strip("[]").rstrip(".").lower()


def as_address(text: str) -> Address | None:
    """The address a text writes out; None for names. A zone (`%eth0`) does not hide one."""
    try:
        return ip_address(text.partition("%")[0])
    except ValueError:
        return None


def innermost(address: Address) -> Address:
    """The IPv4 address that an IPv6 address stands for, else the address itself."""
    if isinstance(address, IPv4Address):
        return address
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    embeds_last = any(address in network for network in _NAT64) or 1 < int(address) < 1 << 32
    return IPv4Address(int(address) & 0xFFFF_FFFF) if embeds_last else address


def _network(entry: str) -> Network | None:
    try:
        return ip_network(entry.strip("[]"), strict=False)
    except ValueError:
        return None


class _NotAllowed(OSError):
    """Raised where a socket would be made; the next address of the name may still be allowed."""


@dataclass(slots=True)
class _Dialling:
    """One search for a connection: how many addresses were tried, and which were not allowed."""

    host: str
    tried: int = 0
    refusals: list[str] = field(default_factory=list)


_dialling: Final[ContextVar[_Dialling | None]] = ContextVar("_dialling", default=None)


class EgressConnector(aiohttp.TCPConnector):
    """aiohttp's connection pool, which asks the running call's allow-list first.

    It sees every request on the shared session, also those of a vendor's SDK that was
    given the session.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__(socket_factory=_allowed_socket, **options)

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Any], timeout: aiohttp.ClientTimeout
    ) -> aiohttp.connector.Connection:
        trail = current_trail.get()
        if trail is None:
            raise Refused("a request outside a call: a connector may only send while it is called")
        trail.check_real()
        dialling = _Dialling(req.url.raw_host or "")
        trail.egress.check_host(dialling.host)
        _dialling.set(dialling)
        try:
            connection = await super().connect(req, traces, timeout)
        except aiohttp.ClientConnectorError:
            if dialling.refusals and len(dialling.refusals) == dialling.tried:
                raise Refused(dialling.refusals[0]) from None
            raise
        _check_peer(connection, dialling.host, trail.egress)
        await _still_owned(connection, trail)
        connection_found()
        return connection


async def _still_owned(connection: aiohttp.connector.Connection, trail: Trail) -> None:
    """The last moment before the bytes leave: who was frozen meanwhile sends nothing that changes anything."""
    lease = current_lease.get()
    if lease is None or not trail.changes:
        return
    try:
        await lease()
    except BaseException:
        connection.close()
        raise


def _check_peer(connection: aiohttp.connector.Connection, host: str, egress: Egress) -> None:
    """A pooled connection was dialled for another call: hold it against this call's list too."""
    peer = connection.transport.get_extra_info("peername") if connection.transport else None
    if peer is None:
        return  # closed at this moment: the request will fail, and nothing was sent
    if not egress.may_dial(host, str(peer[0])):
        connection.close()
        raise Refused(egress.refusal(host, str(peer[0])))


def _allowed_socket(target: Any) -> socket.socket:
    family, kind, protocol, _, address = target
    trail, dialling = current_trail.get(), _dialling.get()
    if trail is None or dialling is None:
        raise _NotAllowed("a request outside a call")
    dialling.tried += 1
    if not trail.egress.may_dial(dialling.host, str(address[0])):
        dialling.refusals.append(trail.egress.refusal(dialling.host, str(address[0])))
        raise _NotAllowed(dialling.refusals[-1])
    return socket.socket(family, kind, protocol)
