"""Reads the policy in force: the shipped file, and over it the one that soar.yaml names."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from soar.config import Document, Faults, Settings, read_document
from soar.errors import ConfigError, Location, Problem
from soar.expression import near
from soar.model.approval import Approvers
from soar.playbook import Staff
from soar.policy.file import ApproverSettings, PolicyFile
from soar.policy.own import OwnAddresses
from soar.policy.protected import NAME_KINDS, Entry, NameKind, Protection

MAX_BYTES: Final = 4 << 20
SHIPPED: Final = "the shipped policy"


@dataclass(frozen=True, slots=True)
class _Read:
    """One file: what it says, and where."""

    said: PolicyFile
    document: Document


@dataclass(frozen=True, slots=True)
class Rules:
    """The policy in force, with where each part comes from."""

    file: PolicyFile
    protection: Protection
    own: OwnAddresses
    entries: tuple[tuple[str, Entry], ...] = ()
    """Everything protected by entry: its kind, and itself."""
    warnings: tuple[Problem, ...] = ()


def load_rules(settings: Settings, own: OwnAddresses) -> Rules:
    """The policy in force.

    Raises:
        ConfigError: the operator's file cannot be read, or does not hold; every problem is listed with its place.
    """
    shipped = _shipped()
    operators = None if settings.policy is None else _operators(settings.policy)
    if operators is not None:
        problems = list(_unknown_people(operators, Staff.of(settings)))
        if problems:
            raise ConfigError("\n".join(map(str, problems)), problems)
    return _rules(shipped, operators, own, Staff.of(settings), settings.place())


def _rules(shipped: _Read, operators: _Read | None, own: OwnAddresses, staff: Staff, where: Location) -> Rules:
    said = shipped.said if operators is None else operators.said.over(shipped.said)
    entries = tuple(_entries(said, shipped, operators))
    addresses = [entry for kind, entry in entries if kind == "address"]
    names: dict[NameKind, list[Entry]] = {
        kind: [entry for known, entry in entries if known == kind] for kind in NAME_KINDS
    }
    return Rules(said, Protection(addresses, names, own.hosts), own, entries, tuple(_unanswered(said, staff, where)))


def _shipped() -> _Read:
    text = files("soar.policy").joinpath("default.yaml").read_text(encoding="utf-8")
    document = read_document(text, SHIPPED)
    return _Read(PolicyFile.model_validate(document.content), document)


def _operators(path: Path) -> _Read:
    shown = _name(path)
    document = read_document(_text(path, shown), shown)
    content: Any = {} if document.content is None else document.content
    if not isinstance(content, dict):
        problem = Problem(document.place(()), "a policy must be keys and values", "see docs/policy.md")
        raise ConfigError(str(problem), [problem])
    try:
        return _Read(PolicyFile.model_validate(content), document)
    except ValidationError as error:
        problems = Faults(PolicyFile, document, content, "docs/policy.md", environment=False).of(error)
        raise ConfigError("\n".join(map(str, problems)), problems) from None


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


def _entries(said: PolicyFile, shipped: _Read, operators: _Read | None) -> Iterator[tuple[str, Entry]]:
    """Everything protected, with the place where it stands."""
    for name, group in said.protected.items():
        if group is None:
            continue
        source = operators if operators is not None and name in operators.said.protected else shipped
        for kind, key in (("address", "addresses"), ("client", "clients"), ("user", "users"), ("host", "hosts")):
            for at, one in enumerate(getattr(group, key)):
                place = source.document.place(("protected", name, key, at))
                where = f"{place.file}:{place.line}" if place.line else place.file
                yield kind, Entry(one.value, name, one.reason or group.reason, where)


def _unknown_people(read: _Read, staff: Staff) -> Iterator[Problem]:
    approvers = read.said.approval.approvers
    if approvers is None:
        return
    for kind, key in (("group", "groups"), ("role", "roles"), ("person", "users")):
        for at, name in enumerate(getattr(approvers, key)):
            if name in staff.known(kind):
                continue
            place = read.document.place(("approval", "approvers", key, at))
            known = staff.known(kind)
            remedy = near(name, known) or f"soar.yaml has {', '.join(sorted(known)[:12]) or 'none'}; add it there"
            said = f"nobody has the role '{name}'" if kind == "role" else f"there is no {kind} '{name}'"
            yield Problem(place, f"approval.approvers: {said}", remedy, read.document.line(place))


def _unanswered(said: PolicyFile, staff: Staff, where: Location) -> Iterator[Problem]:
    """Questions nobody may answer end as a no: that is safe, and should be known before the night it happens."""
    assert said.approval.approvers is not None, "the shipped file names approvers"
    if not staff.roles:
        return  # nobody is set up yet; `soar policy show` says who answers
    there = len(staff.entitled(approvers_of(said.approval.approvers)))
    if there < 2:
        message = f"policy: a guardrail's question needs up to two people, and {there} may answer"
        remedy = "give people of soar.yaml the roles analyst or admin, or name approvers in the policy"
        yield Problem(where, message, remedy, severity="warning")


def approvers_of(said: ApproverSettings) -> Approvers:
    """Who may answer, as the engine knows it."""
    return Approvers(said.groups, said.roles, said.users, said.required)
