from __future__ import annotations

import asyncio

from soar.connector.limits import INLINE_LIMIT, RateLimiter, shortened, size_of


class Stopwatch:
    """A clock that stands still but for its sleepers."""

    def __init__(self) -> None:
        self.time = 0.0
        self.slept: list[float] = []

    def now(self) -> int:
        return int(self.time * 1000)

    def monotonic(self) -> float:
        return self.time

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)


async def test_a_burst_goes_at_once_and_the_rest_in_order_at_the_rate() -> None:
    clock = Stopwatch()
    limiter = RateLimiter(clock, per_second=2, burst=3)
    for _ in range(6):
        await limiter.turn()
    assert clock.slept == [0.5, 1.0, 1.5]


async def test_unused_time_fills_no_more_than_the_burst() -> None:
    clock = Stopwatch()
    limiter = RateLimiter(clock, per_second=1, burst=2)
    clock.time = 3600
    for _ in range(4):
        await limiter.turn()
    assert clock.slept == [1.0, 2.0]


async def test_one_who_is_cancelled_while_waiting_leaves_no_rush() -> None:
    clock = Stopwatch()
    limiter = RateLimiter(clock, per_second=1)
    await limiter.turn()
    waiting = asyncio.ensure_future(limiter.turn())
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)
    await limiter.turn()
    assert all(wait >= 1.0 for wait in clock.slept)


def test_a_long_result_is_shortened_and_its_short_fields_stay() -> None:
    cut = shortened({"rule_id": "r-1", "text": "x" * 300_000, "items": [{"n": n} for n in range(50_000)]})
    assert size_of(cut) <= INLINE_LIMIT
    assert cut["rule_id"] == "r-1"
    assert cut["truncated"] is True
    assert cut["text"].startswith("xxx")


def test_a_result_of_very_many_fields_becomes_a_preview() -> None:
    cut = shortened({f"field{n}": n for n in range(20_000)})
    assert size_of(cut) <= INLINE_LIMIT
    assert cut["truncated"] is True
