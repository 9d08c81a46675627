"""The one loop: decide, write, perform, until the execution is finished, waits, or is no longer ours."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Final, cast

from soar.clock import Millis
from soar.engine.around import Around
from soar.engine.calls import Ready
from soar.engine.clearance import Halt
from soar.engine.commands import Commands
from soar.engine.decide import decide
from soar.engine.flights import Flights, Place
from soar.engine.history import History
from soar.engine.joining import Joined, joined_facts, joined_ledger
from soar.engine.outcomes import outcome_fact
from soar.engine.pending import Pending
from soar.engine.round import Round, Run, Wait
from soar.engine.signals import facts_of, ledger_of
from soar.engine.writing import Writing
from soar.errors import OverBudget, TargetBusy
from soar.model.execution import Awaiting, Execution, Fact
from soar.model.playbook import Playbook
from soar.store.units import Apply, ExecutionChange, LedgerChange

STAY: Final[Millis] = 5_000
"""A pause up to this long is waited for here; a longer one parks the execution (S17)."""
NEAR: Final[Millis] = 120_000
"""A timer that comes due this soon is watched while calls are under way; they end by themselves before a later one."""
SLOW_CALL: Final = 0.25
"""Seconds after which what led to a call that is still under way is written, for people to see."""
TARGET_PAUSE: Final[Millis] = 500
LONGEST_TARGET_PAUSE: Final[Millis] = 60_000
ZONE_PAUSE: Final[Millis] = 5_000
"""An execution whose call has nobody to make it looks again after this long (S44)."""
HALTED_PAUSE: Final[Millis] = 60_000
"""A halted execution looks again after this long, should nobody wake it when the switch is released."""


class Activation:
    """One execution, worked on by its owner."""

    def __init__(
        self, execution: Execution, playbook: Playbook, history: History, around: Around, *, signalled: bool = True
    ) -> None:
        self.execution = execution
        self.halted = False
        """It parked because a stop switch holds one of its calls."""
        self._lacks_zone = False
        """One of its calls has nobody to make it (S44)."""
        self.waits_for: int | None = None
        """How many calls and timers it waits for; None while it has something to do itself."""
        self._playbook = playbook
        self._history = history
        self._around = around
        self._clock = around.clock
        self._pending = Pending()
        self._writing = Writing(execution, history, around, self._pending)
        self._commands = Commands(execution, history, around, self._pending)
        self._flights = Flights(around.calls, around.clock)
        self._looks: dict[Place, asyncio.Task[Joined | None]] = {}
        self._busy: dict[str, Millis] = {}
        """Paths whose target somebody else is changing, and when to try again."""
        self._pause = LONGEST_TARGET_PAUSE if execution.awaiting == "target" else TARGET_PAUSE
        """Milliseconds until then: longer each time, so that one who waits for hours is parked, and rarely looks."""
        self._poked: asyncio.Future[None] | None = None
        self._signalled = signalled
        self._stopping = False

    @property
    def timed(self) -> bool:
        """It left something that comes due: a parked timer, a hold with an expiry, a request with a time limit."""
        return self._writing.timed

    @property
    def woken(self) -> bool:
        """It may have made something ready: itself, by a signal that came as it parked, or others that it told."""
        return self._writing.woken

    def stop(self) -> None:
        """Start nothing new; what is under way may end."""
        self._stopping = True
        self._wake_up()

    def poke(self) -> None:
        """Somebody left a signal for it, or a switch was turned."""
        self._signalled = True
        self._wake_up()

    def _wake_up(self) -> None:
        if self._poked is not None and not self._poked.done():
            self._poked.set_result(None)

    async def drive(self) -> None:
        """Carry the execution forward until it rests.

        Raises:
            LeaseLost: it has another owner; nothing of ours was written since.
        """
        try:
            while not await self._turn():
                pass
        finally:
            self._flights.give_up()
            for look in self._looks.values():
                look.cancel()

    async def _turn(self) -> bool:
        """One decision and what follows from it; True when the execution rests."""
        if self._signalled:
            await self._read_signals()
        round = self._decide()
        if round.finish is not None:
            self._flights.give_up()
            await self._commands.carry_out(round)  # what was said to others in the last round: questions, withdrawals
            await self._writing.finish(round.finish)
            return True
        self._drop({(run.path, run.attempt) for run in round.runs})
        self._flights.cut(round.runs)
        if await self._commands.carry_out(round) or await self._begin(round):
            return False
        if self._stopping and not self._flights:
            await self._writing.commit(ExecutionChange("queued"))
            return True
        if self._flights or self._looks:
            await self._wait(round)
            return False
        return await self._rest(round)

    def _drop(self, wanted: set[tuple[str, int]]) -> None:
        """Calls that were cut, and looks for calls that are not made now: a finished look would be waited for again."""
        self._flights.drop(wanted)
        for place in self._looks.keys() - wanted:
            self._looks.pop(place).cancel()

    def _decide(self) -> Round:
        self._history.move_to(self._clock.now())
        round = decide(self._playbook, self._history)
        self._pending.facts += round.facts
        self._pending.urgent = self._pending.urgent or any(fact.kind in ("entered", "chosen") for fact in round.facts)
        return round

    def _take_in(self, fact: Fact) -> None:
        self._history.add(fact)
        self._pending.facts.append(fact)

    # -- beginning calls ----------------------------------------------------------------------

    async def _begin(self, round: Round) -> bool:
        """Start the calls that are not under way yet; True when a fact came instead of one, so decide again."""
        self.halted = self._lacks_zone = False
        calls: list[Ready] = []
        looked: set[Place] = set()
        for run in self._new(round):
            ready = await self._around.calls.ready(run, self._history)
            if isinstance(ready, Fact):
                self._take_in(ready)
                self._writing.held_back(ready)
                return True
            if isinstance(ready, Halt):
                self._halt(run, ready)
                continue
            if ready.contains is not None and ready.facts:
                looked.add((run.path, run.attempt))
                if not self._looked(ready):
                    continue
            calls.append(ready)
        for place in self._looks.keys() - looked:
            self._looks.pop(place).cancel()  # its call was refused, halted or cut: nobody waits for the answer
        return await self._write_ahead(calls) if calls else False

    def _halt(self, run: Run, halt: Halt) -> None:
        if not halt.zone:
            self.halted = True
            return
        self._lacks_zone = True
        if self._history.get(run.path, "lacking", 1) is None:  # so that a step that fails of it can say so
            self._take_in(Fact(run.path, "lacking", 1, self._history.now, {"reason": halt.reason}))

    def _new(self, round: Round) -> list[Run]:
        """What is ready to start; paused or stopping, only what a crash left open is seen to its end."""
        held = self._stopping or self._history.paused
        now = self._clock.now()
        return [
            run
            for run in round.runs
            if not self._flights.has(run)
            and self._busy.get(run.path, 0) <= now
            and (not held or self._history.get(run.path, "attempt", run.attempt) is not None)
        ]

    def _looked(self, ready: Ready) -> bool:
        """Whether it is known if somebody holds the target already; the first time it is asked (S30)."""
        place = (ready.run.path, ready.run.attempt)
        if place not in self._looks:
            self._looks[place] = asyncio.create_task(self._around.calls.joined(ready))
        return self._looks[place].done()

    async def _write_ahead(self, calls: list[Ready]) -> bool:
        """Commit the attempts of changing calls, then send them; True when something else must be decided first."""
        joined = [ready for ready in calls if self._joined(ready) is not None]
        for ready in joined:
            await self._join(ready)
        calls = [ready for ready in calls if ready not in joined]
        facts = [fact for ready in calls for fact in ready.facts]
        if facts or self._pending.urgent:
            try:
                await self._writing.commit(None, facts, [change for ready in calls for change in ready.ledger])
            except (TargetBusy, OverBudget) as error:
                await self._writing.commit(None)
                if len(calls) == 1:
                    return self._refused(calls[0], error)
                return await self._one_by_one(calls) or bool(joined)
        committed = self._clock.monotonic()
        for ready in calls:
            self._send(ready, committed)
        return bool(joined)

    async def _one_by_one(self, calls: list[Ready]) -> bool:
        """One of several was refused by the store: the others go out all the same."""
        again = False
        for ready in calls:
            again = await self._write_ahead([ready]) or again
        return again

    def _refused(self, ready: Ready, error: TargetBusy | OverBudget) -> bool:
        """Another execution changes the target at this moment, or a budget is full."""
        self._looks.pop((ready.run.path, ready.run.attempt), None)
        if isinstance(error, OverBudget):
            fact = self._around.calls.over_budget(ready, error.budget, self._history.now)
            self._take_in(fact)
            self._writing.held_back(fact)
            return True
        self._busy[ready.run.path] = self._clock.now() + self._pause
        self._pause = min(2 * self._pause, LONGEST_TARGET_PAUSE)
        return False

    def _send(self, ready: Ready, committed: float) -> None:
        self._looks.pop((ready.run.path, ready.run.attempt), None)
        for fact in ready.facts:
            self._history.add(fact)
        self._flights.start(ready, self._writing.confirmed(committed) if ready.facts else None)

    # -- joining ------------------------------------------------------------------------------

    def _joined(self, ready: Ready) -> Joined | None:
        look = self._looks.get((ready.run.path, ready.run.attempt))
        return look.result() if look is not None and look.done() else None

    async def _join(self, ready: Ready) -> None:
        """Hold what is contained already, without a call; when it was let go of meanwhile, look again."""
        joined = self._joined(ready)
        assert joined is not None
        at, path = self._history.now, ready.run.path
        facts = joined_facts(ready.facts[0], joined, at)
        ledger = [*_joining(ready, joined), *joined_ledger(self.execution.id, path, ready.hold_attempt, at)]
        self._looks.pop((path, ready.run.attempt))
        try:
            await self._writing.commit(None, facts, ledger)
        except TargetBusy:
            return
        for fact in facts:
            self._history.add(fact)

    # -- calls under way ----------------------------------------------------------------------

    async def _wait(self, round: Round) -> None:
        """Until a call is over, a timer comes due, or somebody pokes."""
        due = self._next_due(round)
        near = due is not None and due - self._clock.now() <= NEAR
        await self._sleep(due if near else None, {*self._flights.tasks, *self._looks.values()}, write_slow=True)
        self._history.move_to(self._clock.now())
        for flight, outcome in self._flights.landed():
            at = self._history.now
            fact, kept = self._commands.outcome(
                outcome_fact(flight.ready.run, outcome, at, flight.ready, flight.started)
            )
            self._history.add(fact)
            self._pending.facts.append(kept)
            self._pending.ledger += self._around.calls.settle(flight.ready, outcome, at)
        self._take_due(round.waits)

    async def _sleep(self, due: Millis | None, tasks: set[asyncio.Task[Any]], *, write_slow: bool = False) -> None:
        """Until one of these is over, the instant has come, or somebody pokes."""
        self._poked = asyncio.get_running_loop().create_future()
        if self._signalled or (self._stopping and not tasks):
            return
        waited: set[asyncio.Future[Any]] = {*tasks, self._poked}
        timer: asyncio.Task[None] | None = None
        if due is not None:
            timer = asyncio.create_task(self._clock.sleep(max(due - self._clock.now(), 0) / 1000))
            waited.add(timer)
        self.waits_for = len(waited) - 1
        try:
            slow = SLOW_CALL if write_slow and not self._pending.empty else None
            done, _ = await asyncio.wait(waited, timeout=slow, return_when=asyncio.FIRST_COMPLETED)
            if not done:
                self.waits_for = None
                await self._writing.commit(None)
                self.waits_for = len(waited) - 1
                await asyncio.wait(waited, return_when=asyncio.FIRST_COMPLETED)
        finally:
            self.waits_for = None
            if timer is not None:
                timer.cancel()

    def _take_due(self, waits: list[Wait]) -> bool:
        """Timers that have come become facts, so that decide may know of them (S3); True when one has."""
        now, came = self._history.now, False
        for wait in waits:
            if wait.due <= now and self._history.get(wait.path, "due", wait.attempt) is None:
                self._take_in(Fact(wait.path, "due", wait.attempt, now, {}))
                came = True
        return came

    def _next_due(self, round: Round) -> Millis | None:
        busy = [at for path, at in self._busy.items() if any(run.path == path for run in round.runs)]
        return min([*(wait.due for wait in round.waits), *busy], default=None)

    # -- resting ------------------------------------------------------------------------------

    async def _rest(self, round: Round) -> bool:
        """Wait here for a short pause, or park; True when it rests."""
        if self._take_due(round.waits):
            return False
        due = self._next_due(round)
        if self.halted:
            due = min(due or self._history.now + HALTED_PAUSE, self._history.now + HALTED_PAUSE)
        elif self._lacks_zone:
            due = min(due or self._history.now + ZONE_PAUSE, self._history.now + ZONE_PAUSE)
        held = self.halted or self._lacks_zone or self._history.paused
        stays = not round.on_person and not held
        if due is not None and due - self._history.now <= STAY and stays:
            await self._writing.commit(None)
            await self._sleep(due, set())
            self._history.move_to(self._clock.now())
            self._take_due(round.waits)
            return False
        change = ExecutionChange("parked", awaiting=self._awaiting(round), due_at=due)
        await self._writing.commit(change, subscriptions=self._commands.subscriptions(round))
        return True

    def _awaiting(self, round: Round) -> Awaiting:
        if round.on_person or self.halted or self._history.paused:
            return "person"
        for kind in ("approval", "child", "event"):
            if kind in round.awaits:
                return cast("Awaiting", kind)
        if self._lacks_zone:
            return "zone"
        return "target" if self._busy and round.runs else "timer"

    async def _read_signals(self) -> None:
        """Take in what others left for this execution; what is left from now on requeues it when it parks."""
        self._signalled = False
        for signal in await self._around.store.executions.signals(self.execution.id):
            if signal.id in self._pending.signals:
                continue
            self._pending.signals.append(signal.id)
            self._history.move_to(self._clock.now())
            self._pending.ledger += ledger_of(signal, self._history)
            for fact in facts_of(signal, self._history):
                self._take_in(fact)


def _joining(ready: Ready, joined: Joined) -> list[LedgerChange]:
    """The attempt's ledger entry, as one that joins."""
    return [replace(change, joins=joined.containment_id) for change in ready.ledger if isinstance(change, Apply)]
