"""The engine's own addresses: what it must never cut itself off from (I02)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from soar.config import Settings


@dataclass(frozen=True, slots=True)
class OwnAddresses:
    """Hosts, each with what it is for. Names count as host names: nothing is looked up."""

    hosts: tuple[tuple[str, str], ...] = ()

    @classmethod
    def of(cls, settings: Settings, connections: Mapping[str, Iterable[str]] | None = None) -> OwnAddresses:
        """Where this server listens and is reached, and the hosts of its connections (`ConnectionSet.hosts`)."""
        hosts = [(settings.address[0], "where this server listens")]
        if settings.public_url:
            hosts.append((urlsplit(settings.public_url).hostname or "", "this server's public address"))
        for name, found in (connections or {}).items():
            hosts += [(host, f"the system behind connection '{name}'") for host in found]
        return cls(tuple(dict.fromkeys((host, what) for host, what in hosts if host)))
