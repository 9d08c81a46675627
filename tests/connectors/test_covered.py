"""Every shipped connector is held to the contract, by a test file of its name."""

from __future__ import annotations

import importlib
import inspect

import pytest

from soar.connector.registry import ConnectorRegistry
from tests.connectors.contract import ConnectorContract


@pytest.mark.parametrize("connector", ConnectorRegistry.load().names)
def test_it_is_held_to_the_contract(connector: str) -> None:
    """The contract itself asks that each of its actions, with its undo and verify, is among the subject's changes."""
    module = importlib.import_module(f"tests.connectors.test_{connector}")
    held = [
        member
        for _, member in inspect.getmembers(module, inspect.isclass)
        if issubclass(member, ConnectorContract) and member.__module__ == module.__name__
    ]
    assert held, f"tests/connectors/test_{connector}.py has no subclass of ConnectorContract"
