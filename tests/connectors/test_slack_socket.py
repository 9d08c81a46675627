"""Socket Mode: answers come in through a socket of ours, whatever becomes of single connections."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web

from connectors.slack import socket_mode
from soar.model.notice import Interaction
from soar.rehearsal.inbox import Delivery, SlackInbox
from tests.connectors.contract import connected
from tests.connectors.faults import serving
from tests.connectors.slack_stage import APP_TOKEN, TOKEN, Desk, desk, notice, slack


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with slack() as part:
        yield part


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """The pauses between two tries, as short as a test may wait."""
    monkeypatch.setattr(socket_mode, "FIRST_PAUSE", 0.01)
    monkeypatch.setattr(socket_mode, "LAST_PAUSE", 0.05)


class Ear:
    """Takes in what is heard; `hold` makes it slow, `broken` makes it fail."""

    def __init__(self) -> None:
        self.heard: list[Interaction] = []
        self.hold: asyncio.Event | None = None
        self.broken = False
        self.begun = asyncio.Event()

    async def take(self, interaction: Interaction) -> None:
        self.begun.set()
        if self.hold is not None:
            await self.hold.wait()
        if self.broken:
            raise RuntimeError("the store is away")
        self.heard.append(interaction)


async def until(seen: Callable[[], bool]) -> None:
    """Look until it is so; the test's own time limit ends it."""
    async with asyncio.timeout(20):
        while not await asyncio.to_thread(seen):
            await asyncio.sleep(0.01)


@asynccontextmanager
async def listening(inbox: SlackInbox, ear: Ear) -> AsyncIterator[Desk]:
    async with desk(inbox, socket_mode=True) as made:
        before = inbox.sockets()["hellos"]
        task = asyncio.create_task(made.channel.listen(ear.take))
        try:
            await until(lambda: inbox.sockets()["hellos"] > before)
            yield made
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            await until(lambda: inbox.sockets()["open"] == 0)


async def press(inbox: SlackInbox, made: Desk, **more: Any) -> list[Delivery]:
    place = await made.asked(notice())
    return await asyncio.to_thread(inbox.click, place["ts"], "U01", **more)


async def test_a_press_comes_through_the_socket_and_is_acknowledged(inbox: SlackInbox) -> None:
    ear = Ear()
    async with listening(inbox, ear) as made:
        [delivery] = await press(inbox, made)
        assert ear.heard, "stored before it is acknowledged"
    [heard] = ear.heard
    assert (delivery.status, heard.kind, heard.identity) == (200, "approve", "T01/U01")
    assert heard.evidence["envelope_id"] in inbox.sockets()["acked"]
    assert "signature_sha256" not in heard.evidence
    assert made.taken == []


async def test_a_form_comes_through_the_socket_too(inbox: SlackInbox) -> None:
    ear = Ear()
    async with listening(inbox, ear) as made:
        await press(inbox, made, action="soar_deny")
        await until(lambda: bool(ear.heard))
        await made.ask_reason(ear.heard[0])
        [delivery] = await asyncio.to_thread(inbox.submit, "U01", "our own proxy")
        await until(lambda: len(ear.heard) == 2)
    assert (delivery.status, ear.heard[1].kind, ear.heard[1].reason) == (200, "deny", "our own proxy")


async def test_d07_a_slow_store_does_not_hold_up_the_acknowledgement(inbox: SlackInbox) -> None:  # D07
    """The answer is held back until Slack has its acknowledgement: so it cannot have waited for it."""
    ear = Ear()
    ear.hold = asyncio.Event()
    async with listening(inbox, ear) as made:
        [delivery] = await press(inbox, made)
        assert (delivery.status, ear.heard) == (200, [])
        assert delivery.seconds < 3
        ear.hold.set()
        await until(lambda: bool(ear.heard))


async def test_what_was_acknowledged_is_taken_in_though_the_listening_ends(inbox: SlackInbox) -> None:
    ear = Ear()
    ear.hold = asyncio.Event()
    async with listening(inbox, ear) as made:
        await press(inbox, made)
        await ear.begun.wait()
        asyncio.get_running_loop().call_later(0.1, ear.hold.set)
    assert len(ear.heard) == 1


async def test_the_same_envelope_twice_is_acknowledged_twice_and_taken_in_once(inbox: SlackInbox) -> None:
    ear = Ear()
    async with listening(inbox, ear) as made:
        before = len(inbox.sockets()["acked"])
        await press(inbox, made, copies=3)
        await until(lambda: len(inbox.sockets()["acked"]) == before + 3)
        await press(inbox, made)
        await until(lambda: len(ear.heard) == 2)
    assert len({heard.evidence["envelope_id"] for heard in ear.heard}) == 2


async def test_an_answer_that_fails_does_not_end_the_listening(
    inbox: SlackInbox, caplog: pytest.LogCaptureFixture
) -> None:
    ear = Ear()
    ear.broken = True
    async with listening(inbox, ear) as made:
        [first] = await press(inbox, made)
        await until(lambda: "the store is away" in caplog.text)
        ear.broken = False
        [second] = await press(inbox, made)
        await until(lambda: bool(ear.heard))
    assert (first.status, second.status) == (0, 200), "what was not stored is not acknowledged"


@pytest.mark.parametrize("reason", ["warning", "refresh_requested"])
async def test_an_announced_end_is_answered_with_a_new_connection_first(inbox: SlackInbox, reason: str) -> None:
    """The double closes the old one only once another stands; it would wait ten seconds for it."""
    ear = Ear()
    async with listening(inbox, ear) as made:
        hellos = inbox.sockets()["hellos"]
        await asyncio.wait_for(asyncio.to_thread(inbox.disconnect, reason), 8)
        assert inbox.sockets()["hellos"] == hellos + 1
        assert inbox.sockets()["stood"][-1] == 2
        await until(lambda: inbox.sockets()["open"] == 1)
        [delivery] = await press(inbox, made)
        await until(lambda: bool(ear.heard))
    assert delivery.status == 200


async def test_a_cut_is_followed_by_a_new_connection(inbox: SlackInbox) -> None:
    ear = Ear()
    async with listening(inbox, ear) as made:
        for _ in range(3):
            hellos = inbox.sockets()["hellos"]
            inbox.cut()
            # The SDK alone would look after it every five seconds.
            await asyncio.wait_for(until(lambda hellos=hellos: inbox.sockets()["hellos"] > hellos), 4)  # type: ignore[misc]
        [delivery] = await press(inbox, made)
        await until(lambda: bool(ear.heard))
    assert delivery.status == 200


@pytest.mark.parametrize(
    "fault",
    [
        {"method": "apps.connections.open", "status": 500, "body": {}},
        {"method": "apps.connections.open", "status": 429, "headers": {"Retry-After": "0"}},
        {"method": "apps.connections.open", "error": "internal_error"},
        {"method": "apps.connections.open", "drop": True},
        {"method": "apps.connections.open", "status": 200, "body": {"ok": True}},
        {"method": "link", "status": 503},
    ],
)
async def test_what_fails_at_first_is_tried_again(
    inbox: SlackInbox, fault: dict[str, Any], caplog: pytest.LogCaptureFixture
) -> None:
    inbox.fail_next(**fault, times=3)
    ear = Ear()
    async with listening(inbox, ear) as made:
        [delivery] = await press(inbox, made)
        await until(lambda: bool(ear.heard))
    assert delivery.status == 200
    assert caplog.text.count("no answers come from Slack; the next try is in") == 3
    for hidden in ("ticket=", APP_TOKEN, TOKEN):
        assert hidden not in caplog.text


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("wss://slack.com.evil.example/link/?ticket=1", "not part of 127.0.0.1"),
        ("wss://169.254.169.254/link/?ticket=1", "not part of 127.0.0.1"),
        ("http://127.0.0.1/link/?ticket=1", "not encrypted"),
        ("nonsense", "not encrypted"),
        ("ws://127.0.0.1:99999/link/?ticket=1", "no answers come from Slack"),
        ("ws://[::1/link/?ticket=1", "no answers come from Slack"),
        (None, "not encrypted"),
    ],
)
async def test_a_socket_that_is_not_slacks_is_not_opened(url: str, said: str, caplog: pytest.LogCaptureFixture) -> None:
    async def named(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": url})

    caplog.set_level(logging.WARNING)
    async with serving(named) as base:
        secrets = {"token": TOKEN, "app_token": APP_TOKEN}
        async with connected("slack", {"base_url": base, "socket_mode": True}, secrets) as connections:
            task = asyncio.create_task(Desk(connections).channel.listen(Ear().take))
            await until(lambda: said in caplog.text)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
    assert "ticket" not in caplog.text


@pytest.mark.parametrize(
    ("base", "url", "sound"),
    [
        ("https://slack.com/api/", "wss://wss-primary.slack.com/link/?ticket=1", True),
        ("https://slack-gov.com/api/", "wss://wss-backup.slack-gov.com/link/?ticket=1", True),
        ("https://slack.com/api/", "ws://wss-primary.slack.com/link/?ticket=1", False),
        ("https://slack.com/api/", "wss://evilslack.com/link/?ticket=1", False),
        ("https://slack.com/api/", "wss://user@evil.example/slack.com", False),
    ],
)
def test_only_slacks_own_sockets_are_opened_and_only_under_encryption(base: str, url: str, sound: bool) -> None:
    if sound:
        socket_mode._judge(url, base)
        return
    with pytest.raises(socket_mode.Refused):
        socket_mode._judge(url, base)


async def test_the_allow_list_holds_for_the_socket(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The judge of names is taken away: the list that every connection has still stands in the way."""
    monkeypatch.setattr(socket_mode, "_judge", lambda *_: None)

    async def named(_: web.Request) -> web.Response:
        return web.json_response({"ok": True, "url": "ws://localhost:9/link/?ticket=1"})

    async with serving(named) as base:
        secrets = {"token": TOKEN, "app_token": APP_TOKEN}
        async with connected("slack", {"base_url": base, "socket_mode": True}, secrets) as connections:
            task = asyncio.create_task(Desk(connections).channel.listen(Ear().take))
            await until(lambda: "may not reach localhost" in caplog.text)
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


async def test_no_proxy_of_the_environment_is_used(inbox: SlackInbox, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTPS_PROXY", "https_proxy", "HTTP_PROXY", "http_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")  # for the test's own questions to the double
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    ear = Ear()
    async with listening(inbox, ear) as made:
        await press(inbox, made)
        await until(lambda: bool(ear.heard))
