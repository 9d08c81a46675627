"""What must never be contained, and whether a call would (I01-I04, I08)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from ipaddress import ip_network
from typing import Any, Final, Literal

from soar.model.action import ActionSpec
from soar.model.policy import Proposal
from soar.policy.names import NameIndex, is_pattern, names_nobody
from soar.policy.networks import NetworkIndex, ZonedAddress, networks_of
from soar.policy.subjects import Kinds, Subject, TooManyValues, parameter_kinds, subjects

NameKind = Literal["client", "user", "host"]
NAME_KINDS: Final[tuple[NameKind, ...]] = ("client", "user", "host")
_MENTIONED: Final = 10
"""Reasons that are told; a list of a thousand protected addresses needs no thousand sentences."""
_SEVERAL: Final = re.compile(r"[,;|\n]")
_ALWAYS: Final[tuple[tuple[str, str], ...]] = (
    ("127.0.0.0/8", "loopback"),
    ("::1/128", "loopback"),
    ("169.254.0.0/16", "link-local"),
    ("fe80::/10", "link-local"),
    ("0.0.0.0/8", "unspecified"),
    ("::/128", "unspecified"),
    ("224.0.0.0/4", "multicast"),
    ("ff00::/8", "multicast"),
    ("255.255.255.255/32", "broadcast"),
)
_ALWAYS_HOSTS: Final = ("localhost", "localhost.localdomain", "*.localhost", "ip6-localhost")


@dataclass(frozen=True, slots=True)
class Entry:
    """One protected thing, as people are told of it."""

    value: str
    group: str
    reason: str = ""
    place: str = ""
    """`policy.yaml:7:5`; empty for what is always protected."""

    def __str__(self) -> str:
        why = f" ({self.reason})" if self.reason else ""
        where = f", {self.place}" if self.place else ""
        return f"'{self.group}'{why}{where}"


class Protection:
    """Everything protected, ready to be asked."""

    def __init__(
        self,
        addresses: Iterable[Entry],
        names: Mapping[NameKind, Iterable[Entry]],
        own: Sequence[tuple[str, str]] = (),
    ) -> None:
        self._networks: NetworkIndex[Entry] = NetworkIndex()
        self._names: dict[NameKind, NameIndex[Entry]] = {kind: NameIndex() for kind in NAME_KINDS}
        self._kinds: dict[str, tuple[Mapping[str, Any], Kinds]] = {}
        for network, what in _ALWAYS:
            self._networks.add(ip_network(network), Entry(network, what))
        for host in _ALWAYS_HOSTS:
            self._names["host"].add(host, Entry(host, "loopback"))
        for host, what in own:
            self._add_own(host, what)
        for entry in addresses:
            for one in networks_of(entry.value):
                self._networks.add(one, entry)
        for kind, entries in names.items():
            for entry in entries:
                self._names[kind].add(entry.value, entry)

    def _add_own(self, host: str, what: str) -> None:
        entry = Entry(host, "own", what)
        try:
            for network in networks_of(host):
                self._networks.add(network, entry)
        except ValueError:
            if host:
                self._names["host"].add(host, entry)

    def objections(self, proposal: Proposal, *, containing: bool, host_names: bool) -> tuple[str, ...]:
        """Why this call may not go out; empty when nothing stands against it.

        `host_names`: a rule lets a name stand where an address is expected.
        """
        found: list[str] = []
        try:
            if containing and names_nobody(proposal.target):
                shown = "no target" if proposal.target is None else f"'{proposal.target}'"
                found.append(f"{proposal.name} would contain {shown}: the alert gave no value for it")
            for subject in subjects(proposal.spec, proposal.inputs, self._kinds_of(proposal.spec)):
                found += self._objections(subject, host_names=host_names)
                if len(found) > _MENTIONED:
                    break
            if proposal.target is not None and not found:
                found += self._free("target", proposal.target)
        except TooManyValues as error:
            return (f"{proposal.name} passes {error}: they cannot all be held against the protected ones",)
        return tuple(dict.fromkeys(found))[:_MENTIONED]

    def _kinds_of(self, spec: ActionSpec) -> Kinds:
        known = self._kinds.get(spec.name)
        if known is None or known[0] is not spec.params:
            known = self._kinds[spec.name] = (spec.params, parameter_kinds(spec))
        return known[1]

    def _objections(self, subject: Subject, *, host_names: bool) -> list[str]:
        if subject.kind == "free":
            return self._free(subject.parameter, subject.value)
        if names_nobody(subject.value):
            return [f"'{subject.parameter}' names nobody: it is {_shown(subject.value)}"] if subject.needed else []
        if isinstance(subject.value, bool | float):
            return [f"'{subject.parameter}' is {_shown(subject.value)}, which names no {subject.kind}"]
        text = str(subject.value)
        if subject.kind == "address":
            return self._address(subject.parameter, text, host_names=host_names)
        found = self._named(subject.parameter, text, subject.kind)
        return found or (self._free(subject.parameter, text) if subject.kind == "host" else [])

    def _address(self, parameter: str, text: str, *, host_names: bool) -> list[str]:
        try:
            networks = networks_of(text)
        except ZonedAddress as error:
            return [_zoned(parameter, text, error)]
        except ValueError:
            if host_names:
                return self._named(parameter, text, "host")
            what = f"'{parameter}' is {_shown(text)}, where an address is expected: a name may lead anywhere;"
            return [f"{what} look its address up in a step before, or allow it with `host_names: true` in the policy"]
        for network in networks:
            entry = self._networks.find(network)
            if entry is not None:
                return [_protected(parameter, text, entry)]
        return []

    def _named(self, parameter: str, text: str, kind: NameKind) -> list[str]:
        entry = self._names[kind].find_in(text)
        if entry is None and kind != "host" and is_pattern(text) and not text.strip("*? "):
            return [f"'{parameter}' is {_shown(text)}, which is everybody"]
        return [] if entry is None else [_protected(parameter, text, entry)]

    def _free(self, parameter: str, text: str) -> list[str]:
        """A value of no known kind: it may be any of them, or several in a row."""
        found = self._one_free(parameter, text)
        parts = _SEVERAL.split(text) if not found else []
        return found if len(parts) < 2 else [said for part in parts for said in self._one_free(parameter, part)]

    def _one_free(self, parameter: str, text: str) -> list[str]:
        try:
            for network in networks_of(text):
                entry = self._networks.find(network)
                if entry is not None:
                    return [_protected(parameter, text, entry)]
        except ZonedAddress as error:
            return [_zoned(parameter, text, error)]
        except ValueError:
            pass
        for index in self._names.values():
            entry = index.find(text)
            if entry is not None:
                return [_protected(parameter, text, entry)]
        return []


def _protected(parameter: str, value: str, entry: Entry) -> str:
    touches = "is" if value == entry.value else f"touches {entry.value}, which is"
    return f"'{parameter}' {_shown(value)} {touches} protected: {entry}"


def _zoned(parameter: str, text: str, error: ZonedAddress) -> str:
    kind = "link-local" if text.strip().lower().startswith("fe") else "of one link"
    return f"'{parameter}' {_shown(text)} is {kind}: {error}"


def _shown(value: object) -> str:
    text = repr(value) if not isinstance(value, str) else f"'{value}'"
    return text if len(text) <= 80 else f"{text[:79]}…"
