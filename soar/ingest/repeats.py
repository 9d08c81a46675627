"""The cap on answers to the same thing: a loop over a system that carries no hops ends here (M02)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from soar.clock import Clock, Millis
from soar.ids import derived_id
from soar.model.alert import Alert, RawAlert
from soar.model.execution import Execution
from soar.store.repeats import about
from soar.store.units import Audit, Event, Opening
from soar.telemetry import logger

LOOK: Final[Millis] = 1_000
"""How long what was read of one playbook is good for: a storm must not cost a look for every alert."""

log = logger(__name__)


class Ended(Protocol):
    """The part of the store that knows what ended."""

    async def full(self, playbook_id: str, since: Millis, now: Millis, most: int) -> Mapping[str, Millis]: ...


class Told(Protocol):
    """The part of the store that events are kept in."""

    async def add(self, events: Sequence[Event]) -> None: ...


class Trail(Protocol):
    """The part of the store that audit entries are kept in."""

    async def add(self, entry: Audit) -> None: ...


class RepeatCap:
    """Holds back what opens on an alert that came after so many answers to the same thing had ended.

    Only an execution that changed something, and was over when the alert came, can have caused it: alerts that
    come at once all open, however many they are.
    """

    def __init__(self, ended: Ended, events: Told, trail: Trail, clock: Clock, most: int, window: float) -> None:
        self._ended = ended
        self._events = events
        self._trail = trail
        self._clock = clock
        self._most = most
        self._window: Millis = round(window * 1000)
        self._read: dict[str, tuple[Millis, Mapping[str, Millis]]] = {}
        self._held: dict[tuple[str, str], Millis] = {}
        """By playbook and what it is about: when one was held back last, so that it is told once."""

    async def within(self, opening: Opening, raw: RawAlert) -> Opening:
        """The same without what must not open; its matches say why."""
        if not self._most or not opening.executions or opening.alert.source == "manual":
            return opening
        held = [one for one in opening.executions if await self._over(one, opening.alert, raw.received_at)]
        if not held:
            return opening
        names = {one.playbook_id for one in held}
        reason = {"reason": f"held back: {self._words()}, and this alert came after them: it may go round in a circle"}
        matches = [
            replace(match, outcome="unmatched", trace=reason | match.trace) if match.playbook_id in names else match
            for match in opening.matches
        ]
        return replace(opening, matches=matches, executions=[one for one in opening.executions if one not in held])

    async def _over(self, one: Execution, alert: Alert, received_at: Millis) -> bool:
        now = self._clock.now()
        read_at, full = self._read.get(one.playbook_id, (0, {}))
        if not read_at <= now < read_at + LOOK:
            full = await self._ended.full(one.playbook_id, now - self._window, now, self._most)
            self._read[one.playbook_id] = now, full
        subject = about(alert, one.slot_key)
        if received_at < full.get(subject, received_at + 1):
            return False
        await self._tell(one, alert, subject, now)
        return True

    async def _tell(self, one: Execution, alert: Alert, subject: str, now: Millis) -> None:
        """One notice for a storm, which is over when nothing was held back for the length of the window."""
        key = (one.playbook_id, subject)
        last = self._held.get(key)
        if last is None or now - last >= self._window:
            told = {"playbook": one.playbook_id, "alert": alert.id, "reason": self._words()}
            identity = derived_id("held back", one.playbook_id, subject, str(now // self._window))
            log.warning("executions are held back: they may go round in a circle", **told)
            await self._events.add([Event(identity, "alert.held_back", told, now, one.hops)])
            await self._trail.add(Audit("engine", "alert.held_back", f"playbook:{one.playbook_id}", now, told))
            self._held = {old: at for old, at in self._held.items() if now - at < self._window}
        self._held[key] = now

    def _words(self) -> str:
        return f"{self._most} executions of it about the same thing ended within {self._window // 1000} s"
