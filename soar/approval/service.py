"""Everything by which people are asked and answer, in one process: the courier out, the desk in, and who listens."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import structlog

from soar.approval.courier import Courier
from soar.approval.desk import Desk
from soar.approval.destinations import Channels, Destinations
from soar.approval.notices import Notices
from soar.clock import Clock
from soar.config import PersonSettings
from soar.connector.channel import AnsweringChannel
from soar.errors import SignatureInvalid
from soar.model.notice import Interaction
from soar.playbook import Staff
from soar.store import Store

log = structlog.get_logger(__name__)

ACK: Final = 2.0
"""Seconds an answer may take to be stored before it is acknowledged all the same: Slack waits for 3."""


class ApprovalService:
    """Started with the engine, and stopped with it."""

    def __init__(
        self,
        store: Store,
        connections: Channels,
        notices: Notices,
        destinations: Destinations,
        staff: Callable[[], Staff],
        people: Mapping[str, PersonSettings],
        clock: Clock,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        async def woken() -> None:
            self.courier.wake()
            await settled()

        self._connections = connections
        self._clock = clock
        self.notices = notices
        self.courier = Courier(store, connections, notices, destinations, clock)
        self.desk = Desk(store, connections, people, staff, clock, woken)
        self._running: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Carry and listen until stopped."""
        self._running.append(asyncio.create_task(self.courier.run()))
        for name, channel in self._answering().items():
            if channel.listens:
                self._running.append(asyncio.create_task(channel.listen(partial(self.desk.take, name))))

    async def stop(self, grace: float) -> None:
        """Take nothing more in, and let what is under way be stored and sent."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        self._running.clear()
        await self.desk.stop(grace)
        await self.courier.stop(grace)

    async def deliver(self, body: bytes, headers: Mapping[str, str]) -> None:
        """Take in what a channel's service has sent here; back within a time that such a service waits.

        Raises:
            SignatureInvalid: it is from no channel of ours; whether there is one is not told.
            DeliveryMalformed: it is, and cannot be read.
            StoreError: the answer could not be stored.
        """
        name, interaction = self._opened(body, headers)
        if interaction is None:
            return
        task = self.desk.begin(name, interaction)
        done, _ = await asyncio.wait({task}, timeout=ACK)
        if done:
            await task
        else:
            log.warning("an answer is acknowledged before it is stored: the store is slow", connection=name)

    def _opened(self, body: bytes, headers: Mapping[str, str]) -> tuple[str, Interaction | None]:
        refused = SignatureInvalid("no connection of soar.yaml takes answers here; see docs/slack.md")
        for name, channel in self._answering().items():
            try:
                return name, channel.opened(body, headers, self._clock.now() / 1000)
            except SignatureInvalid as error:
                refused = error
        log.warning("a delivery was refused", reason=str(refused))
        raise refused

    def _answering(self) -> dict[str, AnsweringChannel]:
        found = {name: self._connections.channel(name) for name in self._connections.channels()}
        return {name: channel for name, channel in found.items() if isinstance(channel, AnsweringChannel)}
