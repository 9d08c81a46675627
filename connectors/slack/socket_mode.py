"""Socket Mode: answers are fetched through a socket that we open, so that nothing of ours must be reachable.

slack-sdk's client speaks the protocol. Which connection stands is decided here: the SDK would try one dead address for
ever, open sessions that no allow-list holds, and close the old connection before there is a new one.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Callable, Coroutine, Mapping
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import aiohttp
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.web.async_client import AsyncWebClient

from connectors.slack.client import QUIET, answered
from soar.sdk import DeliveryMalformed, Interaction, Refused, SignatureInvalid, Take, Unavailable

FIRST_PAUSE: Final = 0.5
LAST_PAUSE: Final = 60.0
STEADY: Final = 10.0
"""A connection that held for so many seconds was a good one: the next is opened at once."""
ACK: Final = 2.0
"""Seconds an answer may take to be stored before it is acknowledged all the same: Slack waits for 3."""
_HANDSHAKE: Final = 15.0
_CLOSING: Final = 1.0
_GRACE: Final = 5.0
_REMEMBERED: Final = 1_000
_OVER: Final = frozenset(
    {aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSING, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR}
)

T = TypeVar("T")
Read = Callable[[Mapping[str, Any], Mapping[str, str]], Interaction | None]


class Listener:
    """One per connection of `soar.yaml`; `run` until cancelled."""

    def __init__(self, client: AsyncWebClient, app_token: str, session: aiohttp.ClientSession, read: Read) -> None:
        self._client = client
        self._app_token = app_token
        self._session = session
        self._read = read
        self._seen: OrderedDict[str, asyncio.Task[bool]] = OrderedDict()
        self._tasks: set[asyncio.Task[Any]] = set()

    async def run(self, take: Take) -> None:
        """Keep a connection open, and hand on what comes through it."""
        standing: list[_Socket] = []
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    # The old one stays until the new one stands: what is pressed in between comes through it.
                    fresh = await self._connected(take)
                except Exception as error:  # noqa: BLE001 - the edge of listening: whatever it was, it is tried again
                    wait = max(pause, getattr(error, "retry_after", None) or 0)
                    QUIET.warning("no answers come from Slack; the next try is in %.1f s: %s", wait, _told(error))
                    await asyncio.sleep(wait)
                    pause = min(2 * pause, LAST_PAUSE)
                    continue
                standing.append(fresh)
                while len(standing) > 1:
                    await standing[0].end()
                    del standing[0]
                began = time.monotonic()
                await fresh.over.wait()
                if time.monotonic() - began >= STEADY:
                    pause = FIRST_PAUSE
                    continue
                await asyncio.sleep(pause)
                pause = min(2 * pause, LAST_PAUSE)
        finally:
            for socket in standing:
                await socket.end()
            await self._finish()

    async def _connected(self, take: Take) -> _Socket:
        """A new connection that Slack has said hello on.

        Raises:
            Unavailable, Refused: there is none.
        """
        try:
            async with asyncio.timeout(_HANDSHAKE):
                opened = await answered(
                    lambda: self._client.apps_connections_open(app_token=self._app_token), changes=False
                )
        except TimeoutError:
            raise Unavailable(f"Slack named no socket within {_HANDSHAKE:.0f} s") from None
        url = str(opened["url"])
        _judge(url, self._client.base_url)
        socket = await _Socket.made(self._app_token, self._client, self._session)

        async def received(client: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
            await self._received(client, request, take)

        socket.socket_mode_request_listeners.append(received)
        try:
            await socket.stand(url)
        except BaseException:
            await socket.end()
            raise
        return socket

    async def _received(self, client: AsyncBaseSocketModeClient, request: SocketModeRequest, take: Take) -> None:
        """Take an answer in once, and acknowledge every delivery of it."""
        envelope = request.envelope_id
        taking = self._seen.get(envelope)
        if taking is None:
            found = self._found(request)
            if found is None:
                await _acknowledge(client, envelope)
                return
            taking = self._seen[envelope] = self._beside(_taken(take, found))
            if len(self._seen) > _REMEMBERED:
                self._seen.popitem(last=False)
        # Beside the socket: what comes after it does not wait until this one is stored.
        self._beside(self._answered(client, envelope, taking))

    def _found(self, request: SocketModeRequest) -> Interaction | None:
        """What somebody did; None when it asks nothing of us, or cannot be read."""
        if request.type != "interactive":
            return None
        try:
            return self._read(request.payload, {"envelope_id": request.envelope_id})
        except (DeliveryMalformed, SignatureInvalid) as error:
            QUIET.warning("an envelope was left unread: %s", error)
            return None

    async def _answered(self, client: AsyncBaseSocketModeClient, envelope: str, taking: asyncio.Task[bool]) -> None:
        """Acknowledge once it is stored, or when Slack would wait no longer.

        What could not be stored is not acknowledged: Slack says so to the person, whose buttons still stand there.
        """
        done, _ = await asyncio.wait({taking}, timeout=ACK)
        if not done or taking.result():
            await _acknowledge(client, envelope)
        else:
            self._seen.pop(envelope, None)

    def _beside(self, work: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    async def _finish(self) -> None:
        """What is being stored is still to be stored, and acknowledged where the socket allows it."""
        if self._tasks:
            await asyncio.wait(list(self._tasks), timeout=_GRACE)
        for task in list(self._tasks):
            task.cancel()


async def _taken(take: Take, found: Interaction) -> bool:
    """Whether it was stored, or refused and said so."""
    try:
        await take(found)
    except Exception as error:  # noqa: BLE001 - the edge of listening: one answer's failure must not end it
        QUIET.error("an answer could not be taken in: %s: %s", type(error).__name__, error)
        return False
    return True


async def _acknowledge(client: AsyncBaseSocketModeClient, envelope: str) -> None:
    try:
        await client.send_socket_mode_response({"envelope_id": envelope})
    except (aiohttp.ClientError, OSError, RuntimeError) as error:
        QUIET.warning("an answer could not be acknowledged, and counts all the same: %s", error)


def _told(error: Exception) -> str:
    """An error in words; the texts of other errors may hold the socket's address, and with it the ticket."""
    sayable = (Unavailable, Refused, aiohttp.ClientConnectorError)
    return str(error) if isinstance(error, sayable) else type(error).__name__


def _judge(url: str, base_url: str) -> None:
    """The address of a socket holds a ticket: it goes to Slack itself, and under encryption. Raises Refused."""
    asked, base = urlsplit(url), urlsplit(base_url)
    host, ours = (asked.hostname or "").lower(), (base.hostname or "").lower()
    if asked.scheme != "wss" and (asked.scheme, base.scheme) != ("ws", "http"):
        raise Refused(f"Slack named a socket that is not encrypted ({asked.scheme}://{host}); it is not opened")
    if host != ours and not host.endswith(f".{ours}"):
        raise Refused(f"Slack named a socket at {host}, which is not part of {ours}; it is not opened")


class _Socket(SocketModeClient):
    """The SDK's client for one connection: it opens one, and says when it is over."""

    over: asyncio.Event
    _greeted: asyncio.Event
    _failure: Unavailable | Refused | None

    @classmethod
    async def made(cls, app_token: str, client: AsyncWebClient, session: aiohttp.ClientSession) -> _Socket:
        """With the session of the engine, whose allow-list holds, in place of the SDK's own."""
        made = cls(app_token, logger=QUIET, web_client=client)
        made.proxy = None  # the SDK reads one from the environment; the engine goes only where its settings say
        own, made.aiohttp_client_session = made.aiohttp_client_session, _Line(session, made)  # type: ignore[assignment]
        await own.close()
        made.over, made._greeted, made._failure = asyncio.Event(), asyncio.Event(), None
        made.message_listeners.append(made._heard)
        return made

    async def stand(self, url: str) -> None:
        """Open the connection, up to Slack's hello. Raises Unavailable, Refused."""
        self.wss_uri = url
        try:
            async with asyncio.timeout(_HANDSHAKE):
                await self.connect()  # type: ignore[no-untyped-call] # the SDK's
                if self._failure is not None:
                    raise self._failure
                await self._first(self._greeted, self.over)
        except TimeoutError:
            raise Unavailable(f"Slack's socket did not say hello within {_HANDSHAKE:.0f} s") from None
        if not self._greeted.is_set():
            raise Unavailable("Slack's socket was closed before its hello")

    def failed(self, failure: Unavailable | Refused) -> None:
        """It could not be opened; the SDK is kept from trying the same address again."""
        self._failure, self.closed = failure, True

    async def end(self) -> None:
        """Close it; Slack does not always answer a close, and is not waited for long."""
        await self.close()  # type: ignore[no-untyped-call] # the SDK's

    async def connect_to_new_endpoint(self, force: bool = False) -> None:
        """The SDK calls this on an announced end, and when pings are not answered any more."""
        self.over.set()

    async def receive_messages(self) -> None:
        """In place of the SDK's own, which looks after a connection that broke off only every five seconds."""
        session = self.current_session
        while session is not None:
            message = await session.receive()
            if message.type is aiohttp.WSMsgType.TEXT:
                await self.enqueue_message(message.data)
            elif message.type is aiohttp.WSMsgType.PING:
                await session.pong(message.data)
            elif message.type is aiohttp.WSMsgType.PONG:
                self.last_ping_pong_time = time.time()
            elif message.type in _OVER:
                self.over.set()
                return

    async def _heard(self, _: Any, message: Mapping[str, Any], __: str | None) -> None:
        if message.get("type") == "hello":
            self._greeted.set()

    @staticmethod
    async def _first(*events: asyncio.Event) -> None:
        waiting = [asyncio.create_task(event.wait()) for event in events]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in waiting:
                task.cancel()


class _Line:
    """What the SDK sees of the engine's session: it can open a socket on it, and not close or replace it."""

    closed = False

    def __init__(self, session: aiohttp.ClientSession, socket: _Socket) -> None:
        self._session = session
        self._socket = socket

    async def ws_connect(self, url: str, **options: Any) -> aiohttp.ClientWebSocketResponse:
        try:
            made: aiohttp.ClientWebSocketResponse = await self._session.ws_connect(
                url, timeout=aiohttp.ClientWSTimeout(ws_close=_CLOSING), **options
            )
            return made
        except aiohttp.WSServerHandshakeError as error:
            self._socket.failed(Unavailable(f"Slack's socket answered {error.status} to our handshake"))
            raise
        except (aiohttp.ClientError, OSError) as error:
            self._socket.failed(Unavailable(f"no connection to Slack's socket ({_told(error)})"))
            raise
        except (Refused, Unavailable) as error:
            self._socket.failed(error)
            raise

    async def close(self) -> None:
        """The session is the engine's, and stays open."""
