"""What is put on record every second: the chain of the audit trail (S46), and a clock that jumped (S43)."""

from __future__ import annotations

from typing import Final

import structlog

from soar.clock import Clock
from soar.errors import StoreError
from soar.store import Store
from soar.store.units import Audit

log = structlog.get_logger(__name__)

EVERY: Final = 1.0
"""Seconds between two looks."""
JUMP: Final = 60.0
"""Seconds by which the wall clock may move away from time that really passed."""
UNSEALED: Final = 10.0
"""Seconds for which entries may stand outside the chain before that is an alarm."""


class Registrar:
    """Seals the audit trail, and compares the wall clock with the one that never jumps."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._seen = (clock.now(), clock.monotonic())
        self._sealed = clock.monotonic()

    async def tick(self) -> None:
        """One look; a store that cannot write is tried again at the next."""
        try:
            await self._note_jump()
            await self._store.audit.seal()
            self._sealed = self._clock.monotonic()
        except StoreError as error:
            late = self._clock.monotonic() - self._sealed
            if late > UNSEALED:
                log.critical("the audit trail is not chained", seconds=round(late), reason=str(error))

    async def _note_jump(self) -> None:
        now, passed = self._clock.now(), self._clock.monotonic()
        before, began = self._seen
        jumped = (now - before) / 1000 - (passed - began)
        if abs(jumped) > JUMP:
            log.warning("the clock jumped", seconds=round(jumped))
            await self._store.audit.add(Audit("engine", "clock.jumped", "engine", now, {"seconds": round(jumped)}))
        self._seen = (now, passed)
