"""What opens from the matches of an alert: modes, dates, exclusivity, slots, pins (S15, S18, S36)."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, Literal

from soar.clock import Millis, rfc3339
from soar.errors import ExpressionFailed
from soar.ids import derived_id
from soar.model.alert import Alert, Match
from soar.model.execution import Execution, ExecutionMode
from soar.model.playbook import Playbook
from soar.playbook import fitted, reachable, slot_of

HOPS: Final = 5
"""How many executions may lead to one, by sub-playbooks, events and calls to ourselves (S15, M01)."""
WhenFull = Literal["queue", "skip", "cancel_oldest"]


@dataclass(frozen=True, slots=True)
class Opened:
    """An execution to open, and what becomes of it when its slot has no room."""

    execution: Execution
    when_full: WhenFull | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """Who opens it, and with what."""

    actor: str
    hops: int = 0
    inputs: Mapping[str, Any] | None = None
    mode: ExecutionMode = "live"


class NotOpened(Exception):
    """The playbook fits, but its execution cannot be put together; the message is for the trace."""


Paused = Callable[[str], str | None]
"""Why nothing new opens for a playbook; None when it may."""


def weighed(
    matches: Sequence[Match], playbooks: Mapping[str, Playbook], now: Millis, paused: Paused = lambda _: None
) -> list[Match]:
    """The matches with those taken out that must not open: disabled, stopped, out of date, or not the exclusive one."""
    told = [_in_force(match, playbooks[match.playbook_id], now, paused) for match in matches]
    live = [
        playbooks[match.playbook_id]
        for match in told
        if match.outcome == "matched" and playbooks[match.playbook_id].mode == "live"
    ]
    if not any(playbook.exclusive for playbook in live):
        return told
    chosen = min((one for one in live if one.exclusive), key=lambda one: (-one.priority, one.id))
    highest = min(live, key=lambda one: (-one.priority, one.id))
    winner = highest if highest.priority > chosen.priority else chosen
    return [_unless_chosen(match, playbooks[match.playbook_id], winner) for match in told]


def switched_off(playbook: Playbook, paused: Paused) -> str | None:
    """Why nobody may open it, not even a person by hand; its dates are only for what opens by itself."""
    return paused(playbook.id) or ("its mode is disabled" if playbook.mode == "disabled" else None)


def weighed_by_hand(match: Match, playbook: Playbook, paused: Paused) -> Match:
    """The match of a run that a person asked for, unless somebody switched the playbook off meanwhile."""
    off = switched_off(playbook, paused)
    return match if off is None else _not_fired(match, off)


def _in_force(match: Match, playbook: Playbook, now: Millis, paused: Paused) -> Match:
    if match.outcome != "matched":
        return match
    off = switched_off(playbook, paused)
    if off is not None:
        return _not_fired(match, off)
    if playbook.valid_from is not None and now < playbook.valid_from:
        return _not_fired(match, f"it is valid from {rfc3339(playbook.valid_from)}")
    if playbook.valid_until is not None and now >= playbook.valid_until:
        return _not_fired(match, f"it was valid until {rfc3339(playbook.valid_until)}")
    return match


def _unless_chosen(match: Match, playbook: Playbook, winner: Playbook) -> Match:
    """Only one opens where one of them is exclusive; a shadow is beside them all."""
    if match.outcome != "matched" or playbook.mode != "live" or playbook.id == winner.id:
        return match
    return _not_fired(match, f"the exclusive playbook '{winner.id}' takes the alert")


def _not_fired(match: Match, reason: str) -> Match:
    return replace(match, outcome="unmatched", trace={"reason": reason, **match.trace})


def execution_of(
    alert: Alert, playbook: Playbook, playbooks: Mapping[str, Playbook], asked: Request, now: Millis, timeout: float
) -> Opened:
    """The execution of one playbook on one alert.

    Raises:
        NotOpened: its inputs or its concurrency key cannot be worked out, or it would go round in a circle.
    """
    if asked.hops > HOPS:
        raise NotOpened(f"{asked.hops} executions led to it, and {HOPS} is the limit: it goes round in a circle")
    try:
        inputs = fitted(playbook.inputs, asked.inputs or {}) if playbook.inputs or asked.inputs else {}
        slot = slot_of(playbook, alert.model_dump(), inputs)
    except (ValueError, ExpressionFailed) as error:
        raise NotOpened(str(error)) from None
    mode: ExecutionMode = "shadow" if playbook.mode == "shadow" and asked.mode == "live" else asked.mode
    limit = timeout if playbook.timeout is None else playbook.timeout
    rule = playbook.concurrency
    limited = rule is not None and slot is not None and mode == "live"
    execution = Execution(
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
        actor=asked.actor,
        mode=mode,
        priority=playbook.priority,
        hops=asked.hops,
        slot_key=slot if limited else None,
        slot_limit=rule.limit if limited and rule is not None else 0,
        inputs=inputs,
        pins=pins_of(playbook, playbooks),
    )
    return Opened(execution, rule.when_full if limited and rule is not None else None)


def pins_of(playbook: Playbook, playbooks: Mapping[str, Playbook]) -> Mapping[str, str]:
    """The versions of all sub-playbooks it may come to run, fixed now (S15)."""
    return {name: playbooks[name].digest for name in sorted(reachable(playbooks, playbook.id)) if name in playbooks}
