"""The real engine, store, courier and desk; channels whose faults are scripted."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar, TypeVar

import pytest

from soar.approval.destinations import Destinations
from soar.approval.notices import Notices
from soar.approval.service import ApprovalService
from soar.config import PersonSettings
from soar.connector.channel import AnsweringChannel, Channel
from soar.connector.connections import ConnectionView
from soar.errors import NotFound, OutcomeUnknown
from soar.model.approval import Approval
from soar.model.execution import Execution
from soar.model.message import Message
from soar.model.notice import Interaction, Notice, Place
from soar.playbook import Staff
from soar.testing.connections import FakeConnections
from soar.testing.stage import Stage, stage
from tests.engine.conftest import ACTIONS, playbook

T = TypeVar("T")

PEOPLE = {
    "ana": PersonSettings(email="ana@example.com", slack="T01/U01", roles=("analyst",)),
    "ben": PersonSettings(email="ben@example.com", slack="T01/U02", roles=("analyst",)),
    "eve": PersonSettings(email="eve@example.com", slack="T01/U09"),
    "kim": PersonSettings(email="kim@example.com"),
}
GROUPS = {"leads": ("ben", "kim")}
GUARDED = """
  - id: contain
    approval:
      message: "Block {{ alert.src_ip }}?"
      notify: ["slack:#soc"]
      approvers: {users: [ana, ben]}
      timeout: 15m
    steps:
      - {id: block, action: gateway.block_ip, with: {ip: "{{ alert.src_ip }}"}, undo: {after: 24h}}
  - {id: note, action: api.call, with: {text: over}}
"""


class Board(AnsweringChannel):
    """A channel with buttons, in memory: what stands where, as people would see it."""

    name = "board"
    prefix: ClassVar[str] = "slack"

    def __init__(self) -> None:  # no wiring: it has no settings, and no network
        self.messages: list[dict[str, Any]] = []
        self.whispers: list[tuple[str, str]] = []
        self.asked_reasons: list[str] = []
        self.guests: dict[str, str] = {}

    async def post(self, notice: Notice, to: str, thread: Place | None) -> Place:
        return self._add(to, thread, notice=notice, buttons=False)

    async def show(self, notice: Notice, place: Place) -> None:
        [standing] = [one for one in self.messages if one["ts"] == place["ts"]]
        standing |= {"notice": notice, "buttons": notice.open}

    async def tell(self, text: str, to: str, thread: Place | None) -> Place:
        return self._add(to, thread, text=text)

    def address(self, email: str | None, identity: str | None) -> str | None:
        return None if identity is None else identity.partition("/")[2]

    def opened(self, body: bytes, headers: Mapping[str, str], now: float) -> Interaction | None:
        raise AssertionError("answers are given to the desk itself here")

    async def standing(self, identity: str) -> str | None:
        return self.guests.get(identity)

    async def ask_reason(self, interaction: Interaction) -> None:
        self.asked_reasons.append(interaction.identity)

    async def whisper(self, interaction: Interaction, text: str) -> None:
        self.whispers.append((interaction.identity, text))

    def _add(self, to: str, thread: Place | None, **content: Any) -> Place:
        place = {"channel": to, "ts": f"{len(self.messages) + 1}"}
        self.messages.append({**place, "thread": thread and thread["ts"], **content})
        return place

    @property
    def live(self) -> list[dict[str, Any]]:
        """Messages whose buttons can be pressed."""
        return [one for one in self.messages if one.get("buttons")]

    def texts(self, thread: str | None = None) -> list[str]:
        return [one["text"] for one in self.messages if "text" in one and thread in (None, one["thread"])]


class Mail(Channel):
    """A channel that says what there is to say once."""

    name = "mail"
    prefix: ClassVar[str] = "email"

    def __init__(self) -> None:
        self.sent: list[tuple[str, Notice | str]] = []

    async def post(self, notice: Notice, to: str, thread: Place | None) -> Place:
        self.sent.append((to, notice))
        return {"id": str(len(self.sent))}

    async def tell(self, text: str, to: str, thread: Place | None) -> Place:
        self.sent.append((to, text))
        return {"id": str(len(self.sent))}

    def address(self, email: str | None, identity: str | None) -> str | None:
        return email


class Post:
    """The connections, as far as messages go; `faults` are what becomes of the next ones, by connection."""

    def __init__(self) -> None:
        self.board, self.mail = Board(), Mail()
        self.made: dict[str, Channel] = {"slack": self.board, "mailer": self.mail}
        self.faults: dict[str, list[Exception | None]] = {}

    def channels(self) -> dict[str, type[Channel]]:
        return {name: type(channel) for name, channel in self.made.items()}

    def channel(self, name: str) -> Channel:
        try:
            return self.made[name]
        except KeyError:
            raise NotFound(f"there is no connection '{name}'") from None

    async def carry(self, name: str, work: Callable[[], Awaitable[T]], *, changes: bool) -> T:
        """A lost answer is lost after the work was done."""
        fault = self.faults[name].pop(0) if self.faults.get(name) else None
        if fault is not None and not isinstance(fault, OutcomeUnknown):
            raise fault
        done = await work()
        if fault is not None:
            assert changes
            raise fault
        return done

    def view(self, name: str) -> ConnectionView:
        return ConnectionView(name, "fake", "dmz", {}, {}, ())

    def spec(self, name: str) -> Any:
        return ACTIONS[name]


class World:
    """A stage with people around it."""

    def __init__(self, built: Stage) -> None:
        self.stage = built
        self.store, self.clock = built.store, built.clock
        self.post = Post()
        self.default: tuple[str, ...] = ()
        self.service = self._new_service()

    @property
    def board(self) -> Board:
        return self.post.board

    @property
    def mail(self) -> Mail:
        return self.post.mail

    def _new_service(self) -> ApprovalService:
        staff = Staff({name: person.roles for name, person in PEOPLE.items()}, GROUPS)
        destinations = Destinations(self.post, PEOPLE, GROUPS, lambda: self.default)
        notices = Notices(self.store, self.post, "https://soar.example.com")
        look = self.stage.engine.look
        return ApprovalService(self.store, self.post, notices, destinations, lambda: staff, PEOPLE, self.clock, look)

    async def ask(self, steps: str = GUARDED, **alert: Any) -> Execution:
        """Open an execution, and let it come to its question."""
        execution = await self.stage.open(playbook(steps), {"src_ip": "203.0.113.9", **alert})
        await self.settle()
        return execution

    async def settle(self) -> None:
        """Everything that happens at this instant: the engine's part and the courier's."""
        await self.stage._work()
        await self.service.courier.settle()

    async def pass_to(self, instant: int) -> None:
        await self.stage.run(until=instant)
        await self.settle()

    async def later(self, seconds: float) -> None:
        await self.pass_to(self.clock.now() + round(seconds * 1000))

    async def restart(self) -> None:
        """As after a crash: the rows stay."""
        await self.service.stop(0)
        await self.stage.restart()
        self.service = self._new_service()
        await self.store.messages.interrupted(self.clock.now())

    async def press(self, kind: str, identity: str = "T01/U01", at: int = 0, **more: Any) -> None:
        """Press a button of a message that is live, or was."""
        message = self.board.messages[at]
        place = {"channel": message["channel"], "ts": message["ts"]}
        evidence = {"user": identity.partition("/")[2], "action_ts": more.pop("action_ts", str(self.clock.now()))}
        given: dict[str, Any] = {"nonce": message["notice"].nonce, "place": place, "evidence": evidence} | more
        await self.service.desk.take("slack", Interaction(kind, identity, **given))  # type: ignore[arg-type]
        await self.service.desk.stop(1)
        await self.settle()

    async def approval(self, execution: Execution) -> Approval:
        return (await self.store.approvals.of(execution.id))[-1]

    async def messages(self, execution: Execution) -> list[Message]:
        return await self.store.messages.of((await self.approval(execution)).id)


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    async with stage(tmp_path, FakeConnections(ACTIONS)) as built:
        made = World(built)
        yield made
        await made.service.stop(1)
