from __future__ import annotations

from typing import Any

import pytest
from pydantic import Field

from soar.connector.base import Call, Connector, Health, HttpConnector, Params, Result, Settings, action
from soar.connector.definition import define
from soar.errors import ConnectorDefinitionError
from tests.unit.connector.gateway import Gateway


class Nothing(Params):
    pass


class Thing(Params):
    first: str
    """The first."""
    second: str
    """The second."""


class Done(Result):
    pass


class Patterned(Result):
    code: str = Field(pattern="^[0-9]{6}$")
    """Six digits."""


class Mine(Settings):
    quiet: bool = True
    """Whether to be quiet."""


class Base(Connector):
    async def health(self) -> Health:
        return Health(ok=True)


def problems(connector: type[Connector]) -> str:
    with pytest.raises(ConnectorDefinitionError) as caught:
        define(connector)
    assert "test_definition.py:" in str(caught.value)  # with its place
    return str(caught.value)


def test_a_connector_becomes_specs() -> None:
    definition = define(Gateway)
    spec = definition.actions["block_ip"].spec("edge", "gateway", Settings(), None)
    assert spec.name == "edge.block_ip"
    assert spec.summary == "Deny every request from one client address."
    assert (spec.changes, spec.idempotent, spec.verifies, spec.undo, spec.risk) == (
        True,
        False,
        True,
        "unblock_ip",
        "high",
    )
    assert spec.params["required"] == ["ip"]
    assert spec.params["properties"]["ip"]["description"] == "Client address to turn away."
    assert spec.example == {"rule_id": "example"}
    assert spec.timeout == 30
    read = definition.actions["look_up"].spec("edge", "gateway", Settings(), 5)
    assert (read.changes, read.idempotent, read.undo, read.risk, read.timeout) == (False, True, None, "low", 5)
    assert definition.summary == "Turn client addresses away."
    assert definition.settings_schema["properties"]["base_url"]


def test_the_first_parameter_is_the_target_unless_another_is_named() -> None:
    class Two(Base):
        name = "two"

        @action
        async def contain(self, params: Thing, call: Call) -> Done:
            """Contain."""
            return Done()

        @contain.undo
        async def release(self, done: Done) -> None: ...

        @action(target="second")
        async def also(self, params: Thing, call: Call) -> Done:
            """Contain."""
            return Done()

        @also.undo
        async def also_release(self, done: Done) -> None: ...

    actions = define(Two).actions
    assert (actions["contain"].target, actions["also"].target) == ("first", "second")


def test_settings_are_what_the_class_says_and_idempotence_may_hang_on_them() -> None:
    class Own(Base):
        name = "own"
        settings: Mine

        @action(idempotent=lambda settings: settings.quiet)
        async def act(self, params: Nothing, call: Call) -> Done:
            """Act."""
            return Done()

    definition = define(Own)
    assert definition.settings is Mine
    assert definition.actions["act"].spec("c", "own", Mine(quiet=True), None).idempotent
    assert not definition.actions["act"].spec("c", "own", Mine(quiet=False), None).idempotent


def test_everything_wrong_is_told_at_once() -> None:
    class Wrong(Connector):
        name = "Wrong Name"

        @action
        async def silent(self, params: Nothing, call: Call) -> Done:
            return Done()

        @action
        def blocking(self, params: Nothing, call: Call) -> Any:
            """Not async."""

        @action(target="third")
        async def aimless(self, params: Thing, call: Call) -> Done:
            """Aim at nothing."""
            return Done()

        @action
        async def unexemplary(self, params: Nothing, call: Call) -> Patterned:
            """Give what no example can be made of."""
            return Patterned(code="123456")

        @action(changes=False)
        async def read(self, params: Thing, call: Call) -> Done:
            """Read."""
            return Done()

        @read.undo
        async def unread(self, done: Patterned) -> None: ...  # type: ignore[arg-type]

    text = problems(Wrong)
    for part in (
        "no usable name",
        "cannot be asked whether it works",
        "'silent' has no docstring",
        "'blocking' has another signature",
        "names 'third' as its target",
        "no example of Patterned",
        "changes nothing, yet has an undo",
        "'unread' has another signature",
    ):
        assert part in text


def test_a_connector_needs_actions() -> None:
    class Empty(Base):
        name = "empty"

    assert "without actions" in problems(Empty)


def test_an_undo_needs_something_to_aim_at() -> None:
    class Aimless(Base):
        name = "aimless"

        @action
        async def act(self, params: Nothing, call: Call) -> Done:
            """Act."""
            return Done()

        @act.undo
        async def unact(self, done: Done) -> None: ...

    assert "contains nothing that it names" in problems(Aimless)


def test_an_action_is_called_like_any_method() -> None:
    assert Gateway.block_ip.name == "block_ip"
    assert issubclass(Gateway, HttpConnector)
