"""Takes answers in from channels: whose it is, whether they may, what is stored, and what they are told."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any

import structlog

from soar.approval.decide import Word, decide, refusal
from soar.approval.destinations import Channels
from soar.clock import Clock, rfc3339
from soar.config import PersonSettings
from soar.connector.channel import AnsweringChannel
from soar.errors import Conflict, ConnectorError, NotAllowed, NotFound, RequestInvalid, SoarError, StoreError
from soar.model.approval import Approval, Decision
from soar.model.message import Message
from soar.model.notice import Interaction
from soar.playbook import Staff
from soar.store import Store

log = structlog.get_logger(__name__)


class Refusal(Exception):
    """Why an answer does not count, for the one who gave it."""


class Desk:
    """One per process: every answer of every channel comes by here."""

    def __init__(
        self,
        store: Store,
        connections: Channels,
        people: Mapping[str, PersonSettings],
        staff: Callable[[], Staff],
        clock: Clock,
        settled: Callable[[], Awaitable[None]],
    ) -> None:
        self._store = store
        self._connections = connections
        self._names = {person.slack: name for name, person in people.items() if person.slack is not None}
        self._staff = staff
        self._clock = clock
        self._settled = settled
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, connection: str, interaction: Interaction) -> asyncio.Task[None]:
        """Take it in beside whoever acknowledges it; the task ends once it is stored, or refused."""
        return self._beside(self.take(connection, interaction))

    async def take(self, connection: str, interaction: Interaction) -> None:
        """Store an answer, or say to the one who gave it why it does not count; the buttons stay for the others (D06).

        Raises:
            StoreError: it could not be stored, and so counts for nothing; the person was not told yes.
        """
        channel = self._connections.channel(connection)
        assert isinstance(channel, AnsweringChannel)
        try:
            message, approval = await self._asked(connection, interaction)
            person = await self._person(connection, channel, interaction, approval)
            if interaction.kind == "wants_to_deny":
                await self._reason(connection, channel, interaction, approval, person)
            else:
                await self._vote(interaction, approval, message, person, channel.prefix)
        except (Refusal, NotAllowed, RequestInvalid, NotFound) as refused:
            self._beside(self._whisper(connection, channel, interaction, str(refused)))
        except StoreError as error:
            text = f"Your answer was NOT stored, and does not count: {error}. Press the button again in a moment."
            self._beside(self._whisper(connection, channel, interaction, text))
            raise

    async def stop(self, grace: float) -> None:
        """Let what was acknowledged be stored."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=grace)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _asked(self, connection: str, interaction: Interaction) -> tuple[Message, Approval]:
        """The request that the message carries: found by its nonce, and only in its own place."""
        message = await self._store.messages.by_nonce(interaction.nonce)
        stands_there = message is not None and message.connection == connection and message.place == interaction.place
        if message is None or message.approval_id is None or not stands_there:
            log.warning("an answer to a message that is none of ours", connection=connection, **interaction.evidence)
            raise Refusal("This message carries no request of this server (any more).")
        return message, await self._store.approvals.get(message.approval_id)

    async def _person(
        self, connection: str, channel: AnsweringChannel, interaction: Interaction, approval: Approval
    ) -> str:
        """Who it is. An identity that is nobody's, or may not speak for anybody, has no vote; that is recorded."""
        person = self._names.get(interaction.identity)
        if person is None:
            why = f"{interaction.identity} is nobody in soar.yaml"
        else:
            try:
                found = await self._connections.carry(
                    connection, lambda: channel.standing(interaction.identity), changes=False
                )
            except ConnectorError as error:
                found = (
                    f"it could not be found out whether the account may answer ({error}); try again, or use the page"
                )
            if found is None:
                return person
            why = found
        actor = f"{connection}:{interaction.identity}"
        await self._store.approvals.refused(
            approval, actor, connection, why, self._clock.now(), dict(interaction.evidence)
        )
        raise Refusal(f"Your answer does not count: {why}.")

    async def _reason(
        self, connection: str, channel: AnsweringChannel, interaction: Interaction, approval: Approval, person: str
    ) -> None:
        """A denial needs a reason; who may not deny hears that before they are asked for one."""
        if not approval.open:
            raise Refusal(final(approval))
        why = refusal(approval, person, self._staff())
        if why is not None:
            now, evidence = self._clock.now(), dict(interaction.evidence)
            await self._store.approvals.refused(approval, f"person:{person}", connection, why, now, evidence)
            raise Refusal(f"Your answer does not count: {why}.")
        self._beside(self._ask(connection, channel, interaction))

    async def _ask(self, connection: str, channel: AnsweringChannel, interaction: Interaction) -> None:
        try:
            await self._connections.carry(connection, lambda: channel.ask_reason(interaction), changes=False)
        except ConnectorError as error:
            text = f"The form for your reason could not be opened ({error}). Press Deny again, or use the page."
            await self._whisper(connection, channel, interaction, text)

    async def _vote(self, interaction: Interaction, approval: Approval, message: Message, person: str, by: str) -> None:
        evidence = {**interaction.evidence, "message": message.id, "digest": approval.digest}
        decision: Decision = "approve" if interaction.kind == "approve" else "deny"
        word = Word(person, decision, by, interaction.reason, evidence)
        try:
            await decide(self._store, self._staff(), approval.id, word, self._clock.now())
        except Conflict as error:
            stands = await self._store.approvals.get(approval.id)
            if any(_same(vote.evidence, interaction.evidence) for vote in stands.votes):
                return  # the channel's service has sent the same click once more (D07)
            raise Refusal(str(error) if stands.open else final(stands)) from error
        await self._settled()

    async def _whisper(self, connection: str, channel: AnsweringChannel, interaction: Interaction, text: str) -> None:
        try:
            await self._connections.carry(connection, lambda: channel.whisper(interaction, text), changes=False)
        except (ConnectorError, SoarError) as error:
            log.warning("a private answer was not delivered", connection=connection, reason=str(error))

    def _beside(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


def final(approval: Approval) -> str:
    """How a request was settled, for somebody who comes late."""
    by = (approval.settled_by or "").removeprefix("person:")
    reason = f": {approval.reason}" if approval.reason else ""
    return f"This request is {approval.state} already, by {by} at {rfc3339(approval.settled_at)}{reason}."


def _same(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Whether two deliveries are of one click: the same account at the same instant, as the service tells it."""
    names = ("user", "action_ts")
    return all(one.get(name) is not None and one.get(name) == other.get(name) for name in names)
