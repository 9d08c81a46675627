"""A shell without I/O around `decide`: outcomes by path, in an order that is drawn, on a history in memory."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from soar.engine.decide import decide
from soar.engine.history import History
from soar.engine.round import Finish, Run
from soar.model.execution import Execution, Fact
from soar.model.playbook import Playbook

OPENED = 1_000_000
Answer = Callable[[str, int], Mapping[str, Any]]
"""The outcome of the call at a path, in a try: the same whenever it is made."""


def done(_path: str, _attempt: int) -> Mapping[str, Any]:
    return {"result": "done", "output": {"ok": True}}


@dataclass
class Play:
    """What one run of the interpreter came to."""

    finish: Finish
    history: History
    called: list[tuple[str, int]] = field(default_factory=list)
    open_at_once: int = 0
    """The most calls that were under way at one time."""

    def ended(self) -> dict[str, Any]:
        """What each path came to, without its instants."""
        found: dict[str, Any] = {}
        for fact in self.history.facts():
            if fact.kind == "ended":
                found[fact.path] = (fact.data["status"], (fact.data.get("error") or {}).get("kind"))
            elif fact.kind == "outcome":
                found.setdefault(fact.path, fact.data["result"])
        return found


def play(
    playbook: Playbook,
    seed: int = 0,
    answer: Answer = done,
    *,
    restart: float = 0.0,
    limit: int = 20_000,
    answers: Mapping[str, str] | None = None,
    **execution: Any,
) -> Play:
    """Carry it to its end; with `restart`, memory is lost that often between two rounds, and only facts stay."""
    draw = random.Random(seed)
    history = new_history(playbook, [], OPENED, **execution)
    under_way: dict[tuple[str, int], Run] = {}
    called: list[tuple[str, int]] = []
    most = 0
    for _ in range(limit):
        round = decide(playbook, history)
        if round.finish is not None:
            return Play(round.finish, history, called, most)
        wanted = {(run.path, run.attempt): run for run in round.runs}
        under_way = {place: run for place, run in under_way.items() if place in wanted}
        for place, run in wanted.items():
            if place not in under_way:
                assert place not in called or draw is None, f"{place} is called twice"
                called.append(place)
                under_way[place] = run
                if not run.action.action.startswith("read"):
                    at = history.now
                    history.add(
                        Fact(run.path, "attempt", run.attempt, at, {"input": dict(run.inputs), "masked": False})
                    )
        most = max(most, len(under_way))
        history.move_to(history.now + 10)
        for ask in round.approvals:
            data = {"id": ask.path, "items": [], "required": 1, "excluded": []}
            history.add(Fact(ask.path, "approval", ask.round, history.now, data))
            word = (answers or {}).get(ask.path, "approved")
            history.add(Fact(ask.path, "settled", ask.round, history.now, {"state": word, "by": "person:ana"}))
        if round.approvals:
            continue
        if under_way:
            place = draw.choice(sorted(under_way))
            under_way.pop(place)
            history.add(Fact(place[0], "outcome", place[1], history.now, answer(*place)))
        else:
            due = min((wait for wait in round.waits), key=lambda wait: wait.due, default=None)
            assert due is not None, f"nothing moves it: {round}"
            history.move_to(max(history.now, due.due))
            history.add(Fact(due.path, "due", due.attempt, history.now, {}))
        if draw.random() < restart:
            history = new_history(playbook, list(history.facts()), history.now, **execution)
    raise AssertionError("it does not come to an end")


def new_history(playbook: Playbook, facts: list[Fact], now: int, **execution: Any) -> History:
    given: dict[str, Any] = {
        "id": "x",
        "kind": "run",
        "playbook_id": playbook.id,
        "playbook_digest": playbook.digest,
        "state": "running",
        "epoch": 1,
        "opened_at": OPENED,
        "deadline_at": OPENED + 7 * 86_400_000,
    }
    return History(Execution(**(given | execution)), {"src_ip": "203.0.113.9", "severity": "high"}, facts, now)
