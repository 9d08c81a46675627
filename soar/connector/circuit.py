"""A circuit breaker: a system that fails again and again is left alone for a while.

Only performing is held back. `verify` and `health` are reads that tell how the system is, and a lift must not use up
its tries on the circuit's account; what they meet is counted all the same, so their success closes the circuit.
"""

from __future__ import annotations

from typing import Final, Literal

from soar.clock import Clock
from soar.model.action import Outcome
from soar.telemetry import CIRCUIT_OPEN

CircuitState = Literal["closed", "open", "half_open"]

_FAILED: Final = frozenset({"unavailable", "unknown"})
_BESIDE_A_TRIAL: Final = 2.0
"""Seconds after which a call asks again while another one is trying the system out."""


class Circuit:
    """The breaker of one connection, in this process."""

    def __init__(self, connection: str, clock: Clock, failures: int, pause: float) -> None:
        self._connection = connection
        self._clock = clock
        self._limit = failures
        self._pause = pause
        self._failed = 0
        self._opens_again: float | None = None
        """When the pause is over, by the monotonic clock; None while the circuit is closed."""
        self._trial = False
        CIRCUIT_OPEN.labels(connection).set(0)

    @property
    def state(self) -> CircuitState:
        """`half_open`: the pause is over, and one call at a time may try."""
        if self._opens_again is None:
            return "closed"
        return "open" if self._clock.monotonic() < self._opens_again else "half_open"

    def enter(self) -> Outcome | None:
        """None lets a call through, and its end must be told to `leave`; else what becomes of it without being sent."""
        state = self.state
        if state == "half_open" and not self._trial:
            self._trial = True
            return None
        if self._opens_again is None:
            return None
        left = self._opens_again - self._clock.monotonic() if state == "open" else _BESIDE_A_TRIAL
        message = (
            f"connection '{self._connection}' failed {self._failed} times in a row and is left alone for now;"
            f" nothing was sent, it is tried again in {left:.0f} s"
        )
        return Outcome("unavailable", message=message, retry_after=left, sent=False)

    def leave(self, outcome: Outcome | None) -> None:
        """Note what became of a call that was let through; None when it was cut and tells nothing."""
        self._trial = False
        if outcome is not None:
            self.note(outcome)

    def note(self, outcome: Outcome) -> None:
        """Count one answer, or the want of one. A refusal is an answer."""
        if outcome.kind not in _FAILED:
            self._failed, self._opens_again = 0, None
            CIRCUIT_OPEN.labels(self._connection).set(0)
            return
        self._failed += 1
        if self._failed >= self._limit:
            pause = max(self._pause, outcome.retry_after or 0.0)  # S17: a system that names a longer pause gets it
            self._opens_again = self._clock.monotonic() + pause
            CIRCUIT_OPEN.labels(self._connection).set(1)
