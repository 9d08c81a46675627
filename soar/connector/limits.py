"""How fast a connection is called, and how much of an answer is kept."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import orjson

from soar.clock import Clock

INLINE_LIMIT: Final = 64 * 1024
"""Bytes of a result that history keeps in its own row."""
RESULT_LIMIT: Final = 5 * 1024 * 1024
"""Bytes of a result that are kept at all, as an artefact (S8)."""
_PREVIEW: Final = 4_000


class RateLimiter:
    """A token bucket. Who comes first is served first, and waits exactly as long as it must."""

    def __init__(self, clock: Clock, per_second: float, burst: int = 1) -> None:
        self._clock = clock
        self._interval = 1.0 / per_second
        self._slack = (burst - 1) * self._interval
        self._next = float("-inf")
        """When the next call would be due if all came at even intervals."""

    async def turn(self) -> None:
        """Wait for a turn. One who is cancelled while waiting leaves a gap, never a rush."""
        now = self._clock.monotonic()
        due = max(self._next, now)
        self._next = due + self._interval
        wait = due - self._slack - now
        if wait > 0:
            await self._clock.sleep(wait)


def size_of(output: Mapping[str, Any]) -> int:
    """Bytes of an output as history would keep it."""
    return len(orjson.dumps(output))


def shortened(output: Mapping[str, Any]) -> dict[str, Any]:
    """The output cut down to what history keeps inline, marked `truncated`; short fields stay whole."""
    keep = _PREVIEW
    while keep:
        cut = {**{key: _cut(value, keep) for key, value in output.items()}, "truncated": True}
        if size_of(cut) <= INLINE_LIMIT:
            return cut
        keep //= 4
    text = orjson.dumps(output)[:_PREVIEW].decode("utf-8", "replace")
    return {"preview": text, "truncated": True}


def _cut(value: Any, keep: int) -> Any:
    if isinstance(value, str):
        return value if len(value) <= keep else value[:keep] + "…"
    if isinstance(value, Mapping):
        return {key: _cut(item, keep) for key, item in list(value.items())[:keep]}
    if isinstance(value, list | tuple):
        return [_cut(item, keep) for item in value[: max(1, keep // 40)]]
    return value
