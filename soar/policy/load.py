"""Reads the policy in force: the shipped file, and over it the one that soar.yaml names."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from soar.config import Document, Faults, Settings, read_document
from soar.errors import ConfigError, Location, Problem
from soar.expression import near
from soar.model.action import ActionSpec
from soar.model.approval import Approvers
from soar.playbook import Staff
from soar.policy.aimless import aimless, unheard
from soar.policy.file import ApproverSettings, PolicyFile
from soar.policy.origin import Read, origins
from soar.policy.own import OwnAddresses
from soar.policy.protected import NAME_KINDS, Entry, NameKind, Protection

MAX_BYTES: Final = 4 << 20
SHIPPED: Final = "the shipped policy"
_PEOPLE: Final = (
    (("approval", "approvers", "groups"), "group"),
    (("approval", "approvers", "roles"), "role"),
    (("approval", "approvers", "users"), "person"),
    (("break_glass", "roles"), "role"),
)
"""Where names of people stand, and what they are."""


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy in force, with where each part comes from."""

    file: PolicyFile
    protection: Protection
    own: OwnAddresses
    entries: tuple[tuple[str, Entry], ...] = ()
    """Everything protected by entry: its kind, and itself."""
    warnings: tuple[Problem, ...] = ()
    origins: Mapping[str, str] = field(default_factory=dict)
    """Where each part stands, by its dotted name."""


def load_rules(
    settings: Settings,
    own: OwnAddresses,
    specs: Mapping[str, ActionSpec] | None = None,
    channels: Collection[str] | None = None,
) -> Rules:
    """The policy in force; with the `specs` of all actions, patterns that fit none are told.

    `channels`: what may stand before the colon of a channel; then those that nothing carries are told too.

    Raises:
        ConfigError: the operator's file cannot be read, or does not hold; every problem is listed with its place.
    """
    shipped, staff = _shipped(), Staff.of(settings)
    operators = None if settings.policy is None else _operators(settings.policy, staff)
    warnings = [*_unanswered((operators or shipped).said, shipped.said, staff, settings.place())]
    if operators is not None and specs is not None:
        warnings += aimless(operators, specs)
    if operators is not None:
        warnings += unheard(operators, channels)
    return _rules(shipped, operators, own, warnings)


def _rules(shipped: Read, operators: Read | None, own: OwnAddresses, warnings: Iterable[Problem]) -> Rules:
    said = shipped.said if operators is None else operators.said.over(shipped.said)
    entries = tuple(_entries(said, shipped, operators))
    addresses = [entry for kind, entry in entries if kind == "address"]
    names: dict[NameKind, list[Entry]] = {
        kind: [entry for known, entry in entries if known == kind] for kind in NAME_KINDS
    }
    protection = Protection(addresses, names, own.hosts)
    return Rules(said, protection, own, entries, tuple(warnings), origins(shipped, operators))


def _shipped() -> Read:
    text = files("soar.policy").joinpath("default.yaml").read_text(encoding="utf-8")
    document = read_document(text, SHIPPED)
    return Read(PolicyFile.model_validate(document.content), document)


def _operators(path: Path, staff: Staff) -> Read:
    shown = _name(path)
    document = read_document(_text(path, shown), shown)
    content: Any = {} if document.content is None else document.content
    if not isinstance(content, dict):
        problem = Problem(document.place(()), "a policy must be keys and values", "see docs/policy.md")
        raise ConfigError(str(problem), [problem])
    problems = list(_unknown_people(document, content, staff))
    try:
        said = PolicyFile.model_validate(content)
    except ValidationError as error:
        problems += Faults(PolicyFile, document, content, "docs/policy.md", environment=False).of(error)
    if problems:
        problems.sort(key=lambda problem: problem.location)
        raise ConfigError("\n".join(map(str, problems)), problems)
    return Read(said, document)


def _name(path: Path) -> str:
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except ValueError:
        return str(path)


def _text(path: Path, shown: str) -> str:
    try:
        if path.stat().st_size > MAX_BYTES:
            raise ConfigError(f"{shown}: larger than {MAX_BYTES} bytes, so it is no policy file")
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
        raise ConfigError(f"{shown}: the policy cannot be read: {reason}; `policy` in soar.yaml names it") from None


def _entries(said: PolicyFile, shipped: Read, operators: Read | None) -> Iterator[tuple[str, Entry]]:
    """Everything protected, with the place where it stands."""
    for name, group in said.protected.items():
        if group is None:
            continue
        source = operators if operators is not None and name in operators.said.protected else shipped
        for kind, key in (("address", "addresses"), ("client", "clients"), ("user", "users"), ("host", "hosts")):
            for at, one in enumerate(getattr(group, key)):
                where = source.at("protected", name, key, at)
                yield kind, Entry(one.value, name, one.reason or group.reason, where)


def _unknown_people(document: Document, content: Mapping[str, Any], staff: Staff) -> Iterator[Problem]:
    """Looked for in the bare content, so that they are told together with what else is wrong."""
    for place, kind in _PEOPLE:
        names: Any = content
        for key in place:
            names = names.get(key) if isinstance(names, dict) else None
        known = staff.known(kind)
        for at, name in enumerate(names if isinstance(names, list) else ()):
            if not isinstance(name, str) or name in known:
                continue
            where = document.place((*place, at))
            remedy = near(name, known) or f"soar.yaml has {', '.join(sorted(known)[:12]) or 'none'}; add it there"
            said = f"nobody has the role '{name}'" if kind == "role" else f"there is no {kind} '{name}'"
            yield Problem(where, f"{'.'.join(place[:2])}: {said}", remedy, document.line(where))


def _unanswered(said: PolicyFile, below: PolicyFile, staff: Staff, where: Location) -> Iterator[Problem]:
    """Questions nobody may answer end as a no: that is safe, and should be known before the night it happens."""
    approvers = said.approval.approvers or below.approval.approvers
    assert approvers is not None, "the shipped file names approvers"
    if not staff.roles:
        return  # nobody is set up yet; `soar policy show` says who answers
    there = len(staff.entitled(approvers_of(approvers)))
    if there < 2:
        message = f"policy: a guardrail's question needs up to two people, and {there} may answer"
        remedy = "give people of soar.yaml the roles analyst or admin, or name approvers in the policy"
        yield Problem(where, message, remedy, severity="warning")


def approvers_of(said: ApproverSettings) -> Approvers:
    """Who may answer, as the engine knows it."""
    return Approvers(said.groups, said.roles, said.users, said.required)
