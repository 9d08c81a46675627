"""A connector as an author writes it. mypy must find nothing here, and know every type."""

from ipaddress import IPv4Address
from typing import assert_type

from soar.sdk import Call, Connector, Health, HttpConnector, HttpSettings, Params, Reply, Result, action


class Block(Params):
    ip: IPv4Address
    """Whom to turn away."""


class Blocked(Result):
    rule_id: str
    """The rule."""


class GatewaySettings(HttpSettings):
    zone: str = "edge"
    """Whose rules are ours."""


class Gateway(HttpConnector):
    name = "gateway"
    required_secrets = {"token": "An API token."}  # noqa: RUF012
    settings: GatewaySettings

    @action
    async def block(self, params: Block, call: Call) -> Blocked:
        """Turn away."""
        reply = await self.http.put(f"/{self.settings.zone}/{call.key}", json={"ip": str(params.ip)})
        assert_type(reply, Reply)
        assert_type(self.settings.zone, str)
        return Blocked(rule_id=call.key)

    @block.undo
    async def unblock(self, done: Blocked) -> None:
        """Let in."""
        await self.http.delete(f"/rules/{done.rule_id}", accept={404})

    @block.verify
    async def find(self, params: Block, call: Call) -> Blocked | None:
        """Is it there?"""
        return None

    @action(changes=False, risk="low", timeout=5)
    async def look(self, params: Block, call: Call) -> Blocked:
        """Look."""
        return await self.block(params, call)

    @action(idempotent=lambda settings: settings.zone == "edge", target="ip")
    async def again(self, params: Block, call: Call) -> Blocked:
        """Again."""
        return Blocked(rule_id=call.key)


class Plain(Connector):
    name = "plain"

    @action
    async def act(self, params: Block, call: Call) -> Blocked:
        """Act."""
        return Blocked(rule_id=self.secret("token") or "")

    async def health(self) -> Health:
        return Health(ok=True)


async def use(gateway: Gateway) -> None:
    done = await gateway.block(Block(ip=IPv4Address("192.0.2.1")), Call("key"))
    assert_type(done, Blocked)
    assert_type(await gateway.unblock(done), None)
    assert_type(await gateway.find(Block(ip=IPv4Address("192.0.2.1")), Call("key")), Blocked | None)
