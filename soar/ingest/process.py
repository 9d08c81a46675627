"""Carry kept raw alerts on: normalize, match, open. What a crash left behind is found again by its state."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Protocol, TypeAlias

from soar.clock import Clock
from soar.errors import Conflict, NormalizeFailed, NotFound, StoreError, StoreUnavailable
from soar.ids import derived_id
from soar.ingest.manual import MANUAL, run_of
from soar.ingest.normalize import normalize
from soar.ingest.source import Source
from soar.model.alert import Alert, Match, RawAlert
from soar.model.execution import Execution
from soar.model.playbook import Playbook
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

    async def unprocessed(self, limit: int = 500) -> list[RawAlert]: ...

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
    ) -> None:
        self._alerts = alerts
        self._sources = sources
        self._loaded = loaded
        self._clock = clock
        self._on_opened = on_opened
        self._timeout = timeout
        self._mask = mask
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
        raws = await self._alerts.unprocessed(BATCH)
        if not raws:
            return False
        loaded = self._loaded()
        openings: list[Opening] = []
        for place, raw in enumerate(raws, start=1):
            if place % _TURN == 0:
                await asyncio.sleep(0)
            try:
                openings.append(self.opening(raw, loaded))
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
            return self._opening_by_hand(raw, alert, loaded)
        matches = loaded.match(alert)
        executions = [
            self._execution(alert, loaded.playbooks[match.playbook_id], f"source:{alert.source}")
            for match in matches
            if match.outcome == "matched"
        ]
        return Opening(alert, matches, executions, loaded.digest)

    def _opening_by_hand(self, raw: RawAlert, alert: Alert, loaded: Loaded) -> Opening:
        """The one playbook that was asked for, whatever its trigger says."""
        run = run_of(raw)
        playbook = loaded.playbooks.get(run.playbook_id)
        if playbook is None:
            raise NormalizeFailed(f"the playbook '{run.playbook_id}' is no longer loaded; run it again once it is")
        match = Match(playbook.id, playbook.digest, "matched", {"run_by": run.actor})
        return Opening(alert, [match], [self._execution(alert, playbook, run.actor)], loaded.digest)

    def _execution(self, alert: Alert, playbook: Playbook, actor: str) -> Execution:
        now = self._clock.now()
        limit = self._timeout if playbook.timeout is None else playbook.timeout
        return Execution(
            id=derived_id(alert.id, playbook.id),
            kind="run",
            playbook_id=playbook.id,
            playbook_digest=playbook.digest,
            state="queued",
            epoch=0,
            opened_at=now,
            deadline_at=now + round(limit * 1000),
            alert_id=alert.id,
            severity_id=alert.severity_id,
            actor=actor,
        )

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
