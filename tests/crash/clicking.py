"""A deployment that asks in Slack and dies at a chosen write, and the people there, who press what can be pressed."""

from __future__ import annotations

import asyncio
import signal
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import aiohttp

from bench.load import alert
from soar.model.execution import FINAL
from soar.rehearsal.inbox import NobodyCould, SlackInbox
from tests.acceptance.harness import Recorder, calling, recording
from tests.crash.deployment import CONFIG
from tests.crash.doomed import LOOK, PATIENCE, Doomed
from tests.crash.people import People

TOKEN: Final = "xoxb-crash-matrix"
SIGNING: Final = "signing-secret-of-the-crash-matrix"
ANA: Final = "U0000000001"

SLACK = """\
public_url: http://127.0.0.1:{port}
people: {{ana: {{roles: [analyst], slack: T01/U0000000001}}}}
"""
CONNECTION = """\
  slack:
    connector: slack
    settings: {{base_url: "{slack}"}}
    secrets: {{token: "env:SLACK_TOKEN", signing_secret: "env:SLACK_SIGNING"}}
people: {{ana"""
ASKS = """\
    approval:
      message: "Call it for {{ alert.source_ref }}?"
      notify: ["slack:#CHANNEL"]
      approvers: {role: analyst}
      timeout: 1h
"""


@dataclass
class Life:
    """What one life and death came to, as the outside world has it."""

    died: bool = False
    writes: int = 0
    presses: int = 0
    most_live: int = 0
    """Messages of the one request whose buttons could be pressed at the same time."""
    calls: list[str | None] = field(default_factory=list)
    """The key of each call the approval let out."""
    requests: int = 0
    """Requests the engine made of people."""
    votes: int = 0
    marked: int = 0
    """Posts that stand without an end: made when the server died, and made once more."""
    texts: list[str] = field(default_factory=list)
    """Lines below the request."""

    def wrong(self) -> list[str]:
        """What is not as it would have been had nobody died."""
        told = []
        if len(self.calls) != 1 and len(set(self.calls)) != 1:
            told.append(f"calls: {self.calls}")
        told += [f"live buttons at once: {self.most_live}"] if self.most_live > 1 else []
        told += [f"requests: {self.requests}, votes: {self.votes}"] if (self.requests, self.votes) != (1, 1) else []
        told += [f"posts left without an end: {self.marked}"] if self.marked > 1 else []
        ended = [text for text in self.texts if text.startswith("Execution succeeded")]
        told += [] if ended else [f"nothing says how it ended: {self.texts}"]
        return told


class Asking(Doomed):
    """A server whose one playbook asks in Slack before its call."""

    def __init__(self, folder: Path, target: str, slack: SlackInbox, channel: str) -> None:
        super().__init__(folder, target)
        text = CONFIG.replace("people: {{ana: {{roles: [analyst]}}, ben: {{roles: [analyst]}}}}\n", "")
        connection = CONNECTION.removesuffix("people: {{ana")
        given = {"port": self.port, "target": target, "slack": slack.api_url, "database": self.database}
        self.configure((text + connection + SLACK).format(**given))
        for name in ("every-kind", "child", "lingering"):
            (folder / "playbooks" / f"{name}.yaml").unlink()
        self.playbook("asks", calling("/only", playbook_id="asks", more=ASKS.replace("CHANNEL", channel)))

    @property
    def environment(self) -> dict[str, str]:
        return {**super().environment, "SLACK_TOKEN": TOKEN, "SLACK_SIGNING": SIGNING}


@asynccontextmanager
async def asking(folder: Path, slack: SlackInbox, channel: str) -> AsyncIterator[tuple[Asking, Recorder]]:
    """A server not started yet, its own channel in that workspace, and the system it calls."""
    folder.mkdir()
    async with recording() as target:
        server = Asking(folder, target.url, slack, channel)
        url = f"{server.base}/slack/interactions"
        await asyncio.to_thread(slack.configure, channels={channel: channel_id(channel)}, request_url=url)
        try:
            yield server, target
        finally:
            await server.over(signal.SIGKILL)


def channel_id(channel: str) -> str:
    return f"C{channel.upper().replace('-', '')}"


async def clicked(
    folder: Path, http: aiohttp.ClientSession, slack: SlackInbox, channel: str, at: str = "never"
) -> Life:
    """Ask, press, die at that write, serve again to the end."""
    async with asking(folder, slack, channel) as (server, target):
        server.begin(at)
        life, people, accepted = Life(), None, False
        until = time.monotonic() + PATIENCE
        try:
            while time.monotonic() < until:
                if not server.alive:
                    assert not life.died, f"{at}: it died once more:\n{server.log}"
                    life.died = True
                    server.begin()
                accepted = accepted or await server.post(http, alert("only", 1)) == 202
                people = people or await People.beside(server.database)
                standing = await asyncio.to_thread(_standing, slack, channel)
                await _press(slack, standing, life)
                if people is not None and await _over(people, standing, life):
                    life.calls = [call.key for call in target.calls]
                    life.writes = server.writes
                    return life
                await asyncio.sleep(LOOK)
            raise AssertionError(f"{at}: not over after {PATIENCE:.0f} s: {life}\n{server.log}")
        finally:
            if people is not None:
                await people.store.close()


def _standing(slack: SlackInbox, channel: str) -> list[dict[str, Any]]:
    return [one for one in slack.messages() if one["channel"] == channel_id(channel)]


def has_buttons(message: dict[str, Any]) -> bool:
    return any(block["type"] == "actions" for block in message.get("blocks", ()))


async def _press(slack: SlackInbox, standing: list[dict[str, Any]], life: Life) -> None:
    """Ana presses approve, as long as there is something to press."""
    live = [one for one in standing if has_buttons(one)]
    life.most_live = max(life.most_live, len(live))
    if not live:
        return
    try:
        await asyncio.to_thread(slack.click, live[-1]["ts"], ANA, channel=live[-1]["channel"])
        life.presses += 1
    except (NobodyCould, OSError):
        return


async def _over(people: People, standing: list[dict[str, Any]], life: Life) -> bool:
    """Whether the execution has ended, and Slack says so."""
    executions = await people.executions()
    if not executions or executions[0].state not in FINAL or any(map(has_buttons, standing)):
        return False
    life.texts = [one["text"] for one in standing if "thread_ts" in one]
    if not any(text.startswith("Execution") for text in life.texts):
        return False
    approvals = (await people.store.approvals.page()).items
    life.requests, life.votes = len(approvals), sum(len(one.votes) for one in approvals)
    requests = [one for one in standing if "thread_ts" not in one]
    life.marked = sum("approved" not in str(one).lower() for one in requests)
    return True
