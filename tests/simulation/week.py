"""A seeded week: alerts, people, faults, crashes, frozen engines, jumps of the clock; the engine and store are real."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from soar.clock import Millis
from soar.engine import Engine, Limits, Rerun, run_again
from soar.engine.pinned import PinnedPlaybooks
from soar.errors import Conflict, LeaseLost
from soar.ids import derived_id
from soar.ingest.opening import Request, execution_of
from soar.model.alert import Match, RawAlert
from soar.model.approval import Vote
from soar.model.execution import FINAL, Execution
from soar.store import ContainmentFilter, ExecutionFilter, Store
from soar.store.units import Event, Opening
from soar.testing.clock import START, FakeClock
from soar.testing.stage import given_alert
from tests.simulation.invariants import Broken, check, check_end
from tests.simulation.outside import ACTIONS, Outside
from tests.simulation.playbooks import PLAYBOOKS, ROOTS

HOUR: Final = 3_600_000
WEEK: Final = 7 * 24 * HOUR
DENSITY: Final = 2.5 * HOUR
"""Milliseconds between two events, on average."""
TIMEOUT: Final = 7 * 86_400.0

_WEIGHTS: Final = {
    "alert": 40,
    "crash": 10,
    "freeze": 5,
    "jump": 3,
    "decide": 14,
    "answer": 10,
    "cancel": 4,
    "pause": 3,
    "lift": 4,
    "event": 5,
    "rerun": 4,
    "stop": 2,
}


class Week:
    """One simulation. Everything that is drawn comes from its seed."""

    def __init__(self, seed: int, store: Store) -> None:
        self.seed = seed
        self.store = store
        self.draw = random.Random(seed)
        self.clock = FakeClock()
        self.outside = Outside(ACTIONS, seed=seed, clock=self.clock)
        self.events: Counter[str] = Counter()
        self.opened: list[str] = []
        self.kept = 0
        self.stale = 0
        """Writes of an engine that was frozen and woke too late, refused."""
        self.failures: list[str] = []
        """Faults of the engine itself: it sets such an execution aside until it starts again."""
        self._frozen: list[Engine] = []
        self.engine = self._new_engine()

    def _new_engine(self) -> Engine:
        engine = Engine(self.store, self.outside, PinnedPlaybooks(self.store), self.clock, Limits(active=20))
        activate = engine._activate

        async def watched(execution: Execution) -> bool:
            try:
                return await activate(execution)
            except LeaseLost:
                raise
            except Exception as error:
                self.failures.append(f"{execution.playbook_id} {execution.id}: {error!r}")
                raise

        engine._activate = watched  # type: ignore[method-assign]
        return engine

    # -- its course ---------------------------------------------------------------------------

    async def run(self, length: Millis = WEEK) -> None:
        """The whole week, then the calm after it.

        Raises:
            Broken: an invariant does not hold.
        """
        self._count_stale()
        kept = [(book.id, book.digest, book.location.file, book.source) for book in PLAYBOOKS.values()]
        await self.store.playbooks.keep(kept, "simulated")
        end = START + length
        while self.clock.now() < end:
            await self._pass(self.clock.now() + round(self.draw.expovariate(1 / DENSITY)))
            (kind,) = self.draw.choices(list(_WEIGHTS), list(_WEIGHTS.values()))
            happening: Callable[[], Awaitable[bool]] = getattr(self, f"_{kind}")
            self.events[kind] += await happening()
            await self._work()
            await check(self)
        await self._calm()
        await check_end(self)

    def _count_stale(self) -> None:
        commit = self.store.executions.commit

        async def counted(unit: Any) -> bool:
            try:
                return await commit(unit)
            except LeaseLost:
                self.stale += 1
                raise

        self.store.executions.commit = counted  # type: ignore[method-assign]

    async def _pass(self, until: Millis) -> None:
        """Let everything happen that happens by itself up to that instant; questions are answered within hours."""
        look = self.clock.now() + HOUR
        while True:
            await self._work()
            due = min(await self.engine.next_due() or until, look)
            if due > until:
                break
            self.clock.move_to(due)
            if due == look:
                look += HOUR
                if self.draw.random() < 0.4:
                    await self._answer()
            if due == until:
                break
        self.clock.move_to(until)
        await self._work()

    async def _work(self) -> None:
        """Until nothing is under way, in engines that were frozen neither."""
        while True:
            began = self.clock.now()
            left = [task for engine in self._frozen for task in engine._tasks]
            await self._drive(asyncio.gather(self.engine.settle(), *left))
            self._frozen = [engine for engine in self._frozen if engine._tasks]
            # What a thawed engine slept through may have brought something due after ours had come to rest.
            if not left or self.clock.now() == began:
                return

    async def _drive(self, working: asyncio.Future[Any], turns: int = 1_000_000, *, asleep: bool = False) -> None:
        """Turn the loop for as long as this works; sleeps pass at once when all that works is asleep, or go on."""
        while not working.done() and turns > 0:
            turns -= 1
            await asyncio.wait({working}, timeout=0.0005)
            wake, waits = self.clock.next_wake, [engine.waits_for for engine in [self.engine, *self._frozen]]
            if (
                not asleep
                and wake is not None
                and None not in waits
                and self.clock.sleeping >= sum(filter(None, waits))
            ):
                self.clock.move_to(wake)
        if working.done():
            working.result()

    async def _calm(self) -> None:
        """No more faults; people answer everything, and time passes until nothing is left to happen."""
        self.outside.calm = True
        for _ in range(60):
            await self._pass(self.clock.now() + 12 * HOUR)
            while await self._answer() or await self._decide():
                await self._work()
            await self._resume_all()
            await self._lift_stuck()
            await self._work()
            if not await self._unfinished() and not await self._held():
                break

    async def _unfinished(self) -> list[Execution]:
        return [one for state in ("queued", "running", "parked") for one in await self._in_state(state)]

    async def _in_state(self, state: Any) -> list[Execution]:
        return list((await self.store.executions.page(ExecutionFilter(status=state), None, 200)).items)

    async def _held(self) -> list[Any]:
        return list((await self.store.containments.page(ContainmentFilter(current=True), None, 200)).items)

    # -- what happens: True when it did -------------------------------------------------------

    async def _alert(self) -> bool:
        self.kept += 1
        playbook = PLAYBOOKS[self.draw.choice(ROOTS)]
        now = self.clock.now()
        identity = derived_id("simulated", self.seed, self.kept)
        fields = {
            "severity": self.draw.choice(["low", "high"]),
            "src_ip": f"203.0.113.{self.draw.randint(1, 6)}",
            "rule_name": self.draw.choice(["one", "two"]),
        }
        alert = given_alert(identity, fields, now)
        opened = execution_of(alert, playbook, PLAYBOOKS, Request("source:simulated"), now, TIMEOUT)
        when_full = {} if opened.when_full is None else {opened.execution.id: opened.when_full}
        match = Match(playbook.id, playbook.digest, "matched")
        await self.store.alerts.keep([RawAlert(identity, "simulated", identity, now, b"{}")])
        await self.store.alerts.open([Opening(alert, [match], [opened.execution], "simulated", when_full)])
        self.opened.append(opened.execution.id)
        return True

    async def _alerts(self, most: int) -> None:
        for _ in range(self.draw.randint(1, most)):
            await self._alert()

    async def _crash(self) -> bool:
        """The process dies in the middle of something: nothing more is written, and answers on the way are lost."""
        await self._alerts(3)
        working = asyncio.ensure_future(self.engine.settle())
        await self._drive(working, self.draw.randint(0, 30), asleep=self.draw.random() < 0.5)
        working.cancel()
        await _kill(self.engine)
        await self.store._writer.run(lambda db: db.total_changes)  # what had reached the disk, has
        self.engine = self._new_engine()
        await self.engine.take_over()
        return True

    async def _freeze(self) -> bool:
        """The process stops for longer than anybody waits, another takes over, and then it goes on unknowing."""
        await self._alerts(4)
        working = asyncio.ensure_future(self.engine.settle())
        await self._drive(working, self.draw.randint(1, 30), asleep=True)
        working.cancel()
        busy = bool(self.engine._tasks)
        self.engine._stopping = True  # what it began goes on; it takes up nothing new
        self._frozen.append(self.engine)
        self.engine = self._new_engine()
        await self.engine.take_over()
        return busy

    async def _jump(self) -> bool:
        self.clock.move_to(self.clock.now() + self.draw.randint(1, 30) * HOUR)
        return True

    async def _decide(self) -> bool:
        page = await self.store.approvals.page("open", None, None, 200)
        if not page.items:
            return False
        one = self.draw.choice(page.items)
        person = self.draw.choice(["ana", "ben", "cleo"])
        decision: Any = self.draw.choice(["approve", "approve", "deny"])
        try:
            vote = Vote(person, decision, self.clock.now(), "cli", "simulated")
            await self.store.approvals.vote(one.id, vote, self.clock.now())
        except Conflict:
            return False
        return True

    async def _answer(self) -> bool:
        """A person looks at the system and says what is so; sometimes, that it is not worth it."""
        page = await self.store.questions.page("open", None, 200)
        if not page.items:
            return False
        one = self.draw.choice(page.items)
        facts = await self.store.executions.facts(one.execution_id)
        attempt = next(f for f in facts if (f.path, f.kind, f.attempt) == (one.path, "attempt", one.attempt))
        happened = attempt.data["key"] in self.outside.results
        ended = (await self.store.executions.get(one.execution_id)).state in FINAL
        told: Any = "happened" if happened else "give_up" if ended else self.draw.choice(["again", "give_up"])
        await self.store.questions.answer(one.id, told, "person:ana", "looked", self.clock.now())
        return True

    async def _cancel(self) -> bool:
        told = {"by": "person:ana", "reason": "simulated", "undo": self.draw.random() < 0.5}
        return await self._tell("cancel", told)

    async def _pause(self) -> bool:
        """One is paused, or those that are paused go on."""
        if self.draw.random() < 0.5:
            await self._resume_all()
            return True
        return await self._tell("pause", {"by": "person:ana", "reason": "simulated"})

    async def _tell(self, kind: Any, told: dict[str, Any]) -> bool:
        open_ones = [one for one in await self._unfinished() if one.kind == "run"]
        if not open_ones:
            return False
        one = self.draw.choice(sorted(open_ones, key=lambda one: one.id))
        await self.store.executions.tell(one.id, kind, told, self.clock.now())
        return True

    async def _resume_all(self) -> None:
        for one in await self._unfinished():
            if one.kind == "run" and one.awaiting == "person":
                told = {"by": "person:ana", "reason": "simulated"}
                await self.store.executions.tell(one.id, "resume", told, self.clock.now())

    async def _lift(self) -> bool:
        held = [one for one in await self._held() if one.state == "held"]
        if not held:
            return False
        await self.store.containments.lift(self.draw.choice(held).id, "person:ana", "a false alarm", self.clock.now())
        return True

    async def _lift_stuck(self) -> None:
        for one in await self._held():
            if one.state in ("stuck", "suspected"):
                await self.store.containments.lift(one.id, "person:ana", "by now it works", self.clock.now())

    async def _event(self) -> bool:
        self.events["told"] += 1
        identity = derived_id("event", self.seed, self.events["told"])
        await self.store.events.add([Event(identity, "case.closed", {"n": 1}, self.clock.now())])
        return True

    async def _rerun(self) -> bool:
        over = [one for state in FINAL for one in await self._in_state(state) if one.kind == "run"]
        over = [one for one in over if one.parent_id is None and one.playbook_id != "child"]
        if not over:
            return False
        one = self.draw.choice(sorted(over, key=lambda one: one.id))
        asked = Rerun("person:ana")
        playbook = PLAYBOOKS[one.playbook_id]
        try:
            again = await run_again(self.store, one.id, asked, playbook, one.pins, self.clock.now(), TIMEOUT)
        except Conflict:
            return False
        self.opened.append(again.id)
        return True

    async def _stop(self) -> bool:
        """The stop button is pressed, alerts come in, and it is released again."""
        await self.store.switches.set("all", "person:ana", "simulated", self.clock.now())
        await self.engine.look()
        before = len(self.outside.effects)
        await self._alerts(3)
        await self._pass(self.clock.now() + 5 * 60_000)
        await check(self)
        if len(self.outside.effects) != before:
            raise Broken(f"seed {self.seed}: a change left while everything was stopped")
        await self.store.switches.clear("all", "person:ana", "simulated", self.clock.now())
        await self.engine.look()
        return True

    async def close(self) -> None:
        """Nothing of it goes on."""
        for engine in [*self._frozen, self.engine]:
            await _kill(engine)


async def _kill(engine: Engine) -> None:
    """As SIGKILL does: what is under way is gone, and nobody is told."""
    engine._stopping = True
    for task in list(engine._tasks):
        task.cancel()
    await asyncio.gather(*engine._tasks, return_exceptions=True)


@asynccontextmanager
async def week(seed: int, folder: Path) -> AsyncIterator[Week]:
    """One simulation on a database of its own."""
    store = await Store.open(f"sqlite:///{folder}/week-{seed}.db", synchronous="OFF")
    built = Week(seed, store)
    try:
        yield built
    finally:
        await built.close()
        await store.close()


__all__ = ["WEEK", "Broken", "Week", "replace", "week"]
