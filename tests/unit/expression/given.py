"""A scope to evaluate in, and ways to say what an expression came to."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from soar.errors import ExpressionFailed
from soar.expression import compile_expression, compile_value

SECRET = "hunter2-hunter2"


class Leak:
    """A Python object that should never be in reach; its text is a secret."""

    token = SECRET

    def __str__(self) -> str:
        return SECRET

    __repr__ = __str__


def scope(**alert: Any) -> dict[str, Any]:
    """The names of a running playbook, on an alert with these fields."""
    given = {"user": None, "title": "hello", "severity": "high", "risk_score": 10, "raw": {"a": {"b": [1, 2]}}} | alert
    done = {"status": "succeeded", "output": {"ip": "192.0.2.1", "score": 7}, "error": None}
    skipped = {"status": "skipped", "output": {}, "error": None}
    failed = {"status": "failed", "output": {}, "error": {"step": "f", "kind": "refused", "message": "no"}}
    return {
        "alert": given,
        "inputs": {},
        "vars": {"score": 70, "text": "10", "flag": True},
        "steps": {"done": done, "skipped": skipped, "failed": failed},
        "execution": {"id": "e1", "playbook": "p", "opened_at": "2026-01-31T09:30:00.000Z", "actor": "source:x"},
        "now": datetime(2026, 1, 31, 9, 30, tzinfo=UTC),
    }


def rendered(source: Any, **alert: Any) -> Any:
    """What a value of a playbook becomes."""
    return compile_value(source).render(scope(**alert))


def held(source: str, **alert: Any) -> bool:
    """What a condition comes to."""
    return compile_expression(source).holds(scope(**alert))


def failure(source: Any, **alert: Any) -> str:
    """How a value of a playbook fails, at load or when it runs."""
    with pytest.raises(ExpressionFailed) as caught:
        rendered(source, **alert)
    return str(caught.value)


def undecided(source: str, **alert: Any) -> str:
    """How a condition fails."""
    with pytest.raises(ExpressionFailed) as caught:
        held(source, **alert)
    return str(caught.value)
