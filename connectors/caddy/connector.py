"""Caddy: turn client addresses and API clients away through two routes of the engine's own.

Each containment is one matcher set with its own `@id` in the route's list, made from the call's key. So the same
call is found again, two calls never share an entry, and what a person wrote into the route is never touched.
"""

from __future__ import annotations

from typing import Any, Final

from pydantic import Field

from soar.sdk import (
    Call,
    ClientTarget,
    Health,
    HttpConnector,
    HttpSettings,
    NetworkTarget,
    OutcomeUnknown,
    Params,
    Refused,
    Reply,
    Result,
    Unavailable,
    action,
)

_TRIES: Final = 5
_CHANGED_MEANWHILE: Final = 412


class CaddySettings(HttpSettings):
    """Where the admin API is, and which routes are the engine's."""

    block_route: str = Field(default="soar-block", pattern=r"^[A-Za-z0-9_-]+$")
    """`@id` of the route that refuses client addresses."""
    quarantine_route: str = Field(default="soar-quarantine", pattern=r"^[A-Za-z0-9_-]+$")
    """`@id` of the route that refuses clients by a header."""
    client_header: str = Field(default="X-Api-Key", pattern=r"^[A-Za-z0-9-]+$")
    """The request header that names the client."""


class BlockIp(Params):
    ip: NetworkTarget
    """Client address or network to turn away."""
    reason: str = ""
    """Kept in the engine's history; Caddy's configuration has no place for it."""


class QuarantineClient(Params):
    client_id: ClientTarget
    """Value of the client header to turn away."""
    reason: str = ""
    """Kept in the engine's history; Caddy's configuration has no place for it."""


class Denied(Result):
    entry: str = Field(examples=["soar-block-3k9x1m"])
    """`@id` of our entry in the route."""


class Caddy(HttpConnector):
    """Refuse requests at a Caddy server, by client address or by client."""

    name = "caddy"
    settings: CaddySettings

    @action(risk="medium", idempotent=True)
    async def block_ip(self, params: BlockIp, call: Call) -> Denied:
        """Refuse every request from one client address or network."""
        return await self._deny(self.settings.block_route, call, _address(params))

    @block_ip.undo
    async def unblock_ip(self, done: Denied) -> None:
        """Remove our entry, and only ours; one already gone is undone."""
        await self._allow(done)

    @block_ip.verify
    async def find_block(self, params: BlockIp, call: Call) -> Denied | None:
        """Whether our entry for this call stands in the route."""
        return await self._find({"@id": f"{self.settings.block_route}-{call.key}", **_address(params)})

    @action(risk="high", idempotent=True)
    async def quarantine_client(self, params: QuarantineClient, call: Call) -> Denied:
        """Refuse every request of one API client."""
        return await self._deny(self.settings.quarantine_route, call, self._client(params))

    @quarantine_client.undo
    async def release_client(self, done: Denied) -> None:
        """Remove our entry, and only ours; one already gone is undone."""
        await self._allow(done)

    @quarantine_client.verify
    async def find_quarantine(self, params: QuarantineClient, call: Call) -> Denied | None:
        """Whether our entry for this call stands in the route."""
        return await self._find({"@id": f"{self.settings.quarantine_route}-{call.key}", **self._client(params)})

    async def health(self) -> Health:
        """Both routes are there and refuse."""
        for route in (self.settings.block_route, self.settings.quarantine_route):
            reply = await self.http.get(f"id/{route}", accept={404})
            if reply.status_code == 404:
                return Health(ok=False, detail=f'{self.http.origin} has no route with "@id": "{route}"')
            if not reply.json().get("terminal"):
                return Health(ok=False, detail=f"route {route} is not terminal: a refused request would go on")
        return Health(ok=True, detail=f"{self.http.origin} has both routes")

    def _client(self, params: QuarantineClient) -> dict[str, Any]:
        return {"header": {self.settings.client_header: [params.client_id]}}

    async def _deny(self, route: str, call: Call, matcher: dict[str, Any]) -> Denied:
        """Append our matcher set, unless the list changed since it was read: then look again."""
        entry = {"@id": f"{route}-{call.key}", **matcher}
        for _ in range(_TRIES):
            if found := await self._find(entry):
                return found
            etag = (await self.http.get(f"id/{route}/match")).headers.get("etag")
            reply = await self.http.post(
                f"id/{route}/match",
                json=entry,
                headers={"If-Match": etag} if etag else {},
                accept={_CHANGED_MEANWHILE, 400, 500},
            )
            if reply.status_code < 300:
                return Denied(entry=entry["@id"])
            if reply.status_code != _CHANGED_MEANWHILE and not await self._find(entry):
                # Caddy answers 500 with the reason when it rejects a configuration, and keeps the one it had.
                raise _rejected(reply)
        raise Unavailable(f"route {route} was changed by others {_TRIES} times in a row")

    async def _allow(self, done: Denied) -> None:
        reply = await self.http.delete(f"id/{done.entry}", accept={404, 500})
        if reply.status_code == 500 and await self._standing(done.entry) is not None:
            raise _rejected(reply)

    async def _find(self, entry: dict[str, Any]) -> Denied | None:
        standing = await self._standing(entry["@id"])
        if standing is None:
            return None
        if standing != entry:
            raise Refused(
                f"entry {entry['@id']} stands in Caddy with another content than we wrote; look at it by hand"
            )
        return Denied(entry=entry["@id"])

    async def _standing(self, entry: str) -> Any:
        reply = await self.http.get(f"id/{entry}", accept={404})
        return None if reply.status_code == 404 else reply.json()


def _address(params: BlockIp) -> dict[str, Any]:
    return {"client_ip": {"ranges": [params.ip]}}


def _rejected(reply: Reply) -> Refused | OutcomeUnknown:
    if reply.status_code < 500 or reply.text.lstrip().startswith('{"error"'):
        return Refused(f"Caddy rejected the change and kept its configuration: {reply.excerpt()}")
    return OutcomeUnknown(f"something before Caddy answered {reply.status_code}: {reply.excerpt()}")
