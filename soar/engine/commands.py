"""The commands of a round that are no calls: requests, sub-playbooks, events, questions, undos."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any, Final

import orjson

from soar.engine.around import Around
from soar.engine.history import History
from soar.engine.pending import Pending
from soar.engine.requests import too_large
from soar.engine.round import Ask, Listen, Round
from soar.ids import derived_id
from soar.model.execution import Execution, Fact, Question
from soar.store.units import Release, Subscription, Withdraw

INLINE: Final = 64 * 1024
"""Bytes of a result that stay in history; a bigger one is an artefact (S8)."""
PREVIEW: Final = 2_000
"""Characters of an artefact that history shows."""
_EVENTS: Final = 200
"""Events looked at in one go."""


class Commands:
    """Carries out what `decide` says besides calls, for one execution."""

    def __init__(self, execution: Execution, history: History, around: Around, pending: Pending) -> None:
        self._execution = execution
        self._history = history
        self._around = around
        self._pending = pending
        self._seen: dict[str, int] = {}
        """By path: the last event that was looked at."""

    async def carry_out(self, round: Round) -> bool:
        """Everything but the calls; True when it led to a fact, so decide again."""
        now, pending = self._history.now, self._pending
        pending.questions += [self._question(ask) for ask in round.asks]
        pending.cancel += round.cancels
        pending.ledger += [Release(undo.path, undo.patterns, now) for undo in round.undos]
        pending.withdrawals += [Withdraw(one.approval_id, "withdrawn", one.reason, now) for one in round.withdrawals]
        facts = self._request(round) + await self._open(round)
        for listen in round.listens:
            facts += await self._listen(listen)
        for fact in facts:
            self._history.add(fact)
            pending.facts.append(fact)
        return bool(facts)

    def _question(self, ask: Ask) -> Question:
        identity = derived_id(self._execution.id, ask.path, "question", ask.attempt)
        now = self._history.now
        return Question(identity, self._execution.id, ask.path, ask.attempt, ask.action, ask.message, now)

    def _request(self, round: Round) -> list[Fact]:
        facts = []
        for ask in round.approvals:
            fact, approval = self._around.requests.make(ask, self._history.now)
            if too_large(fact):
                message = (
                    "what the approval would have to show is larger than anybody could judge; ask for less at once"
                )
                error = {"step": ask.path, "kind": "too_large", "message": message}
                facts.append(Fact(ask.path, "ended", 0, self._history.now, {"status": "failed", "error": error}))
                continue
            facts.append(fact)
            self._pending.approvals.append(approval)
        return facts

    async def _open(self, round: Round) -> list[Fact]:
        facts = []
        for command in round.opens:
            made = await self._around.opener.child(self._execution, command, self._history.alert, self._history.now)
            if isinstance(made, Fact):
                facts.append(made)
                continue
            child, self._pending.when_full[made[0].id] = made
            self._pending.children.append(child)
            facts.append(Fact(command.path, "opened", 0, self._history.now, {"execution": child.id}))
        return facts

    async def _listen(self, listen: Listen) -> list[Fact]:
        """The oldest event that fits and was not used (S14)."""
        while True:
            after = self._seen.get(listen.path, 0)
            opened = self._execution.opened_at
            events = await self._around.store.events.since(listen.event, opened, after, _EVENTS)
            for event in events:
                self._seen[listen.path] = event.seq
                if event.id not in self._history.used_events and fits(listen.match, event.data):
                    data = {"id": event.id, "name": event.name, "data": dict(event.data)}
                    return [Fact(listen.path, "event", 0, self._history.now, data)]
            if len(events) < _EVENTS:
                return []

    def subscriptions(self, round: Round) -> list[Subscription]:
        """What wakes the execution while it is parked."""
        return [Subscription(one.path, one.event, self._seen.get(one.path, 0)) for one in round.listens]

    def outcome(self, fact: Fact) -> tuple[Fact, Fact]:
        """An outcome as templates see it, and as history keeps it: a big output is an artefact (S8)."""
        output = fact.data.get("output")
        if output is None:
            return fact, fact
        content = orjson.dumps(output)
        if len(content) <= INLINE:
            return fact, fact
        self._pending.artefacts.append(content)
        digest = hashlib.sha256(content).hexdigest()
        preview = content[:PREVIEW].decode(errors="ignore")
        kept = {name: value for name, value in fact.data.items() if name != "output"}
        kept["artefact"] = {"sha256": digest, "bytes": len(content), "preview": preview}
        return fact, Fact(fact.path, fact.kind, fact.attempt, fact.at, kept)


def fits(match: Mapping[str, Any], data: Mapping[str, Any]) -> bool:
    """Whether an event has these values at these dotted paths."""
    return all(_at(data, path) == value for path, value in match.items())


def _at(data: Any, path: str) -> Any:
    for key in path.split("."):
        data = data.get(key) if isinstance(data, Mapping) else None
    return data
