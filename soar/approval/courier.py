"""Carries requests to people: writes each message down, sends it, edits it as the request moves, tries other ways.

All of it is rows: what a dead process was sending is found again, and sent again at most once (D12). A request counts
as asked when a channel has taken it with everything needed to answer it, and not before (D13).
"""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import structlog

from soar.approval.destinations import Channels, Destinations
from soar.approval.lines import line
from soar.approval.notices import Notices
from soar.approval.progress import Progress
from soar.clock import Clock, Millis, rfc3339
from soar.connector.channel import Channel
from soar.errors import ConnectorError, NotFound, OutcomeUnknown, StoreError, Unavailable
from soar.ids import derived_id
from soar.model.approval import OPEN_APPROVALS, Approval
from soar.model.message import Message
from soar.store import Store

log = structlog.get_logger(__name__)

POLL: Final = 0.25
"""Seconds between two looks for what is due."""
_FIRST_PAUSE: Final = 0.5
_LAST_PAUSE: Final = 60.0
_LOSSES: Final = 2
"""A post whose answer was lost is made once more, and marked; after a second loss the channel has refused."""
_ROOT_PAUSE: Final = 500


class Courier:
    """One per engine. `run` until cancelled; whoever has changed a request may `wake` it."""

    def __init__(
        self, store: Store, connections: Channels, notices: Notices, destinations: Destinations, clock: Clock
    ) -> None:
        self._store = store
        self._connections = connections
        self._notices = notices
        self._destinations = destinations
        self._clock = clock
        self._progress = Progress(store, connections, notices)
        self._busy: dict[str, asyncio.Task[None]] = {}
        self._quiet: dict[str, Millis] = {}
        """Destinations that asked to be left alone, and until when."""
        self._awake = asyncio.Event()
        self._failing = False

    def wake(self) -> None:
        """Something was asked or answered."""
        self._awake.set()

    async def run(self) -> None:
        """Carry until cancelled. A store that does not answer is waited for, and told once."""
        begun = False
        while True:
            try:
                if not begun:
                    await self._store.messages.interrupted(self._clock.now())
                    begun = True
                await self.round()
                self._failing = False
            except StoreError as error:
                if not self._failing:
                    log.warning("messages wait for the store", reason=str(error))
                self._failing = True
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._awake.wait(), POLL)
            self._awake.clear()

    async def stop(self, grace: float) -> None:
        """Let what is being sent come to its end; what is not is found again at the next start."""
        tasks = list(self._busy.values())
        if tasks:
            await asyncio.wait(tasks, timeout=grace)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def settle(self) -> None:
        """Do all that is due now, to its end."""
        await self.round()
        while self._busy:
            await asyncio.wait(list(self._busy.values()))
            await self.round()

    async def round(self) -> None:
        """Make the messages that are wanted, and begin to send what is due."""
        now = self._clock.now()
        for approval_id in await self._store.messages.untold():
            await self._plan(await self._store.approvals.get(approval_id), now)
        for approval_id in await self._store.messages.to_remind(now):
            await self._remind(await self._store.approvals.get(approval_id), now)
        for message in await self._store.messages.followed(now):
            await self._progress.tell(message, now)
        self._quiet = {place: until for place, until in self._quiet.items() if until > now}
        waiting = defaultdict(list)
        for message in await self._store.messages.due(now, besides=[*self._busy, *self._quiet]):
            waiting[message.destination].append(message)
        for destination, messages in waiting.items():
            self._busy[destination] = asyncio.create_task(self._deliver(destination, messages))

    # -- what is wanted -----------------------------------------------------------------------

    async def _plan(self, approval: Approval, now: Millis) -> None:
        roots = {one.destination: one.id for one in await self._store.messages.roots(approval.execution_id)}
        places, unreached = self._destinations.of(approval)
        messages = [_unreached(approval, name, now) for name in unreached]
        for destination in places:
            identity = derived_id(approval.id, "message", approval.stage, destination)
            earlier = {one.destination for one in await self._store.messages.of(approval.id) if one.kind == "request"}
            if destination in earlier:
                continue  # told in an earlier stage: its message still stands, and its buttons are live
            messages.append(
                Message(
                    identity,
                    "request",
                    approval.execution_id,
                    destination,
                    now,
                    approval_id=approval.id,
                    stage=approval.stage,
                    thread_id=roots.get(destination),
                    nonce=secrets.token_urlsafe(24),
                    due_at=now,
                )
            )
        await self._store.messages.plan(approval, messages, now)

    async def _remind(self, approval: Approval, now: Millis) -> None:
        assert approval.remind is not None
        step = round(approval.remind * 1000)
        passed = (now - approval.asked_at) // step
        next_at = approval.asked_at + (passed + 1) * step
        told = [one for one in await self._store.messages.of(approval.id) if one.kind == "request" and one.place]
        answer = "counts as a yes" if approval.on_timeout == "approve" else "counts as a no"
        text = f"Still waiting for an answer: {approval.message}\nNo answer by {rfc3339(approval.due_at)} {answer}."
        if (link := self._notices.link(approval.id)) is not None:
            text += f"\n{link}"
        lines = [line(one, "reminder", text, now, passed) for one in told]
        later = next_at if approval.due_at is not None and next_at < approval.due_at else None
        if approval.stage + 1 < len(approval.stages):
            later = next_at
        await self._store.messages.remind(approval, lines, later)

    # -- what is due --------------------------------------------------------------------------

    async def _deliver(self, destination: str, messages: Sequence[Message]) -> None:
        """One place at a time, in order: a place that asks to be left alone holds up no other."""
        try:
            for message in messages:
                if not await self._attempt(message):
                    break
        except StoreError as error:
            log.warning("message left as it is", destination=destination, reason=str(error))
        finally:
            self._busy.pop(destination, None)
            self.wake()

    async def _attempt(self, message: Message) -> bool:
        """Send or edit one; False when its place does not answer now."""
        now = self._clock.now()
        if message.state == "waiting" and message.lost >= _LOSSES:  # the second time, this process died of it
            await self._store.messages.refused(message, f"its answer was lost twice ({message.error})", now)
            return True
        try:
            channel = self._connections.channel(message.connection)
            if message.kind == "request":
                await self._request(message, channel)
            else:
                await self._line(message, channel)
        except OutcomeUnknown as error:
            await self._lost(message, str(error), now)
            return False
        except Unavailable as error:
            pause = max(min(_LAST_PAUSE, _FIRST_PAUSE * 2**message.tries), error.retry_after or 0.0)
            due = now + round(pause * 1000)
            if error.retry_after is not None:
                self._quiet[message.destination] = due
            await self._store.messages.again(message, str(error), due, now)
            return False
        except (ConnectorError, NotFound) as error:
            log.warning("a channel refused a message", destination=message.destination, reason=str(error))
            await self._store.messages.refused(message, str(error), now)
        return True

    async def _lost(self, message: Message, error: str, now: Millis) -> None:
        if message.lost + 1 >= _LOSSES:
            await self._store.messages.refused(message, f"its answer was lost twice ({error})", now)
        else:
            await self._store.messages.again(message, error, now + 1_000, now, lost=True)

    async def _request(self, message: Message, channel: Channel) -> None:
        assert message.approval_id is not None
        approval = await self._store.approvals.get(message.approval_id)
        if message.state == "waiting":
            if approval.state not in OPEN_APPROVALS:
                await self._store.messages.drop(message)
                return
            posted = await self._post(message, approval, channel)
            if posted is None or not channel.edits:
                return
            message, approval = posted, await self._store.approvals.get(approval.id)
        if channel.edits:
            notice = await self._notices.of(approval, message.nonce or "", repeated=message.lost > 0)
            place = message.place or {}
            await self._connections.carry(message.connection, lambda: channel.show(notice, place), changes=False)
        await self._store.messages.shown(message)

    async def _post(self, message: Message, approval: Approval, channel: Channel) -> Message | None:
        """Put it there; None when that is not to be done now."""
        root = None if message.thread_id is None else await self._store.messages.get(message.thread_id)
        if root is not None and root.place is None and root.state in ("waiting", "posting", "posted"):
            await self._store.messages.later(message, self._clock.now() + _ROOT_PAUSE)
            return None
        if not await self._store.messages.begin(message):
            return None
        notice = await self._notices.of(approval, message.nonce or "", repeated=message.lost > 0)
        thread = None if root is None else root.place
        place = await self._connections.carry(
            message.connection, lambda: channel.post(notice, message.address, thread), changes=True
        )
        due = self._clock.now() if channel.edits else None
        await self._store.messages.posted(message, place, "posted" if channel.edits else "shown", due)
        return await self._store.messages.get(message.id)

    async def _line(self, message: Message, channel: Channel) -> None:
        root = None if message.thread_id is None else await self._store.messages.get(message.thread_id)
        if not await self._store.messages.begin(message):
            return
        thread = None if root is None else root.place
        again = "\n(This may stand here twice: the answer to the first post was lost.)" if message.lost else ""
        text = f"{message.text or ''}{again}"
        place = await self._connections.carry(
            message.connection, lambda: channel.tell(text, message.address, thread), changes=True
        )
        await self._store.messages.posted(message, place, "shown", None)


def _unreached(approval: Approval, name: str, now: Millis) -> Message:
    """What is kept of a channel that nothing carries, so that people see it."""
    return Message(
        derived_id(approval.id, "message", approval.stage, name),
        "request",
        approval.execution_id,
        name,
        now,
        state="refused",
        approval_id=approval.id,
        stage=approval.stage,
        error="no connection of soar.yaml reaches it",
    )
