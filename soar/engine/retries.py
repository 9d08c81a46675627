"""How long to wait before trying again: computed from facts, so that every restart computes the same."""

from __future__ import annotations

import hashlib
from typing import Final

from soar.clock import Millis
from soar.model.playbook import Retry

LONGEST_PAUSE: Final = 300.0
"""Seconds; exponential backoff grows no further."""


def pause_after(retry: Retry, number: int, retry_after: float | None, key: str) -> Millis:
    """Milliseconds to wait after try `number` (from 1); what the system asked for is the least.

    Jitter of up to a tenth comes from a hash of the key and the number (S3), so
    many executions spread out and one execution always waits the same.
    """
    factor = 2.0 ** min(number - 1, 20) if retry.backoff == "exponential" else 1.0
    pause = min(retry.delay * factor, max(LONGEST_PAUSE, retry.delay))
    if retry_after is not None:
        pause = max(pause, retry_after)
    digest = hashlib.sha256(f"{key}#{number}".encode("utf-8", "surrogatepass")).digest()
    jitter = digest[0] / 255 * 0.1
    return round(pause * (1 + jitter) * 1000)
