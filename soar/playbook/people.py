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

    @classmethod
    def of(cls, settings: Settings, silence: Collection[str] = ()) -> Staff:
        """The people and groups of a configuration."""
        return cls({name: person.roles for name, person in settings.people.items()}, settings.groups, silence)

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
    told: list[tuple[str, Path]] = [(name, ("approval", "notify")) for name in rule.notify]
    told += [(name, ("approval", "escalate", at, "to")) for at, stage in enumerate(rule.escalate) for name in stage.to]
    for name, path in told:
        if ":" not in name and name not in staff.groups and name not in staff.roles:
            yield _unknown(name, "group or person", staff, [path], place)
    if not unknown:
        yield from _too_many(approvers, staff, author, place)


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
