"""The clock that jumps, and the chain that is closed every second (S43, S46)."""

from __future__ import annotations

from pathlib import Path

import pytest
import structlog

from soar.engine.registrar import Registrar
from soar.errors import StoreUnavailable
from soar.store import Store
from soar.store.units import Audit
from soar.testing.clock import FakeClock


class TwoClocks(FakeClock):
    """A wall clock that somebody sets, and time that passes."""

    passed = 0.0

    def monotonic(self) -> float:
        return self.passed

    def set_to(self, now: int, passed: float) -> None:
        self._now, self.passed = now, passed


@pytest.mark.parametrize(("jump", "told"), [(59, []), (61, [61]), (-61, [-61]), (-59, [])])
async def test_s43_a_jump_of_over_a_minute_is_on_record(tmp_path: Path, jump: int, told: list[int]) -> None:
    clock = TwoClocks()
    store = await Store.open(f"sqlite:///{tmp_path}/a.db")
    registrar = Registrar(store, clock)
    begun = clock.now()
    for second in range(1, 4):
        clock.set_to(begun + second * 600_000 + (jump * 1_000 if second > 1 else 0), second * 600.0)
        await registrar.tick()
    found = (await store.audit.page()).items
    assert [one.data["seconds"] for one in found if one.action == "clock.jumped"] == told
    await store.close()


async def test_s46_what_is_committed_is_chained_at_the_next_tick_and_ten_seconds_without_are_an_alarm(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = TwoClocks()
    store = await Store.open(f"sqlite:///{tmp_path}/a.db")
    registrar = Registrar(store, clock)
    await store.audit.add(Audit("engine", "a", "b", clock.now(), {}))
    await registrar.tick()
    assert ((await store.audit.verify()).sealed, (await store.audit.verify()).unsealed) == (1, 0)

    async def full() -> int:
        raise StoreUnavailable("the disk is full")

    monkeypatch.setattr(store.audit, "seal", full)
    for passed, alarms in ((9.0, 0), (11.0, 1)):
        clock.set_to(clock.now(), passed)
        clock._now = clock._now + round(passed * 1000)
        with structlog.testing.capture_logs() as logs:
            await registrar.tick()
        assert [entry["log_level"] for entry in logs].count("critical") == alarms
    await store.close()
