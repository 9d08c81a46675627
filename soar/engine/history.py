"""What has happened to one execution, indexed by path: the only state the engine has.

Facts, by kind (unique by path, kind, attempt):

* ``entered``   the step's `when` held and its time runs; `at` is the start its `timeout` counts from
* ``chosen``    which list an `if` took: ``{branch: then|else}``
* ``attempt``   written before a changing call: ``{input, masked, key}``
* ``outcome``   what became of it: ``{result, output, message, error_kind, retry_after, repeatable, at_once}``
* ``ended``     the step is settled: ``{status, output, error}``; an action that is done needs none
* ``due``       a timer came: attempt 0 is the step's timeout, attempt n the pause after try n
* ``asked``, ``answered``   a question to a person about try n, and the answer
* ``phase``     at path "": the body ended in ``{error}`` and the playbook's `on_failure` begins
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from soar.clock import Millis
from soar.model.execution import Execution, Fact, FactKind

Key = tuple[str, str, int]


class History:
    """The facts of one execution, and the instant of the round being decided."""

    def __init__(
        self,
        execution: Execution,
        alert: Mapping[str, Any],
        facts: Iterable[Fact],
        now: Millis,
        on_failure_limit: Millis = 15 * 60 * 1000,
    ) -> None:
        self.execution = execution
        self.on_failure_limit = on_failure_limit
        """How long the playbook's own `on_failure` may take, from its start (S10)."""
        self.alert = alert
        self.now = now
        self._facts: dict[Key, Fact] = {}
        self._tries: dict[str, int] = {}
        self._rendered: dict[str, Mapping[str, Any]] = {}
        self._latest: Millis = execution.opened_at
        for fact in facts:
            self.add(fact)

    def add(self, fact: Fact) -> None:
        """Take in one fact; a fact that is there already stays as it is."""
        key = (fact.path, fact.kind, fact.attempt)
        if key in self._facts:
            return
        self._facts[key] = fact
        if fact.kind in ("attempt", "outcome"):
            self._tries[fact.path] = max(self._tries.get(fact.path, 0), fact.attempt)
        self._latest = max(self._latest, fact.at)

    def get(self, path: str, kind: FactKind, attempt: int = 0) -> Fact | None:
        return self._facts.get((path, kind, attempt))

    def tries(self, path: str) -> int:
        """How often the action at that path was tried (or is being tried)."""
        return self._tries.get(path, 0)

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
