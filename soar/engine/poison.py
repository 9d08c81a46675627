"""Executions that may have killed the process that worked on them (S24).

After an end that was not orderly, whatever may have been under way then is counted as it is taken up, until something
of it is written. From the second time on it runs alone, so that the innocent are cleared; the third death is its last:
it is set aside, and a person says whether it may try again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any, Final

import structlog

from soar.clock import Clock, Millis
from soar.engine.history import History
from soar.engine.signals import facts_of
from soar.ids import derived_id
from soar.model.execution import Execution, Fact, Question
from soar.store import Store
from soar.store.units import Audit, Event, ExecutionChange, ExecutionUnit, Settle, Signal

log = structlog.get_logger(__name__)

DEATHS: Final = 3
"""Processes that may die of one execution; the last of them stays uncounted until it is taken up again."""
ALONE: Final = 30.0
"""Seconds for which the others wait at most for one that runs alone."""
_CHOICE: Final = "it is set aside: 'again' lets it go on from where it stands, 'give_up' cancels it"
_MESSAGE: Final = f"three times the process died while it worked on this execution, the last time alone; {_CHOICE}"


class Quarantine:
    """Knows who is suspected, lets them run one by one, and sets aside who is found out."""

    def __init__(self, store: Store, clock: Clock, wanted: Callable[[str], bool], fill: Callable[[], None]) -> None:
        self.alone: str | None = None
        """The one that runs while nothing else begins."""
        self._store = store
        self._clock = clock
        self._wanted = wanted
        self._fill = fill
        self._suspects: set[str] = set()
        self._since: Millis = -1
        """What was opened up to then may have been under way when the last process died."""
        self._counted: set[str] = set()

    async def begin(self, *, unclean: bool) -> list[Execution]:
        """This process begins; those that are to run before all others, and alone."""
        if not unclean:
            return []
        self._since = self._clock.now()
        found = await self._store.suspects.list()
        self._suspects = {execution.id for execution in found}
        return found

    def suspected(self, execution: Execution) -> bool:
        """Whether it was taken up before, and nothing of it was written since."""
        return execution.id in self._suspects

    def suspect(self, execution_id: str) -> None:
        """It was taken up before, and nothing of it was written since: it begins now, and alone."""
        self._suspects.add(execution_id)
        self.enter(execution_id)

    def enter(self, execution_id: str) -> None:
        """It begins now; a suspect keeps the others from beginning."""
        if execution_id in self._suspects:
            self.alone = execution_id
            asyncio.get_running_loop().call_later(ALONE, self.clear, execution_id)

    def clear(self, execution_id: str) -> None:
        """Something of it is written, it rests, or its time alone is over: the others may begin."""
        self._suspects.discard(execution_id)
        if self.alone == execution_id:
            self.alone = None
            self._fill()

    async def take(self, execution: Execution) -> tuple[Execution, int]:
        """Take what had an owner that is gone, or may have had one; how often that was done since its last unit.

        Raises:
            LeaseLost: it has another owner.
        """
        doubtful = execution.opened_at <= self._since and execution.id not in self._counted
        if execution.state != "running" and not doubtful:
            return execution, 0
        self._counted.add(execution.id)
        takes = await self._store.suspects.take(execution)
        return replace(execution, state="running", epoch=execution.epoch + 1), takes

    async def aside(self, execution: Execution, history: History, takes: int) -> bool:
        """Set it aside, or leave it there; False when it may run."""
        guilty = takes >= DEATHS
        if not guilty and not poisoned(history):
            return False
        signals = await self._store.executions.signals(execution.id)
        if not guilty and any(_releases(signal, history) for signal in signals):
            return False
        unit = ExecutionUnit(execution.id, execution.epoch, take=True, change=ExecutionChange("parked", "person"))
        for signal in signals:
            unit.read_signals.append(signal.id)
            for fact in facts_of(signal, history):
                history.add(fact)
                unit.facts.append(fact)
        if guilty:
            self._found_out(execution, history, unit)
        await self._store.executions.commit(unit)
        return True

    async def broke(self, execution_id: str, error: Exception) -> None:
        """The engine itself failed on it, a fault of ours: set aside too, so that it has a person and not nobody."""
        execution = await self._store.executions.get(execution_id)
        history = History(execution, {}, await self._store.executions.facts(execution_id), self._clock.now())
        history.move_to(self._clock.now())
        unit = ExecutionUnit(execution_id, execution.epoch, take=True, change=ExecutionChange("parked", "person"))
        # Not the error's text: it may hold values that are shown nowhere.
        failed = f"the engine failed on this execution ({type(error).__name__}, its log tells more)"
        self._found_out(execution, history, unit, f"{failed}; {_CHOICE}")
        await self._store.executions.commit(unit)

    def _found_out(self, execution: Execution, history: History, unit: ExecutionUnit, message: str = _MESSAGE) -> None:
        number, at = history.last("", "poisoned") + 1, history.now
        told: dict[str, Any] = {"playbook": execution.playbook_id, "reason": message.partition(";")[0]}
        unit.facts.append(Fact("", "poisoned", number, at, {**told, "cancels": history.last("", "cancel")}))
        asked = derived_id(execution.id, "poisoned", number)
        unit.questions.append(Question(asked, execution.id, "", number, execution.playbook_id, message, at))
        # What it may have contained is let go of on time all the same: until then, nobody knows whether it happened.
        unit.ledger += [Settle(hold, "unknown", at) for hold in _open_holds(history)]
        unit.audit.append(Audit("engine", "execution.poisoned", f"execution:{execution.id}", at, told))
        if self._wanted("execution.poisoned"):
            about = {"execution": execution.id, "alert": execution.alert_id, "question": asked, **told}
            unit.events.append(Event(derived_id(asked, "event"), "execution.poisoned", about, at, execution.hops))
        log.error("execution set aside", execution=execution.id, **told)


def poisoned(history: History) -> bool:
    """Whether it is set aside, and nobody has said since that it may go on or is to end."""
    number = history.last("", "poisoned")
    found = history.get("", "poisoned", number)
    if found is None or history.get("", "answered", number) is not None:
        return False
    return history.last("", "cancel") <= int(found.data["cancels"])


def _open_holds(history: History) -> list[str]:
    """The holds of calls that were started and have no outcome on record."""
    tried = [fact for fact in history.facts() if fact.kind == "attempt" and "hold" in fact.data]
    return [fact.data["hold"] for fact in tried if history.get(fact.path, "outcome", fact.attempt) is None]


def _releases(signal: Signal, history: History) -> bool:
    """Whether a person has said so, and it is to be carried out."""
    if signal.kind == "answer":
        asked: tuple[str, int] = (signal.data["path"], signal.data["attempt"])
        return asked == ("", history.last("", "poisoned"))
    return signal.kind == "cancel"
