"""What an operator's file names in vain: a misspelt pattern would guard nothing, a misspelt channel tell nobody."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase

from soar.config.document import Path as Place
from soar.errors import Problem
from soar.expression import near
from soar.model.action import ActionSpec
from soar.policy.file import CLASSES, PolicyFile
from soar.policy.origin import Read


def aimless(read: Read, specs: Mapping[str, ActionSpec]) -> Iterator[Problem]:
    """A warning for each. A pattern open at both ends (`*.wipe_*`) may be meant for what is still to come."""
    changing = sorted(name for name, spec in specs.items() if spec.changes)
    for place, pattern in _patterns(read.said):
        open_ended = all(set("*?") & set(part) for part in pattern.split("."))
        if open_ended or pattern in CLASSES or _fits(pattern, changing):
            continue
        where = read.document.place(place)
        what = "what it names only reads" if _fits(pattern, specs) else "no connection has such an action"
        remedy = near(pattern, changing) or f"what changes something: {', '.join(changing[:12]) or 'nothing'}"
        message = f"policy: '{pattern}' guards nothing: {what}"
        yield Problem(where, message, remedy, read.document.line(where), severity="warning")


def unheard(read: Read, channels: Collection[str] | None) -> Iterator[Problem]:
    """A warning for each channel that nothing carries, and for a glass that is broken without anybody hearing it.

    `channels`: what may stand before the colon; None when nobody knows.
    """
    for place, name in _channels(read.said):
        prefix, colon, _ = name.partition(":")
        if channels is None or not colon or prefix in channels:
            continue
        where = read.document.place(place)
        remedy = near(prefix, channels) or f"soar.yaml has {', '.join(sorted(channels)) or 'no channel'}"
        message = f"policy: nothing carries the channel '{name}': no connection is called, or of the kind, '{prefix}'"
        yield Problem(where, message, remedy, read.document.line(where), severity="warning")
    if read.said.break_glass.roles and not read.said.break_glass.notify:
        where = read.document.place(("break_glass", "roles"))
        message = "policy: the glass may be broken, and nobody is told of it"
        yield Problem(
            where, message, "name channels in break_glass.notify", read.document.line(where), severity="warning"
        )


def _channels(said: PolicyFile) -> Iterator[tuple[Place, str]]:
    for part, names in (("approval", said.approval.notify), ("break_glass", said.break_glass.notify)):
        yield from (((part, "notify", at), name) for at, name in enumerate(names or ()))


def _fits(pattern: str, names: Collection[str]) -> bool:
    return any(fnmatchcase(name, pattern) for name in names)


def _patterns(said: PolicyFile) -> Iterator[tuple[Place, str]]:
    for at, rule in enumerate(said.actions):
        yield from ((("actions", at, "action", number), pattern) for number, pattern in enumerate(rule.action))
    for key in ("minimum", "budgets"):
        for name, one in getattr(said, key).items():
            if one is not None:
                yield from (((key, name, "for", number), pattern) for number, pattern in enumerate(one.for_))
    yield from ((("approve_on_timeout", number), one) for number, one in enumerate(said.approve_on_timeout or ()))
