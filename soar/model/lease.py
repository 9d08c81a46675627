"""Whether a call may still go out: asked when it begins, and again once its connection stands, right before its bytes
leave. Between the two a process may have been frozen, and have lost what it owned (S20).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextvars import ContextVar
from typing import Final

Lease = Callable[[], Awaitable[None]]
"""Raises LeaseLost when the execution has another owner."""

current_lease: Final[ContextVar[Lease | None]] = ContextVar("current_lease", default=None)
"""That of the call that is being made; None where nothing is owned."""
