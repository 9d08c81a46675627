"""HAProxy: turn client addresses and API clients away through two maps, at run time.

A blocked address carries our key as its value, so our entry is told from anybody else's. A client's entry is its
mode; the mode it had before is kept in the result and given back.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from pathlib import Path

from pydantic import Field, field_validator

from connectors.haproxy.map_file import write_entry
from connectors.haproxy.runtime import Runtime
from soar.sdk import (
    Call,
    ClientTarget,
    Connector,
    Health,
    NetworkTarget,
    OutcomeUnknown,
    Params,
    Refused,
    Result,
    Settings,
    action,
)


class HaproxySettings(Settings):
    """Where the runtime socket is, and which maps are the engine's."""

    socket: str
    """Path of the stats socket (level admin), or `host:port` where it listens on TCP."""
    ip_map: str = "/etc/haproxy/maps/soar-ips.map"
    """Map of client addresses to refuse, as HAProxy's configuration names it."""
    client_map: str = "/etc/haproxy/maps/soar-clients.map"
    """Map of clients to their mode, as HAProxy's configuration names it."""
    quarantine_value: str = Field(default="quarantine", pattern=r"^[A-Za-z0-9_-]+$")
    """The mode that HAProxy's configuration refuses."""
    write_map_files: bool = False
    """Write the map files too, so that a reload keeps the entries. Needs the files on this machine, writable."""

    @field_validator("socket")
    @classmethod
    def _is_address(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if not value.startswith("/") and not (host and port.isdigit() and 0 < int(port) < 65536):
            raise ValueError("is neither an absolute path nor host:port; write /run/haproxy/admin.sock")
        return value

    @field_validator("ip_map", "client_map")
    @classmethod
    def _is_one_word(cls, value: str) -> str:
        if not value or any(character.isspace() or character in ";\\<" for character in value):
            raise ValueError(
                "must be a path without spaces, ';', '<' or backslash: HAProxy reads it as part of a command"
            )
        return value


class BlockIp(Params):
    ip: NetworkTarget
    """Client address or network to turn away."""
    reason: str = ""
    """Kept in the engine's history; the map holds our key, which leads there."""


class QuarantineClient(Params):
    client_id: ClientTarget
    """The client's key in the map."""
    reason: str = ""
    """Kept in the engine's history."""


class Blocked(Result):
    ip: str = Field(examples=["203.0.113.9"])
    """The key of our entry."""
    value: str = Field(examples=["soar-3k9x1m"])
    """Its value: ours, or that of whoever had blocked it before."""
    ours: bool = True
    """False when the address was blocked by somebody else already; then taking it back leaves it."""


class Quarantined(Result):
    client_id: str = Field(examples=["c-42"])
    """The key of the entry."""
    previous: str | None = None
    """The mode it had before, which is given back; null when it had none."""
    ours: bool = True
    """False when the client was in quarantine already; then taking it back leaves it."""


class Haproxy(Connector):
    """Refuse requests at an HAProxy, by client address or by client, through its runtime socket."""

    name = "haproxy"
    settings: HaproxySettings

    async def open(self) -> None:
        """Nothing is held open: HAProxy takes one command per connection."""
        self._runtime = Runtime(self.settings.socket)
        # Looking and writing are two commands: calls for one map of this connection take turns.
        self._turns: defaultdict[str, asyncio.Lock] = defaultdict(asyncio.Lock)

    @action(risk="medium", idempotent=True)
    async def block_ip(self, params: BlockIp, call: Call) -> Blocked:
        """Refuse every request from one client address or network."""
        async with self._turns[self.settings.ip_map]:
            standing = (await self._runtime.entries(self.settings.ip_map)).get(params.ip)
            if standing is None:
                await self._runtime.add(self.settings.ip_map, params.ip, _mark(call))
                standing = _mark(call)
            await self._keep(self.settings.ip_map, params.ip, standing)
        return Blocked(ip=params.ip, value=standing, ours=standing.startswith("soar-"))

    @block_ip.undo
    async def unblock_ip(self, done: Blocked) -> None:
        """Remove our entry; one that is gone, or is somebody else's, is left as it is."""
        async with self._turns[self.settings.ip_map]:
            standing = (await self._runtime.entries(self.settings.ip_map)).get(done.ip)
            if done.ours and standing in (done.value, None):
                await self._runtime.delete(self.settings.ip_map, done.ip)
                await self._keep(self.settings.ip_map, done.ip, None)

    @block_ip.verify
    async def find_block(self, params: BlockIp, call: Call) -> Blocked | None:
        """Whether the address is in the map."""
        standing = (await self._runtime.entries(self.settings.ip_map)).get(params.ip)
        return None if standing is None else Blocked(ip=params.ip, value=standing, ours=standing.startswith("soar-"))

    # Not idempotent: the map keeps a mode and no key, so a second call cannot tell our entry from one set by hand.
    @action(risk="high", idempotent=False)
    async def quarantine_client(self, params: QuarantineClient, call: Call) -> Quarantined:
        """Refuse every request of one API client."""
        async with self._turns[self.settings.client_map]:
            standing = (await self._runtime.entries(self.settings.client_map)).get(params.client_id)
            await self._set_mode(params.client_id, standing, self.settings.quarantine_value)
        if standing == self.settings.quarantine_value:
            return Quarantined(client_id=params.client_id, ours=False)
        return Quarantined(client_id=params.client_id, previous=standing)

    @quarantine_client.undo
    async def release_client(self, done: Quarantined) -> None:
        """Give back the mode the client had; a mode that somebody set meanwhile stays."""
        async with self._turns[self.settings.client_map]:
            standing = (await self._runtime.entries(self.settings.client_map)).get(done.client_id)
            if done.ours and standing in (self.settings.quarantine_value, None):
                await self._set_mode(done.client_id, standing, done.previous)

    @quarantine_client.verify
    async def find_quarantine(self, params: QuarantineClient, call: Call) -> Quarantined | None:
        """Whether the client is in quarantine. Which mode it had before cannot be told any more."""
        standing = (await self._runtime.entries(self.settings.client_map)).get(params.client_id)
        return Quarantined(client_id=params.client_id) if standing == self.settings.quarantine_value else None

    async def health(self) -> Health:
        """The socket answers and both maps are loaded."""
        version = await self._runtime.version()
        for name in (self.settings.ip_map, self.settings.client_map):
            try:
                await self._runtime.entries(name)
            except Refused as refused:
                return Health(ok=False, detail=f"{version}: {refused}")
        return Health(ok=True, detail=f"{version}, both maps loaded")

    async def _set_mode(self, client_id: str, standing: str | None, wanted: str | None) -> None:
        client_map = self.settings.client_map
        if wanted is None:
            await self._runtime.delete(client_map, client_id)
        elif standing is None:
            await self._runtime.add(client_map, client_id, wanted)
        elif standing != wanted:
            await self._runtime.set(client_map, client_id, wanted)
        await self._keep(client_map, client_id, wanted)

    async def _keep(self, map_file: str, key: str, value: str | None) -> None:
        if not self.settings.write_map_files:
            return
        try:
            await asyncio.to_thread(write_entry, Path(map_file), key, value)
        except OSError as error:
            raise OutcomeUnknown(
                f"the change is live in HAProxy but {map_file} could not be written ({error.strerror}):"
                " the next reload would forget it; make the file writable, or set write_map_files: false"
            ) from error


def _mark(call: Call) -> str:
    return f"soar-{call.key}"
