"""Whom a stage of a request is told to, and through which connections."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from soar.config import PersonSettings
from soar.connector.channel import Channel
from soar.model.approval import Approval

T = TypeVar("T")


class Channels(Protocol):
    """The connections that carry messages, as `ConnectionSet` knows them."""

    def channels(self) -> Mapping[str, type[Channel]]: ...

    def channel(self, name: str) -> Channel: ...

    async def carry(self, name: str, work: Callable[[], Awaitable[T]], *, changes: bool) -> T: ...


@dataclass(frozen=True, slots=True)
class Destinations:
    """Where people are told, in the words of `soar.yaml` at this moment."""

    connections: Channels
    people: Mapping[str, PersonSettings]
    groups: Mapping[str, tuple[str, ...]]
    default: Callable[[], tuple[str, ...]] = tuple
    """Channels of a request that names none: those of the policy."""

    def named(self, approval: Approval) -> tuple[str, ...]:
        """Whom its present stage names: channels, people and groups."""
        to = approval.stages[approval.stage].to
        return to if to or approval.stage else self.default()

    def of(self, approval: Approval) -> tuple[list[str], list[str]]:
        """Each place once, as `<connection>:<address>`, and the names that no connection reaches."""
        found: dict[str, None] = {}
        unreached = []
        for name in self.named(approval):
            places = list(self._places(name))
            found |= dict.fromkeys(places)
            if not places:
                unreached.append(name)
        return list(found), unreached

    def channel(self, destination: str) -> str | None:
        """`slack:#soc` as the connection that carries it says it; None when none does.

        What stands before the colon is the name of a connection, or the kind of one: then its first one carries it.
        """
        prefix, _, address = destination.partition(":")
        channels = self.connections.channels()
        kinds = (name for name, made in channels.items() if made.prefix == prefix)
        connection = prefix if prefix in channels else next(kinds, None)
        return f"{connection}:{address}" if connection is not None and address else None

    def _places(self, name: str) -> Iterator[str]:
        if ":" in name:
            place = self.channel(name)
            if place is not None:
                yield place
            return
        for person in self._people(name):
            yield from self._reached(self.people[person])

    def _people(self, name: str) -> Iterable[str]:
        if name in self.groups:
            return self.groups[name]
        holders = [person for person, one in self.people.items() if name in one.roles]
        return [name] if name in self.people else holders

    def _reached(self, person: PersonSettings) -> Iterator[str]:
        """One place by each kind of channel: the first connection of a kind that reaches them."""
        kinds: set[str] = set()
        for connection, made in self.connections.channels().items():
            address = self.connections.channel(connection).address(person.email, person.slack)
            if address is not None and made.prefix not in kinds:
                kinds.add(made.prefix)
                yield f"{connection}:{address}"
