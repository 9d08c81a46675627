"""The real engine on a real store, with a clock that is moved by hand and connections without a network."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from soar.clock import Millis, rfc3339
from soar.engine import Engine, Guardrails, Limits
from soar.engine.around import nothing_wanted
from soar.engine.pinned import PinnedPlaybooks
from soar.ids import derived_id
from soar.model.alert import Alert, Match, RawAlert
from soar.model.execution import Execution, Fact
from soar.model.playbook import Playbook
from soar.model.severity import RANKS
from soar.store import Store
from soar.store.units import Opening
from soar.testing.clock import START, FakeClock
from soar.testing.connections import FakeConnections

_WEEK = 7 * 86_400.0


async def nothing() -> bool:
    """Nobody does anything."""
    return False


class Stage:
    """One engine that can be stopped like a crash and started again."""

    def __init__(
        self, store: Store, connections: FakeConnections, clock: FakeClock, guardrails: Guardrails | None = None
    ) -> None:
        self._guardrails = guardrails
        self.store = store
        self.connections = connections
        self.clock = clock
        connections.clock = clock
        self._alerts = 0
        self.wanted: Callable[[str], bool] = nothing_wanted
        """Which events some playbook listens to."""
        self.between: Callable[[], Awaitable[bool]] = nothing
        """What people do when nothing more happens by itself; True when somebody did something."""
        self.engine = self._new_engine()

    def _new_engine(self) -> Engine:
        playbooks = PinnedPlaybooks(self.store)
        limits = Limits(active=50)
        return Engine(
            self.store,
            self.connections,
            playbooks,
            self.clock,
            limits,
            guardrails=self._guardrails,
            wanted=lambda name: self.wanted(name),  # noqa: PLW0108 # a test may exchange it
        )

    async def open(
        self, playbook: Playbook, alert: Mapping[str, Any], timeout: float = _WEEK, **more: Any
    ) -> Execution:
        """One execution of the playbook on one alert; nothing runs yet."""
        self._alerts += 1
        now = self.clock.now()
        identity = derived_id("stage", playbook.digest, self._alerts, now)
        given = given_alert(identity, alert, now)
        execution = Execution(
            id=derived_id(identity, playbook.id),
            kind="run",
            playbook_id=playbook.id,
            playbook_digest=playbook.digest,
            state="queued",
            epoch=0,
            opened_at=now,
            deadline_at=now + round((playbook.timeout or timeout) * 1000),
            alert_id=identity,
            severity_id=given.severity_id,
            actor="source:test",
            priority=playbook.priority,
            **more,
        )
        await self.keep(playbook)
        opening = Opening(given, [Match(playbook.id, playbook.digest, "matched")], [execution], playbook.digest)
        await self.store.alerts.keep([RawAlert(identity, "test", identity, now, b"{}")])
        await self.store.alerts.open([opening])
        return execution

    async def keep(self, playbook: Playbook) -> None:
        """Keep a version, for executions that are pinned to it."""
        kept = (playbook.id, playbook.digest, playbook.location.file, playbook.source)
        await self.store.playbooks.keep([kept], playbook.digest)

    async def run(self, until: Millis | None = None) -> None:
        """Let everything happen that happens by itself, up to that instant; to the end when none is given."""
        while True:
            await self._work()
            if await self.between():
                continue
            due = await self.engine.next_due()
            if due is None or (until is not None and due > until):
                break
            self.clock.move_to(due)
        if until is not None:
            self.clock.move_to(until)
            await self._work()

    async def finish(self, execution: Execution, until: Millis | None = None) -> Execution:
        """Let time pass until this execution rests for good, or only a person can move it."""
        while True:
            await self._work()
            if await self.between():
                continue
            stands = await self.store.executions.get(execution.id)
            due = await self.engine.next_due()
            person = stands.awaiting == "person" and (due is None or due >= stands.deadline_at)
            over = stands.finished_at is not None or person
            if over or due is None or (until is not None and due > until):
                return stands
            self.clock.move_to(due)

    async def _work(self) -> None:
        """Until nothing is under way; a pause inside an activation passes at once."""
        working = asyncio.ensure_future(self.engine.settle())
        try:
            while not working.done():
                sleeper = asyncio.ensure_future(self.clock.somebody_sleeps.wait())
                await asyncio.wait({working, sleeper}, return_when=asyncio.FIRST_COMPLETED)
                sleeper.cancel()
                await self._pass_time()
        finally:
            working.cancel()
        await asyncio.gather(working, return_exceptions=False)

    async def _pass_time(self) -> None:
        """Time passes only when everyone who works is asleep."""
        for _ in range(3):
            await asyncio.sleep(0)
        wake = self.clock.next_wake
        waits = self.engine.waits_for
        if wake is not None and waits is not None and self.clock.sleeping >= waits:
            self.clock.move_to(wake)

    async def restart(self) -> None:
        """As after a crash: what was in memory is gone, what was running belongs to nobody."""
        await self.engine.stop(grace=0)
        self.engine = self._new_engine()
        await self.engine.take_over()

    async def facts(self, execution: Execution) -> Sequence[Fact]:
        return await self.store.executions.facts(execution.id)


@asynccontextmanager
async def stage(
    folder: Path, connections: FakeConnections, guardrails: Guardrails | None = None
) -> AsyncIterator[Stage]:
    """A stage on a database of its own in that folder."""
    store = await Store.open(f"sqlite:///{folder}/stage.db", synchronous="OFF")
    built = Stage(store, connections, FakeClock(), guardrails)
    try:
        yield built
    finally:
        await built.engine.stop(grace=0)
        await store.close()


def given_alert(identity: str, alert: Mapping[str, Any], now: Millis = START) -> Alert:
    """An alert with these fields and a rank that fits its severity."""
    ours = {"raw", "id", "source", "received_at"}
    fields = {name: value for name, value in alert.items() if name not in ours}
    fields["severity_id"] = RANKS.get(fields.get("severity", "unknown"), 0)
    source = str(alert.get("source", "test"))
    return Alert(id=identity, source=source, received_at=rfc3339(now) or "", raw=alert.get("raw"), **fields)
