"""Take one delivery: verified, read within limits, kept and deduplicated before the sender hears a 202."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from soar.clock import Clock
from soar.config import LimitSettings
from soar.errors import DeliveryTooLarge, DeliveryTooSlow, IntakeBusy, SenderRefused, SourceUnknown
from soar.ids import new_id
from soar.ingest.address import client_address
from soar.ingest.body import read_json, unpack, write_json
from soar.ingest.hops import hops_in
from soar.ingest.signature import Evidence
from soar.ingest.source import Element, Network, Source
from soar.model.alert import KeptAlert, RawAlert
from soar.telemetry import ALERTS


@dataclass(slots=True)
class Delivery:
    """One request of a sender, not yet believed."""

    headers: Sequence[tuple[bytes, bytes]]
    """As they came, names in lower case."""
    chunks: AsyncIterator[bytes]
    path_token: str | None = None
    peer: str | None = None
    """The address the connection came from."""

    def all(self, name: bytes) -> list[bytes]:
        """Every value of a header."""
        return [value for key, value in self.headers if key == name]


class Keeper(Protocol):
    """The part of the store that keeps raw alerts."""

    async def keep(self, alerts: Sequence[RawAlert]) -> list[KeptAlert]: ...


class Intake:
    """The one door alerts come in by."""

    def __init__(
        self,
        sources: Mapping[str, Source],
        alerts: Keeper,
        clock: Clock,
        limits: LimitSettings,
        *,
        proxies: Sequence[Network] = (),
        on_kept: Callable[[], None] = lambda: None,
    ) -> None:
        self._sources = sources
        self._alerts = alerts
        self._clock = clock
        self._limits = limits
        self._proxies = proxies
        self._on_kept = on_kept
        self._taking = 0

    async def receive(self, name: str, delivery: Delivery) -> list[KeptAlert]:
        """Verify, read and keep a delivery; every alert in it is on disk when this returns.

        Raises:
            SourceUnknown, SenderRefused, SignatureInvalid: it is not taken from this sender.
            DeliveryMalformed, DeliveryTooLarge, DeliveryTooSlow: it cannot be read.
            IntakeBusy, StoreUnavailable: the sender should try again; nothing was kept.
        """
        source = self._sources.get(name)
        if source is None:
            raise SourceUnknown(f"there is no source '{name[:64]}'")
        if self._taking >= self._limits.deliveries:
            raise IntakeBusy("too many deliveries at one time; send this one again")
        self._taking += 1
        try:
            return await self._receive(source, delivery)
        finally:
            self._taking -= 1

    async def _receive(self, source: Source, delivery: Delivery) -> list[KeptAlert]:
        self._admit(source, delivery)
        evidence = Evidence(delivery.headers, delivery.path_token)
        if not source.verifier.needs_body:
            source.verifier.verify(evidence, self._clock.now())
        body = await self._read(delivery)
        if source.verifier.needs_body:
            source.verifier.verify(Evidence(delivery.headers, delivery.path_token, body), self._clock.now())
        unpacked = unpack(body, _encoding(delivery), self._limits.body_bytes)
        raw = self._raw_alerts(source, unpacked, hops_in(delivery.headers))
        if not raw:
            return []
        kept = await self._alerts.keep(raw)
        self._count(source, kept)
        self._on_kept()
        return kept

    def _admit(self, source: Source, delivery: Delivery) -> None:
        if not source.networks:
            return
        address = client_address(delivery.peer, delivery.all(b"x-forwarded-for"), self._proxies)
        if not source.allows(address):
            raise SenderRefused(f"deliveries to '{source.name}' are not taken from this address")

    async def _read(self, delivery: Delivery) -> bytes:
        """The raw body, given up as soon as it passes the limit or takes too long."""
        limit = self._limits.body_bytes
        for declared in delivery.all(b"content-length"):
            if declared.isdigit() and int(declared) > limit:
                raise DeliveryTooLarge(f"the body is over {limit} bytes")
        parts: list[bytes] = []
        size = 0
        try:
            async with asyncio.timeout(self._limits.read_timeout):
                async for chunk in delivery.chunks:
                    size += len(chunk)
                    if size > limit:
                        raise DeliveryTooLarge(f"the body is over {limit} bytes")
                    parts.append(chunk)
        except TimeoutError:
            raise DeliveryTooSlow(f"the body did not arrive within {self._limits.read_timeout:g} s") from None
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def _raw_alerts(self, source: Source, body: bytes, hops: int) -> list[RawAlert]:
        content = read_json(body, self._limits.depth)
        elements = source.elements(content)
        if len(elements) > self._limits.alerts:
            raise DeliveryTooLarge(
                f"the delivery holds {len(elements)} alerts, over the limit of {self._limits.alerts}"
            )
        now = self._clock.now()
        whole = isinstance(content, dict) and len(elements) == 1 and elements[0].body is content
        return [
            RawAlert(
                id=new_id(),
                source=source.name,
                dedupe_key=source.key(element),
                received_at=now,
                body=body if whole else write_json(element.body),
                envelope=_envelope(element),
                hops=hops,
            )
            for element in elements
        ]

    def _count(self, source: Source, kept: Sequence[KeptAlert]) -> None:
        duplicates = sum(alert.duplicate for alert in kept)
        ALERTS.labels(source.name, "duplicate").inc(duplicates)
        ALERTS.labels(source.name, "received").inc(len(kept) - duplicates)


def _envelope(element: Element) -> bytes | None:
    return write_json(element.envelope) if element.envelope else None


def _encoding(delivery: Delivery) -> str:
    return ",".join(value.decode("latin-1").strip().lower() for value in delivery.all(b"content-encoding"))
