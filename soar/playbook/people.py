"""Who may answer the approvals of a playbook: whether they exist, and whether they are enough."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase

from soar.config import Settings
from soar.errors import Location
from soar.expression import near
from soar.model.approval import ApprovalRule, Approvers
from soar.playbook.tree import Path

Place = Callable[[str, Path], Location]
"""Where a word stands, below these keys of the step."""
Finding = tuple[Location, str, str]
_KINDS = (("group", "group", "groups"), ("role", "role", "roles"), ("person", "user", "users"))


@dataclass(frozen=True, slots=True)
class Staff:
    """The people of `soar.yaml`."""

    roles: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The roles of each person."""
    groups: Mapping[str, Collection[str]] = field(default_factory=dict)
    """The members of each group."""
    silence: Collection[str] = ()
    """Patterns of the actions for which policy takes silence for a yes."""
    channels: Collection[str] | None = None
    """What may stand before the colon of a channel: names and kinds of connections; None when nobody knows."""

    @classmethod
    def of(cls, settings: Settings, silence: Collection[str] = (), channels: Collection[str] | None = None) -> Staff:
        """The people and groups of a configuration."""
        roles = {name: person.roles for name, person in settings.people.items()}
        return cls(roles, settings.groups, silence, channels)

    def may_be_silent(self, action: str) -> bool:
        """Whether policy takes silence for a yes to that action."""
        return any(fnmatchcase(action, pattern) for pattern in self.silence)

    def known(self, kind: str) -> Collection[str]:
        """The names of that kind."""
        if kind == "group":
            return self.groups.keys()
        return self.roles.keys() if kind == "person" else {role for held in self.roles.values() for role in held}

    def entitled(self, approvers: Approvers) -> frozenset[str]:
        """Who is named; everybody where nobody is."""
        named = {person for group in approvers.groups for person in self.groups.get(group, ())}
        named |= {person for person, held in self.roles.items() if not set(approvers.roles).isdisjoint(held)}
        named |= set(approvers.users)
        anybody = not (approvers.groups or approvers.roles or approvers.users)
        return frozenset(self.roles if anybody else named)


def approval_findings(rule: ApprovalRule, staff: Staff, author: str | None, place: Place) -> Iterator[Finding]:
    """Names that are not there, and more votes than there are people."""
    unknown = False
    approvers = rule.approvers
    for (kind, *keys), names in zip(_KINDS, (approvers.groups, approvers.roles, approvers.users), strict=True):
        for name in names:
            if name not in staff.known(kind):
                unknown = True
                yield _unknown(name, kind, staff, [("approval", "approvers", key) for key in keys], place)
    for name, path in _told(rule):
        if ":" not in name and name not in staff.groups and name not in staff.roles:
            yield _unknown(name, "group or person", staff, [path], place)
    if not unknown:
        yield from _too_many(approvers, staff, author, place)


def channel_findings(rule: ApprovalRule, staff: Staff, place: Place) -> Iterator[Finding]:
    """Channels that no connection carries: such a request goes to its next stage at once."""
    for name, path in _told(rule):
        prefix, colon, _ = name.partition(":")
        if colon and staff.channels is not None and prefix not in staff.channels:
            known = ", ".join(sorted(staff.channels)) or "none; docs/slack.md and docs/email.md say how to add one"
            message = (
                f"approval: nothing carries the channel {name!r}: no connection is called, or of the kind, {prefix!r}"
            )
            yield place(name, path), message, f"soar.yaml has {known}"


def _told(rule: ApprovalRule) -> Iterator[tuple[str, Path]]:
    yield from ((name, ("approval", "notify")) for name in rule.notify)
    for at, stage in enumerate(rule.escalate):
        yield from ((name, ("approval", "escalate", at, "to")) for name in stage.to)


def _unknown(name: str, kind: str, staff: Staff, paths: list[Path], place: Place) -> Finding:
    known = {*staff.groups, *staff.roles} if kind == "group or person" else staff.known(kind)
    remedy = near(name, known) or f"soar.yaml has {', '.join(sorted(known)[:12]) or 'none'}; add it there"
    found = [place(name, path) for path in paths]
    said = f"nobody has the role {name!r}" if kind == "role" else f"there is no {kind} {name!r}"
    return max(found), f"approval: {said}", remedy


def _too_many(approvers: Approvers, staff: Staff, author: str | None, place: Place) -> Iterator[Finding]:
    excluded = {author} if "author" in approvers.excluded and author else set()
    there = len(staff.entitled(approvers) - excluded)
    if approvers.required > there:
        path: Path = ("approval", "approvers", "required")
        message = f"approval: it needs {approvers.required} people to say yes, and {there} may"
        yield place(str(approvers.required), path), message, "name more people, or require fewer"
