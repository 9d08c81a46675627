"""What has happened to one execution, indexed by path: the only state the engine has.

Facts, by kind (unique by path, kind, attempt):

* ``entered``   the step may begin and its time runs; `at` is the start its `timeout` counts from. For a wait
  also what it waits for: ``{until}``, ``{match}``
* ``chosen``    which list an `if` or `switch` took: ``{branch: then|else|case1 ...}``
* ``items``     the list of a `for_each`: ``{items, concurrency}``
* ``turn``      attempt n: whether a `while` goes round for the n-th time: ``{go}``
* ``attempt``   written before a changing call: ``{input, masked, key}``
* ``outcome``   what became of it: ``{result, output, message, error_kind, retry_after, repeatable, at_once}``
* ``ended``     the step is settled: ``{status, output, error}``; an action that is done needs none
* ``due``       a timer came: attempt 0 is the step's timeout, attempt n the pause after try n; for a wait, 1 is its end
* ``asked``, ``answered``   a question to a person about try n, and the answer
* ``approval``, ``settled``, ``voided``   round n of an approval: what was shown, the word, or why it no longer holds
* ``demanded``  attempt n: a guardrail wants a person's yes, asked at `<path>/guardrail` in round n
* ``event``     what a `wait: {event}` took: ``{id, name, data}``
* ``opened``, ``child``     the execution of a sub-playbook, and how it ended: ``{execution, state, outputs, error}``
* ``releasing``, ``released``, ``lifted``   an undo step: holds let go of, the lifts that follow, each lift's end
* ``cut``       at a `parallel` or `for_each`: what was still open in it ends, and nothing begins: ``{message}``
* ``phase``     at path "": 0 the body ended in ``{error}`` and `on_failure` begins; 1 `finally` begins
* ``inherits``  at path "": a rerun takes over what its original has done: ``{from, again}``
* ``cancel``, ``pause``, ``resume``   at path "": what people told the execution, numbered from 1
* ``poisoned``  at path "": its process died of it three times, and it is set aside; `answered` there is a person's word
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any, Final

from soar.clock import Millis
from soar.model.execution import Execution, Fact, FactKind

Key = tuple[str, str, int]
FACTS_LIMIT: Final = 50_000
"""Facts of one execution, then it fails (S8)."""
_CALLS: Final = ("attempt", "outcome")
_TURN: Final = re.compile(r"(\[\d+\]|#\d+)$")


class History:
    """The facts of one execution, and the instant of the round being decided."""

    def __init__(
        self,
        execution: Execution,
        alert: Mapping[str, Any],
        facts: Iterable[Fact],
        now: Millis,
        on_failure_limit: Millis = 15 * 60 * 1000,
        items_limit: int = 10_000,
    ) -> None:
        self.execution = execution
        self.on_failure_limit = on_failure_limit
        """How long the playbook's own `on_failure`, and its `finally`, may take, each from its start (S10)."""
        self.alert = alert
        self.now = now
        self.items_limit = items_limit
        """How many items one `for_each` may go over."""
        self.memo: dict[str, Any] = {}
        """What was worked out from facts that no longer change, by path: loops walk only what is open (S8)."""
        self._facts: dict[Key, Fact] = {}
        self._tries: dict[str, int] = {}
        self._last: dict[tuple[str, str], int] = {}
        self._begun: set[str] = set()
        self._rendered: dict[str, Mapping[str, Any]] = {}
        self._latest: Millis = execution.opened_at
        for fact in facts:
            self.add(fact)
        self.move_to(now)

    def __len__(self) -> int:
        return len(self._facts)

    def add(self, fact: Fact) -> None:
        """Take in one fact; a fact that is there already stays as it is."""
        key = (fact.path, fact.kind, fact.attempt)
        if key in self._facts:
            return
        self._facts[key] = fact
        if fact.kind in _CALLS:
            self._tries[fact.path] = max(self._tries.get(fact.path, 0), fact.attempt)
        elif fact.attempt:
            place = (fact.path, fact.kind)
            self._last[place] = max(self._last.get(place, 0), fact.attempt)
        self._latest = max(self._latest, fact.at)
        self._note_begun(fact.path)

    def _note_begun(self, path: str) -> None:
        while path and path not in self._begun:
            self._begun.add(path)
            if path[-1] in "]0123456789" and (turn := _TURN.search(path)):
                path = path[: turn.start()]
            else:
                path = path.rpartition("/")[0]

    @property
    def used_events(self) -> frozenset[str]:
        """Ids of the events its waits have taken."""
        return frozenset(fact.data["id"] for fact in self._facts.values() if fact.kind == "event")

    @property
    def any_begun(self) -> bool:
        """Whether any step has begun."""
        return bool(self._begun)

    def begun(self, path: str) -> bool:
        """Whether something is on record of the step at that path, or of one inside it."""
        return path in self._begun

    def get(self, path: str, kind: FactKind, attempt: int = 0) -> Fact | None:
        return self._facts.get((path, kind, attempt))

    def last(self, path: str, kind: FactKind) -> int:
        """The highest number of a fact of that kind there; 0 when there is none."""
        return self._last.get((path, kind), 0)

    def tries(self, path: str) -> int:
        """How often the action at that path was tried (or is being tried)."""
        return self._tries.get(path, 0)

    @property
    def paused(self) -> bool:
        """Whether somebody paused it and nobody resumed it since."""
        return self.last("", "pause") > self.last("", "resume")

    def stamp(self, now: Millis) -> Millis:
        """The instant for a new fact: never before an earlier one, whatever the clock says (S3)."""
        return max(now, self._latest)

    def move_to(self, now: Millis) -> None:
        """Begin a round: every fact it leads to carries this instant."""
        self.now = self.stamp(now)

    def rendered(self, path: str) -> Mapping[str, Any] | None:
        """The inputs of the action at that path, evaluated once (S2); None when they must be rendered."""
        inputs = self._rendered.get(path)
        if inputs is None:
            first = self._facts.get((path, "attempt", 1))
            if first is not None and not first.data.get("masked"):
                inputs = first.data["input"]
        return inputs

    def keep_rendered(self, path: str, inputs: Mapping[str, Any]) -> None:
        """Remember exact inputs for this activation: history itself only shows them masked."""
        self._rendered[path] = inputs

    def rendered_at(self, path: str) -> Millis:
        """The instant that inputs at that path were, or will be, rendered at."""
        first = self._facts.get((path, "attempt", 1))
        return self.now if first is None else first.at

    def facts(self) -> Iterable[Fact]:
        return self._facts.values()
