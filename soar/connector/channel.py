"""Connectors that carry requests to people, and perhaps their answers back.

A message is made in two steps, so that a lost answer can never leave two sets of live buttons: `post` makes it
without any power, and may stand there twice when its answer was lost; `show` brings a message whose place is known to
what the request says now, buttons included, and may be repeated at will.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Awaitable, Callable, Mapping
from typing import ClassVar

from soar.connector.base import Connector
from soar.model.notice import Interaction, Notice, Place

Take = Callable[[Interaction], Awaitable[None]]
"""Takes an answer in. It returns once the answer is stored, or refused and said so."""


class Channel(Connector):
    """A connector through which people are told and asked.

    Every method raises Unavailable (nothing was sent), Refused (it never will be) or OutcomeUnknown (the answer was
    lost), as actions do.
    """

    prefix: ClassVar[str]
    """How playbooks name such a channel when no connection has that very name: `slack` in `slack:#soc`."""
    edits: ClassVar[bool] = False
    """Whether `show` changes a message in place; without, `post` says all there is to say, once."""

    @abstractmethod
    async def post(self, notice: Notice, to: str, thread: Place | None) -> Place:
        """Put a request before people, without buttons; below the message at `thread`, where there is one."""

    async def show(self, notice: Notice, place: Place) -> None:
        """Bring the message to what the request says now: with buttons while it is open, without them after."""

    @abstractmethod
    async def tell(self, text: str, to: str, thread: Place | None) -> Place:
        """Say a line: a reminder, what a step did, how it ended."""

    @abstractmethod
    def address(self, email: str | None, identity: str | None) -> str | None:
        """Where this channel reaches a person of `soar.yaml`; None when it does not."""


class AnsweringChannel(Channel):
    """A channel that brings answers back."""

    edits: ClassVar[bool] = True

    @abstractmethod
    def opened(self, body: bytes, headers: Mapping[str, str], now: float) -> Interaction | None:
        """Read a delivery of the channel's service; None when it asks nothing of us.

        `now` is in seconds since 1970; names of headers are in lower case.

        Raises:
            SignatureInvalid: it does not prove where it comes from, whatever is wrong with it.
            DeliveryMalformed: it is genuine, and cannot be read.
        """

    @property
    def listens(self) -> bool:
        """Whether it fetches answers itself, so that no inbound path is needed."""
        return False

    async def listen(self, take: Take) -> None:
        """Fetch answers until cancelled; comes back by itself after every cut."""

    @abstractmethod
    async def standing(self, identity: str) -> str | None:
        """Why that identity may not answer whoever it belongs to (a guest, a deactivated one); None when it may."""

    @abstractmethod
    async def ask_reason(self, interaction: Interaction) -> None:
        """Ask the person who wants to deny for their reason; it comes back as an interaction of its own."""

    @abstractmethod
    async def whisper(self, interaction: Interaction, text: str) -> None:
        """Tell that one person something; nobody else sees it, and the message stays as it is."""
