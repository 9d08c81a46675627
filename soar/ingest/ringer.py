"""The bell of schedules and events: what is due becomes a raw alert, once, however many ring (J07, S47)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final, Protocol

from soar.clock import Clock, Millis, rfc3339
from soar.errors import StoreUnavailable
from soar.ingest.manual import firing, of_event
from soar.ingest.schedule import firings_between, next_firing
from soar.model.alert import KeptAlert, RawAlert
from soar.model.playbook import Playbook
from soar.store.units import Audit, Event
from soar.telemetry import logger

LOOK: Final = 1.0
"""Seconds between two looks for events, and the longest sleep before a firing: clocks jump."""
ON_TIME: Final[Millis] = 5_000
"""How late a firing may be without counting as missed: what passes between two looks, and room for a busy machine."""
ALL_LIMIT: Final = 1_000
"""Missed firings made up for at most, with `missed: run_all`."""
AHEAD: Final[Millis] = 60_000
"""How far a firing may lie ahead of the clock: further, and the clock that rang it was wrong."""
_EVENTS: Final = 200
_SILENT: Final = ("disabled", 0)

log = logger(__name__)


class Keeper(Protocol):
    """The part of the store that raw alerts are kept in."""

    async def keep(self, alerts: Sequence[RawAlert]) -> list[KeptAlert]: ...

    async def latest_firing(self, playbook_id: str, until: Millis | None = None) -> Millis | None: ...

    async def schedule_off(self, playbook_id: str, now: Millis) -> None: ...

    async def schedule_on(self, playbook_id: str, now: Millis) -> None: ...


class Trail(Protocol):
    """The part of the store that audit entries are kept in."""

    async def add(self, entry: Audit) -> None: ...


class EventLog(Protocol):
    """The part of the store that events are read from."""

    async def since(self, name: str, opened_at: Millis, after: int, limit: int = 200) -> list[Event]: ...

    async def read_up_to(self) -> int: ...

    async def reading_is_at(self, seq: int) -> None: ...


class Ringer:
    """Rings for every loaded playbook that has a schedule, and for events that open playbooks."""

    def __init__(
        self,
        alerts: Keeper,
        events: EventLog,
        trail: Trail,
        playbooks: Callable[[], Mapping[str, Playbook]],
        clock: Clock,
        on_kept: Callable[[], None] = lambda: None,
    ) -> None:
        self._alerts = alerts
        self._events = events
        self._trail = trail
        self._playbooks = playbooks
        self._clock = clock
        self._on_kept = on_kept
        self._rung: dict[str, tuple[str, Millis]] = {}
        """By playbook: its schedule's words, and up to when it was rung."""

    async def run(self) -> None:
        """Ring until cancelled."""
        while True:
            try:
                await self.step()
            except StoreUnavailable as error:
                log.warning("schedules wait: the store cannot be written", reason=str(error))
            except Exception:  # the worker's edge: it must not end while the server runs
                log.exception("ringing the schedules failed")
            await self._clock.sleep(LOOK)

    async def step(self) -> int:
        """Keep what is due now; how many raw alerts that were new."""
        kept = await self._ring_events()
        for playbook in list(self._playbooks().values()):
            if playbook.trigger.schedule is None:
                continue
            if playbook.mode == "disabled":
                await self._silence(playbook.id)
            else:
                kept += await self._ring(playbook)
        if kept:
            self._on_kept()
        return kept

    async def _silence(self, playbook_id: str) -> None:
        """Kept, so that what comes due until it is enabled is not made up for, over a restart too."""
        if self._rung.get(playbook_id) != _SILENT:
            await self._alerts.schedule_off(playbook_id, self._clock.now())
            self._rung[playbook_id] = _SILENT

    async def _latest(self, playbook_id: str, now: Millis, rung: Millis) -> Millis | None:
        """When it was rung last; one of a time to come says that a clock was ahead, and must not silence it."""
        last = await self._alerts.latest_firing(playbook_id)
        ahead = max(rung, last or 0)
        if ahead <= now + AHEAD:
            return last
        log.warning(
            "the clock was set back: firings of a time to come are passed over",
            playbook=playbook_id,
            firing=rfc3339(ahead),
        )
        told = {"firing": rfc3339(ahead), "reason": "a firing of a time to come is passed over: the clock was ahead"}
        await self._trail.add(Audit("engine", "schedule.clock_set_back", f"playbook:{playbook_id}", now, told))
        return await self._alerts.latest_firing(playbook_id, now + AHEAD)

    async def _ring(self, playbook: Playbook) -> int:
        schedule = playbook.trigger.schedule
        assert schedule is not None
        now = self._clock.now()
        words, rung = self._rung.get(playbook.id, ("", 0))
        fresh = words != f"{schedule}"
        if fresh:
            await self._alerts.schedule_on(playbook.id, now)
        if fresh or rung > now + AHEAD:
            last = await self._latest(playbook.id, now, rung)
            rung = now if last is None else last
        due = next_firing(schedule, rung)
        if due is None or due > now:
            self._rung[playbook.id] = (f"{schedule}", rung)
            return 0
        kept = await self._keep(playbook, firings_between(schedule, rung, now, 100_000), now)
        self._rung[playbook.id] = (f"{schedule}", now)
        return kept

    async def _keep(self, playbook: Playbook, due: list[Millis], now: Millis) -> int:
        """One firing is on time; of several, `missed` says which are made up for."""
        schedule = playbook.trigger.schedule
        assert schedule is not None
        late = [at for at in due if now - at > ON_TIME]
        if not late:
            wanted = due
        elif schedule.missed == "skip":
            wanted = [at for at in due if at not in late]
        elif schedule.missed == "run_all":
            wanted = due[-ALL_LIMIT:]
        else:
            wanted = due[-1:]
        missed = len(due) - len(wanted)
        if missed or late:
            log.warning("firings of a schedule were late", playbook=playbook.id, due=len(due), left_out=missed)
        raws = [firing(playbook, at, missed if at == due[-1] else 0, now) for at in wanted]
        return sum(not one.duplicate for one in await self._alerts.keep(raws)) if raws else 0

    async def _ring_events(self) -> int:
        """Events that some loaded playbook listens to become alerts; the others are only passed over."""
        after = await self._events.read_up_to()
        events = await self._events.since("*", 0, after, _EVENTS)
        if not events:
            return 0
        listening = any(book.trigger.event is not None for book in self._playbooks().values())
        raws = [of_event(event, self._clock.now()) for event in events] if listening else []
        kept = sum(not one.duplicate for one in await self._alerts.keep(raws)) if raws else 0
        await self._events.reading_is_at(events[-1].seq)
        return kept
