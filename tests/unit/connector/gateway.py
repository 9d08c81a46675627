"""A small connector, as an author writes it, for the tests of what surrounds connectors."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address

from soar.sdk import Call, Health, HttpConnector, Params, Refused, Result, action


class BlockIp(Params):
    ip: IPv4Address | IPv6Address
    """Client address to turn away."""
    reason: str = "soar"
    """Shown beside the rule."""


class Blocked(Result):
    rule_id: str
    """The gateway's name for the rule."""


class LookUp(Params):
    name: str
    """What to look up."""


class Found(Result):
    text: str
    """What was found."""


class Gateway(HttpConnector):
    """Turn client addresses away."""

    name = "gateway"
    required_secrets = {"token": "The gateway's token."}  # noqa: RUF012

    @action(risk="high")
    async def block_ip(self, params: BlockIp, call: Call) -> Blocked:
        """Deny every request from one client address."""
        await self.http.put(f"/rules/{call.key}", json={"ip": str(params.ip), "note": params.reason})
        return Blocked(rule_id=call.key)

    @block_ip.undo
    async def unblock_ip(self, done: Blocked) -> None:
        """Remove our rule."""
        await self.http.delete(f"/rules/{done.rule_id}", accept={404})

    @block_ip.verify
    async def find_block(self, params: BlockIp, call: Call) -> Blocked | None:
        """Is the rule there?"""
        reply = await self.http.get(f"/rules/{call.key}", accept={404})
        return Blocked(rule_id=call.key) if reply.status_code == 200 else None

    @action(changes=False)
    async def look_up(self, params: LookUp, call: Call) -> Found:
        """Read something."""
        reply = await self.http.get("/things", params={"name": params.name})
        return Found(text=reply.text)

    @action
    async def two_steps(self, params: LookUp, call: Call) -> Found:
        """Change two things, one after the other."""
        await self.http.post("/first", json=params.name)
        await self.http.post("/second", json=params.name)
        return Found(text="both")

    @action
    async def log_in_first(self, params: LookUp, call: Call) -> Found:
        """Ask for a session, then change something."""
        await self.http.post("/login", changes=False)
        reply = await self.http.post("/first")
        if reply.text == "pending":
            raise Refused("the gateway says it will not")
        return Found(text=reply.json()["text"])

    @action
    async def look_after(self, params: LookUp, call: Call) -> Found:
        """Change something, then read what it came to."""
        await self.http.post("/first", json=params.name)
        return Found(text=(await self.http.get("/second")).json()["text"])

    async def health(self) -> Health:
        reply = await self.http.get("/status")
        return Health(ok=reply.json()["ready"], detail="gateway")
