"""The sender: signed alerts over kept-alive connections, each followed to its third call at the target."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import orjson

from bench.target import STEPS, ApiCall

SECRET = "a-secret-of-this-benchmark-only"
LOST_AFTER = 60.0
"""Seconds without a third call after which an alert counts as lost."""


def sign(body: bytes, secret: str = SECRET) -> str:
    """The header of the generic source: `sha256=` and the HMAC of the raw body."""
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def alert(ref: str, number: int = 0) -> dict[str, Any]:
    """A SIEM's alert of ordinary size; address and user differ from alert to alert."""
    return {
        "id": ref,
        "title": f"API token of client c-{number} used from a new country",
        "description": "The token was seen from two countries within four minutes. " * 4,
        "rule": {"id": "R-1042", "name": "Token replay"},
        "severity": "high",
        "risk_score": 71,
        "occurred_at": "2026-03-01T03:12:45.120Z",
        "src_ip": f"203.0.113.{number % 250 + 1}",
        "user": f"user-{number}@example.com",
        "client_id": f"c-{number}",
        "method": "POST",
        "route": "/v1/payouts",
        "request_id": f"req-{ref}",
        "tags": ["api", "payments", "attack.t1528"],
    }


def percentile(values: Sequence[float], share: float) -> float:
    """The value that `share` of all do not exceed; nan when there are none."""
    if not values:
        return float("nan")
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


@dataclass(slots=True)
class Sample:
    """What one stretch of load showed. Times are seconds."""

    seconds: float = 0.0
    finished: int = 0
    """Within the measured seconds."""
    carried: int = 0
    """Also those of the warm-up and of the end."""
    refused: int = 0
    """Answers other than 202 (429, 503): sent again after a pause."""
    lost: int = 0
    accept: list[float] = field(default_factory=list)
    whole: list[float] = field(default_factory=list)
    """Webhook sent to last action arrived."""

    @property
    def rate(self) -> float:
        return self.finished / self.seconds if self.seconds else 0.0


class Tracker:
    """Knows which alerts are under way, and rings when one's third call arrives."""

    def __init__(self) -> None:
        self.calls = 0
        self._awaited: dict[str, asyncio.Future[float]] = {}

    def on_call(self, call: ApiCall) -> None:
        self.calls += 1
        if call.path == STEPS[-1]:
            ring = self._awaited.pop(call.ref, None)
            if ring is not None and not ring.done():
                ring.set_result(call.at)

    def expect(self, ref: str) -> asyncio.Future[float]:
        ring: asyncio.Future[float] = asyncio.get_running_loop().create_future()
        self._awaited[ref] = ring
        return ring

    def forget(self, ref: str) -> None:
        self._awaited.pop(ref, None)


class Load:
    """A sender bound to one webhook."""

    def __init__(self, session: aiohttp.ClientSession, url: str, tracker: Tracker) -> None:
        self._session = session
        self._url = url
        self._tracker = tracker
        self._refs = _references()

    async def closed(self, in_flight: int, *, warm: float, seconds: float) -> Sample:
        """Keep so many alerts under way; only what ends after the warm-up counts."""
        sample = Sample(seconds=seconds)
        start = time.perf_counter() + warm
        end = start + seconds

        async def worker() -> None:
            while time.perf_counter() < end:
                await self._one(sample, start, end)

        async with asyncio.TaskGroup() as group:
            for _ in range(in_flight):
                group.create_task(worker())
        return sample

    async def paced(self, per_second: float, *, seconds: float) -> Sample:
        """Send at a fixed pace whatever becomes of the ones before."""
        sample = Sample(seconds=seconds)
        start = time.perf_counter()
        async with asyncio.TaskGroup() as group:
            for number in range(int(per_second * seconds)):
                await asyncio.sleep(max(0.0, start + number / per_second - time.perf_counter()))
                group.create_task(self._one(sample, start, float("inf")))
        return sample

    async def _one(self, sample: Sample, start: float, end: float) -> None:
        number, ref = next(self._refs)
        body = orjson.dumps(alert(ref, number))
        ring = self._tracker.expect(ref)
        sent = time.perf_counter()
        if not await self._accepted(body, sample):
            self._tracker.forget(ref)
            return
        accepted = time.perf_counter()
        if start <= accepted < end:
            sample.accept.append(accepted - sent)
        try:
            at = await asyncio.wait_for(ring, LOST_AFTER)
        except TimeoutError:
            sample.lost += 1
            return
        sample.carried += 1
        if start <= at < end:
            sample.finished += 1
            sample.whole.append(at - sent)

    async def _accepted(self, body: bytes, sample: Sample) -> bool:
        headers = {"X-Signature": sign(body), "Content-Type": "application/json"}
        async with self._session.post(self._url, data=body, headers=headers) as reply:
            await reply.read()
            if reply.status == 202:
                return True
        sample.refused += 1
        await asyncio.sleep(0.05)
        return False


def _references() -> Iterator[tuple[int, str]]:
    """Ids no other run has used, so that nothing is taken for a duplicate."""
    stamp = f"{time.time_ns():x}"
    for number in itertools.count():
        yield number, f"{stamp}-{number}"


async def drained(tracker: Tracker, quiet: float = 0.3, limit: float = 30.0) -> None:
    """Wait until the target has heard nothing for a moment: no alert of one stretch runs into the next."""
    until = time.perf_counter() + limit
    seen = -1
    while tracker.calls != seen and time.perf_counter() < until:
        seen = tracker.calls
        await asyncio.sleep(quiet)
