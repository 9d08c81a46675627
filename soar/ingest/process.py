"""Carry kept raw alerts on: normalize, match, open. What a crash left behind is found again by its state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any, Final, Protocol, TypeAlias

from soar.clock import Clock
from soar.errors import Conflict, NormalizeFailed, NotFound, StoreError, StoreUnavailable
from soar.ingest.manual import MANUAL, event_of, run_of
from soar.ingest.normalize import normalize
from soar.ingest.opening import NotOpened, Opened, Paused, Request, execution_of, weighed, weighed_by_hand
from soar.ingest.repeats import RepeatCap
from soar.ingest.source import Source
from soar.model.alert import Alert, Match, RawAlert
from soar.model.execution import Execution
from soar.model.playbook import Playbook
from soar.store import Share
from soar.store.units import Opening
from soar.telemetry import ALERTS, MATCH_ERRORS, logger

BATCH: Final = 32
"""Alerts opened together."""

_TURN: Final = 4
"""Alerts read before deliveries get their turn on the loop."""

SWEEP: Final = 5.0
"""Seconds after which it looks by itself: a wake-up may be lost (S40)."""

RETRY: Final = 1.0
"""Seconds to wait while the store cannot be written."""

log = logger(__name__)


class Loaded(Protocol):
    """The playbooks of this moment: they match as one set and are recorded as one set."""

    @property
    def digest(self) -> str: ...

    @property
    def playbooks(self) -> Mapping[str, Playbook]: ...

    def match(self, alert: Alert) -> list[Match]: ...


OnOpened: TypeAlias = Callable[[Sequence[Execution], Mapping[str, Alert]], None]
"""Told of new executions, and of the alerts they are about, so that nobody reads those again."""


class Inbox(Protocol):
    """The part of the store that raw alerts wait in."""

    async def unprocessed(self, limit: int = 500, share: Share | None = None) -> list[RawAlert]: ...

    async def open(self, openings: Sequence[Opening]) -> list[str]: ...

    async def fail(self, raw_id: str, reason: str) -> None: ...


class Processor:
    """Turns raw alerts into alerts with open executions, in batches, oldest first."""

    def __init__(
        self,
        alerts: Inbox,
        sources: Mapping[str, Source],
        loaded: Callable[[], Loaded],
        clock: Clock,
        on_opened: OnOpened = lambda _executions, _alerts: None,
        *,
        timeout: float,
        mask: Callable[[Any], Any] = lambda data: data,
        paused: Paused = lambda _: None,
        cap: RepeatCap | None = None,
        share: Callable[[], Share | None] = lambda: None,
    ) -> None:
        self._share = share
        self._alerts = alerts
        self._sources = sources
        self._loaded = loaded
        self._clock = clock
        self._on_opened = on_opened
        self._timeout = timeout
        self._mask = mask
        self._paused = paused
        self._cap = cap
        self._kept = asyncio.Event()

    def wake(self) -> None:
        """There may be something to do. Carries no data, and may be called twice or never."""
        self._kept.set()

    async def run(self) -> None:
        """Process until cancelled."""
        while True:
            self._kept.clear()
            try:
                busy = await self.step()
            except StoreUnavailable as error:
                log.warning("alerts wait: the store cannot be written", reason=str(error))
                await self._clock.sleep(RETRY)
            except Exception:  # the worker's edge: it must not end while the server runs
                log.exception("alerts wait: processing them failed")
                await self._clock.sleep(RETRY)
            else:
                if not busy:
                    await self._rest()

    async def _rest(self) -> None:
        try:
            async with asyncio.timeout(SWEEP):
                await self._kept.wait()
        except TimeoutError:
            pass

    async def step(self) -> bool:
        """Process the oldest batch; False when nothing waits.

        Raises:
            StoreUnavailable: it could not be written; it will be found again.
        """
        raws = await self._alerts.unprocessed(BATCH, self._share())
        if not raws:
            return False
        loaded = self._loaded()
        openings: list[Opening] = []
        for place, raw in enumerate(raws, start=1):
            if place % _TURN == 0:
                await asyncio.sleep(0)
            try:
                opening = self.opening(raw, loaded)
                openings.append(opening if self._cap is None else await self._cap.within(opening, raw))
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 # the worker's edge: one alert never stops the others
                await self._dead(raw.id, raw.source, error)
        await self._open(openings)
        return True

    def opening(self, raw: RawAlert, loaded: Loaded) -> Opening:
        """What one raw alert leads to; it reads and decides, and writes nothing.

        Raises:
            NormalizeFailed: the alert cannot be read.
        """
        source = self._sources.get(raw.source)
        if source is None:
            raise NormalizeFailed(
                f"the source '{raw.source}' is no longer configured; add it again, then replay the alert"
            )
        alert = normalize(source, raw, self._mask)
        if raw.source == MANUAL:
            told = event_of(raw)
            return self._opening_of_event(raw, alert, loaded) if told else self._opening_by_hand(raw, alert, loaded)
        matches = weighed(loaded.match(alert), loaded.playbooks, self._clock.now(), self._paused)
        return self._opened(alert, matches, loaded, Request(f"source:{alert.source}", raw.hops))

    def _opening_by_hand(self, raw: RawAlert, alert: Alert, loaded: Loaded) -> Opening:
        """The one playbook that was asked for, whatever its trigger says; only for a schedule its dates hold."""
        run = run_of(raw)
        playbook = loaded.playbooks.get(run.playbook_id)
        if playbook is None:
            raise NormalizeFailed(f"the playbook '{run.playbook_id}' is no longer loaded; run it again once it is")
        asked = Match(playbook.id, playbook.digest, "matched", {"run_by": run.actor})
        if run.by_schedule:
            matches = weighed([asked], loaded.playbooks, self._clock.now(), self._paused)
        else:
            matches = [weighed_by_hand(asked, playbook, self._paused)]
        return self._opened(alert, matches, loaded, Request(run.actor, raw.hops, run.inputs, run.mode))

    def _opening_of_event(self, raw: RawAlert, alert: Alert, loaded: Loaded) -> Opening:
        """An event opens the playbooks that listen to its name, and no others."""
        name = event_of(raw) or ""
        listening = [(book, book.trigger.event) for book in loaded.playbooks.values() if book.trigger.event is not None]
        matches = [
            Match(book.id, book.digest, "matched", {"event": name})
            for book, pattern in sorted(listening, key=lambda one: one[0].id)
            if fnmatchcase(name, pattern)
        ]
        matches = weighed(matches, loaded.playbooks, self._clock.now(), self._paused)
        return self._opened(alert, matches, loaded, Request(f"event:{name}", raw.hops))

    def _opened(self, alert: Alert, matches: Sequence[Match], loaded: Loaded, asked: Request) -> Opening:
        """The executions of the matches; one that cannot be put together is an error of its match, and counted."""
        told: list[Match] = []
        opened: list[Opened] = []
        now = self._clock.now()
        for match in matches:
            if match.outcome == "matched":
                playbook = loaded.playbooks[match.playbook_id]
                try:
                    opened.append(execution_of(alert, playbook, loaded.playbooks, asked, now, self._timeout))
                except NotOpened as error:
                    match = replace(match, outcome="error", trace={"error": str(error), **match.trace})  # noqa: PLW2901
            told.append(match)
        when_full = {one.execution.id: one.when_full for one in opened if one.when_full is not None}
        return Opening(alert, told, [one.execution for one in opened], loaded.digest, when_full)

    async def _open(self, openings: Sequence[Opening]) -> None:
        try:
            opened = set(await self._alerts.open(openings))
        except StoreUnavailable:
            raise
        except Exception:  # noqa: BLE001 # which of them it was is found by opening each alone
            openings, opened = await self._open_singly(openings)
        _count(openings)
        executions = [execution for opening in openings for execution in opening.executions if execution.id in opened]
        if executions:
            self._on_opened(executions, {opening.alert.id: opening.alert for opening in openings})

    async def _open_singly(self, openings: Sequence[Opening]) -> tuple[list[Opening], set[str]]:
        """One of a batch was refused by the store: the others go on, that one is a dead letter."""
        good: list[Opening] = []
        opened: set[str] = set()
        for opening in openings:
            try:
                opened.update(await self._alerts.open([opening]))
                good.append(opening)
            except StoreUnavailable:
                raise
            except Exception as error:  # noqa: BLE001 # the worker's edge: one alert never stops the others
                await self._dead(opening.alert.id, opening.alert.source, error)
        return good, opened

    async def _dead(self, alert_id: str, source: str, error: Exception) -> None:
        expected = isinstance(error, NormalizeFailed | StoreError)
        if not expected:
            log.error("an alert could not be processed", alert=alert_id, source=source, exc_info=error)
        reason = str(error) if expected else f"processing it failed unexpectedly ({type(error).__name__}); see the log"
        await self._fail(alert_id, source, reason)

    async def _fail(self, alert_id: str, source: str, reason: str) -> None:
        try:
            await self._alerts.fail(alert_id, reason)
        except (Conflict, NotFound) as error:
            log.warning("an alert was settled by somebody else", alert=alert_id, reason=str(error))
            return
        ALERTS.labels(source, "failed").inc()
        log.warning("dead letter", alert=alert_id, source=source, reason=reason)


def _count(openings: Sequence[Opening]) -> None:
    outcomes = Counter((opening.alert.source, bool(opening.executions)) for opening in openings)
    for (source, matched), number in outcomes.items():
        ALERTS.labels(source, "matched" if matched else "unmatched").inc(number)
    for opening in openings:
        for match in opening.matches:
            if match.outcome == "error":
                MATCH_ERRORS.labels(match.playbook_id).inc()
