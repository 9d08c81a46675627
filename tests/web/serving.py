"""A whole server on a real port inside the test's process, the API its playbooks call, and everything it logged."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import logging
import socket
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import httpx
import orjson
import uvicorn
import uvloop
from aiohttp import web

from soar.clock import SystemClock
from soar.config import load_settings
from soar.runtime import Runtime
from soar.telemetry import configure_logging
from soar.web.app import create_app
from soar.web.server import uvicorn_config
from tests.web.deployment import CONNECTOR, PLAYBOOKS, SECRETS, config

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds until a condition that does not come true fails the test."""


class Echo:
    """The API that playbooks call: it says back everything it was sent, its caller's credentials too."""

    def __init__(self) -> None:
        self.seen: list[dict[str, Any]] = []
        self.port = 0
        self._runner: web.AppRunner | None = None

    async def open(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", 0)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def close(self) -> None:
        if self._runner is not None:
            await self._runner.cleanup()

    async def _answer(self, request: web.Request) -> web.Response:
        body = await request.text()
        seen = {"path": request.path_qs, "headers": dict(request.headers), "body": body}
        self.seen.append(seen)
        if request.path.startswith("/lost") and request.transport is not None:
            request.transport.close()
        if request.path.startswith("/refused"):
            return web.json_response({"error": f"no: {request.headers.get('Authorization')}"}, status=403)
        return web.json_response(seen, headers={"X-Request-Id": request.headers.get("Authorization", "")})


class Served:
    """One deployment and the thread that serves it."""

    def __init__(
        self, folder: Path, more: str = "", sources: str = "", playbooks: Mapping[str, str] | None = None
    ) -> None:
        self.folder = folder
        self._playbooks = {**PLAYBOOKS, **(playbooks or {})}
        self.log = io.StringIO()
        self.echo = Echo()
        self.token = "soar_viewer_QmX2f7ZkVb91"
        self.analyst = "soar_analyst_T8dLw0cYp3Rs"
        self._more = more
        self._sources = sources
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.port: int = self._listener.getsockname()[1]
        self.base = f"http://127.0.0.1:{self.port}"
        self.http = httpx.Client(base_url=self.base, timeout=PATIENCE)
        self._up = threading.Event()
        self._failure: BaseException | None = None
        self._thread = threading.Thread(target=self._run, name="served")

    # Its life

    def start(self) -> None:
        self._thread.start()
        assert self._up.wait(PATIENCE)
        if self._failure is not None:
            raise self._failure

    def stop(self) -> None:
        self.http.close()
        if self._thread.is_alive() and self._failure is None:
            self.server.should_exit = True
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()

    def _run(self) -> None:
        try:
            with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
                runner.run(self._serve())
        except BaseException as error:  # noqa: BLE001 # told to whoever waits for the start
            self._failure = error
        finally:
            self._listener.close()
            self._up.set()

    async def _serve(self) -> None:
        self.loop = asyncio.get_running_loop()
        await self.echo.open()
        try:
            self._write_files()
            await self._engine()
        finally:
            await self.echo.close()

    async def _engine(self) -> None:
        self.runtime = await Runtime.build(load_settings(self.folder / "soar.yaml"))
        configure_logging(self.runtime.masker.mask, level="debug", stream=self.log)
        logging.getLogger("asyncio").setLevel(logging.WARNING)
        try:
            for role, token in (("viewer", self.token), ("analyst", self.analyst)):
                digest = hashlib.sha256(token.encode()).hexdigest()
                await self.runtime.store.tokens.create(role, role, digest, SystemClock().now())
            await self.runtime.start()
            self.app = create_app(self.runtime)
            self.server = uvicorn.Server(uvicorn_config(self.app, "127.0.0.1", self.port, stop_grace=1))
            self._up.set()
            await self.server._serve(sockets=[self._listener])
        finally:
            await self.runtime.stop()

    def _write_files(self) -> None:
        for name, text in SECRETS.items():
            (self.folder / f"{name}.secret").write_text(text)
        for name, text in self._playbooks.items():
            path = self.folder / "playbooks" / f"{name}.yaml"
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        connector = self.folder / "connectors" / "door" / "connector.py"
        connector.parent.mkdir(parents=True)
        connector.write_text(CONNECTOR)
        (self.folder / "soar.yaml").write_text(config(self.port, self.echo.port, self._more, self._sources))

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Something done in the server's own loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(PATIENCE)

    # What is asked of it

    def post(self, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> httpx.Response:
        """A delivery to a source with scheme bearer, unless the headers say otherwise."""
        content = body if isinstance(body, bytes | str) else orjson.dumps(body)
        given = headers if headers is not None else {"Authorization": f"Bearer {SECRETS['bearer']}"}
        return self.http.post(f"/webhooks/{path}", content=content, headers=given)

    def deliver(self, body: Any, source: str = "edge") -> list[dict[str, Any]]:
        """A delivery that is taken; what became of each of its alerts."""
        answer = self.post(source, body)
        assert answer.status_code == 202, answer.text
        alerts: list[dict[str, Any]] = answer.json()["alerts"]
        return alerts

    def ask(self, method: str, path: str, *, token: str | None = None, **given: Any) -> httpx.Response:
        """A request of the API by an analyst."""
        headers = {"Authorization": f"Bearer {self.analyst if token is None else token}", **given.pop("headers", {})}
        url = path if path.startswith("/metrics") else f"/api/v1{path}"
        return self.http.request(method, url, headers=headers, **given)

    def get(self, path: str, **query: Any) -> Any:
        """A read that succeeds."""
        answer = self.ask("GET", path, params=query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def all(self, path: str, **query: Any) -> list[dict[str, Any]]:
        """Every item of a list, page by page."""
        page = self.get(path, **query)
        items = list(page["items"])
        while page["next_cursor"]:
            page = self.get(path, **query, cursor=page["next_cursor"])
            items += page["items"]
        return items

    def processed(self, alert_id: str) -> dict[str, Any]:
        """An alert, once it has been matched or is a dead letter."""
        return until(lambda: _unless(self.get(f"/alerts/{alert_id}"), "received"), f"alert {alert_id} is processed")

    def executions_of(self, alert_id: str, count: int = 1) -> list[dict[str, Any]]:
        """The executions of an alert, once so many of them are there and ended or asking."""

        def look() -> list[dict[str, Any]] | None:
            found = self.all("/executions", alert=alert_id)
            still = [one for one in found if one["status"] in ("queued", "running")]
            return None if still or len(found) < count else found

        return until(look, f"{count} executions of {alert_id} settled")

    def wire(self, path: str, body: bytes, headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]]) -> Reply:
        """A delivery written by hand, for what no client would write."""
        pairs = (
            [(name.encode(), value.encode()) for name, value in headers.items()]
            if isinstance(headers, Mapping)
            else headers
        )
        lines = [
            f"POST /webhooks/{path} HTTP/1.1".encode(),
            b"Host: x",
            b"Connection: close",
            b"Content-Length: %d" % len(body),
        ]
        lines += [name + b": " + value for name, value in pairs]
        (reply,) = self.raw(b"\r\n".join([*lines, b"", b""]) + body)
        return reply

    def raw(self, *parts: bytes, patience: float = PATIENCE) -> list[Reply]:
        """Bytes as they are, over a connection of their own; every answer until the server closes it."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=patience) as wire:
            for part in parts:
                wire.sendall(part)
            return Reply.read_all(_drained(wire))

    def logged(self) -> str:
        return self.log.getvalue()


class Reply:
    """One answer as it stood on the wire."""

    def __init__(self, status: int, headers: dict[str, str], body: bytes) -> None:
        self.status = status
        self.headers = headers
        self.body = body

    def problem(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/problem+json", self.body
        found: dict[str, Any] = json.loads(self.body)
        return found

    @classmethod
    def read_all(cls, data: bytes) -> list[Reply]:
        replies: list[Reply] = []
        while data:
            head, _, rest = data.partition(b"\r\n\r\n")
            first, *lines = head.decode("latin-1").split("\r\n")
            headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
            length = int(headers.get("content-length", 0))
            replies.append(cls(int(first.split()[1]), headers, rest[:length]))
            data = rest[length:]
        return replies


def _drained(wire: socket.socket) -> bytes:
    data = b""
    try:
        while more := wire.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def _unless(found: dict[str, Any], state: str) -> dict[str, Any] | None:
    return None if found["state"] == state else found


def until(look: Callable[[], T | None], what: str, patience: float = PATIENCE) -> T:
    """Ask again until there is an answer."""
    end = time.monotonic() + patience
    while time.monotonic() < end:
        found = look()
        if found is not None and found is not False:
            return found
        time.sleep(0.01)
    raise AssertionError(f"after {patience:.0f} s still not so: {what}")


def signed(body: bytes, secret: str = SECRETS["hmac"]) -> str:
    """HMAC-SHA256 of a body, in hex."""
    return hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


def standard(body: bytes, *, at: float | None = None, message: str = "msg_1", secret: str = "") -> dict[str, str]:
    """The three headers of Standard Webhooks."""
    timestamp = str(int(time.time() if at is None else at))
    key = base64.b64decode((secret or SECRETS["standard"]).removeprefix("whsec_"))
    made = hmac.digest(key, f"{message}.{timestamp}.".encode() + body, "sha256")
    signature = f"v1,{base64.b64encode(made).decode()}"
    return {"webhook-id": message, "webhook-timestamp": timestamp, "webhook-signature": signature}


@contextmanager
def served(
    folder: Path, more: str = "", sources: str = "", playbooks: Mapping[str, str] | None = None
) -> Iterator[Served]:
    """A started server, stopped at the end; the logging of the tests is put back."""
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    server = Served(folder, more, sources, playbooks)
    try:
        server.start()
        yield server
    finally:
        server.stop()
        root.handlers, root.level = handlers, level
