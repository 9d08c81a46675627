"""The slot an execution takes: its playbook and the value of its concurrency key, worked out at opening (S18)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from soar.model.playbook import Playbook


def slot_of(playbook: Playbook, alert: Mapping[str, Any], inputs: Mapping[str, Any]) -> str | None:
    """The slot's key; None where the playbook limits nothing.

    Raises:
        ExpressionFailed: the key cannot be worked out.
        ValueError: it is empty, and executions that have nothing in common would wait for each other.
    """
    if playbook.concurrency is None:
        return None
    scope = {"alert": alert, "inputs": inputs, "vars": {}, "steps": {}, "execution": {"playbook": playbook.id}}
    key = playbook.concurrency.key.render(scope)
    if key is None or (isinstance(key, str) and not key.strip()):
        raise ValueError(
            "its concurrency key is empty: executions that have nothing in common would wait for each other"
        )
    return f"{playbook.id}:{key}"
