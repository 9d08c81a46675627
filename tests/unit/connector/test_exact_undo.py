"""An undo call is kept whole or not at all: one with a masked value would undo nothing and call it done."""

from __future__ import annotations

from typing import Any, ClassVar

from soar.clock import SystemClock
from soar.config import ConnectionSettings
from soar.connector.connections import ConnectionSet
from soar.connector.masking import Masker
from soar.connector.registry import ConnectorRegistry
from soar.connector.secrets import SecretResolver
from soar.model.action import ActionCall, UndoCall
from soar.sdk import Call, Connector, Health, Params, Result, action


class Rule(Params):
    ip: str


class Made(Result):
    rule: str


class Lists(Connector):
    """A deny list whose rule names hold the secret of the connection."""

    name = "lists"
    required_secrets: ClassVar = {"key": "A key."}
    undone: ClassVar[list[str]] = []

    async def health(self) -> Health:
        return Health(ok=True)

    @action(target="ip")
    async def block_ip(self, params: Rule, call: Call) -> Made:
        """Deny one address."""
        return Made(rule=f"{self.secret('key')}-{params.ip}")

    @block_ip.undo
    async def unblock_ip(self, done: Made) -> None:
        self.undone.append(done.rule)

    @block_ip.verify
    async def find(self, params: Rule, call: Call) -> Made | None:
        return Made(rule=f"{self.secret('key')}-{params.ip}")


async def _connections() -> ConnectionSet:
    masker = Masker()
    config = ConnectionSettings(connector="lists", secrets={"key": "env:KEY"})
    secrets = SecretResolver(masker, environ={"KEY": "swordfish"})
    built = ConnectionSet(ConnectorRegistry.of(Lists), {"g": config}, secrets, (), SystemClock(), masker)
    await built.start()
    return built


def _undo(**fields: Any) -> UndoCall:
    return UndoCall("g.block_ip", {"ip": "203.0.113.9"}, "k", fields.pop("result", None), "g.unblock_ip", **fields)


async def test_a_masked_result_says_so_and_the_system_is_asked_for_the_real_one() -> None:
    connections = await _connections()
    Lists.undone.clear()
    done = await connections.perform(ActionCall("g.block_ip", {"ip": "203.0.113.9"}, "k", "e", "block", 1, 5.0))
    assert (done.kind, done.exact, done.output) == ("done", False, {"rule": "***-203.0.113.9"})
    assert (await connections.undo(_undo(), key="u", timeout=5.0)).kind == "done"
    assert Lists.undone == ["swordfish-203.0.113.9"]
    await connections.close()


async def test_what_was_not_kept_is_left_to_a_person() -> None:
    connections = await _connections()
    Lists.undone.clear()
    refused = await connections.undo(_undo(exact=False), key="u", timeout=5.0)
    assert refused.kind == "refused"
    assert "by hand" in refused.message
    assert Lists.undone == []
    await connections.close()
