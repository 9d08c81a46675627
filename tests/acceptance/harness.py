"""A real `soar serve` on a real port, the API its playbooks call, and everything that API saw."""

from __future__ import annotations

import asyncio
import os
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import aiohttp
import orjson

from bench.load import SECRET, alert, sign
from bench.processes import Child
from bench.servers import CONFIG, PLAYBOOK
from bench.target import ANSWER, STEPS, Answer, ApiCall, Target, receipt
from soar.rehearsal.process import free_port

__all__ = ["STEPS", "Answer", "ApiCall", "Recorder", "Server", "alert", "calling", "expected_bodies", "recording"]

PATIENCE = 60.0
"""Seconds until a condition that does not come true fails the test."""
FINAL = {"succeeded", "failed", "cancelled", "skipped"}


class Recorder:
    """Every call the target saw, in order; it can be waited for, and it decides how calls are answered."""

    def __init__(self) -> None:
        self.calls: list[ApiCall] = []
        self.by_ref: dict[str, list[ApiCall]] = defaultdict(list)
        self.answering: Callable[[ApiCall], Answer] = lambda _call: ANSWER
        self.on_call: Callable[[ApiCall], None] = lambda _call: None
        self.url = ""
        self._changed = asyncio.Event()

    def record(self, call: ApiCall) -> None:
        self.calls.append(call)
        self.by_ref[call.ref].append(call)
        self._changed.set()
        self.on_call(call)

    def answer(self, call: ApiCall) -> Answer:
        return self.answering(call)

    def of(self, ref: str, path: str) -> list[ApiCall]:
        return [call for call in self.by_ref[ref] if call.path == path]

    async def until(self, holds: Callable[[], bool], what: str, patience: float = PATIENCE) -> None:
        """Wait for a condition over the calls; looked at again at every call."""
        try:
            async with asyncio.timeout(patience):
                while not holds():
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"after {patience:.0f} s still not so: {what}; {len(self.calls)} calls seen") from None

    async def until_called(self, ref: str, path: str, times: int = 1) -> None:
        await self.until(lambda: len(self.of(ref, path)) >= times, f"{path} called {times} times for {ref}")

    def repeated(self) -> list[list[ApiCall]]:
        """The calls that came more than once, each with its repeats."""
        groups: dict[tuple[str, str], list[ApiCall]] = defaultdict(list)
        for call in self.calls:
            groups[call.ref, call.path].append(call)
        return [calls for calls in groups.values() if len(calls) > 1]


@asynccontextmanager
async def recording() -> AsyncIterator[Recorder]:
    """A listening target that records."""
    recorder = Recorder()
    async with Target(recorder.record, recorder.answer) as target:
        recorder.url = target.url
        yield recorder


def expected_bodies(given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What the three calls of the playbook must carry for this alert."""
    ref = given["id"]
    return [
        {"ref": ref, "ip": given["src_ip"]},
        {"ref": ref, "user": given["user"], "after": receipt("/first", ref)},
        {"ref": ref, "title": given["title"], "after": receipt("/second", ref)},
    ]


def calling(*paths: str, playbook_id: str = "three-calls", connection: str = "api", more: str = "") -> str:
    """A playbook that posts to these paths, one after the other; `more` is a line of each step."""
    steps = [
        f"  - id: {path.strip('/')}\n    action: {connection}.request\n{more}"
        f'    with: {{method: POST, path: {path}, json: {{ref: "{{{{ alert.source_ref }}}}"}}}}\n'
        for path in paths
    ]
    head = f"id: {playbook_id}\ntrigger:\n  match:\n    selection:\n      rule_name: Token replay\nsteps:\n"
    return head + "".join(steps)


class Server:
    """One deployment: a folder with its config, playbooks and database, and the process that serves it."""

    def __init__(self, folder: Path, target: str) -> None:
        self.folder = folder
        self.port = free_port()
        self.base = f"http://127.0.0.1:{self.port}"
        self.child: Child | None = None
        self._tokens: dict[str, str] = {}
        (folder / "playbooks").mkdir()
        self.configure(CONFIG.format(port=self.port, target=target))
        self.playbook("three-calls", PLAYBOOK)

    def configure(self, text: str) -> None:
        (self.folder / "soar.yaml").write_text(text)

    @property
    def config(self) -> str:
        return (self.folder / "soar.yaml").read_text()

    def playbook(self, name: str, text: str) -> None:
        (self.folder / "playbooks" / f"{name}.yaml").write_text(text)

    # The process

    def spawn(self) -> Child:
        """Start it and wait for nothing."""
        self.child = self.spawn_beside()
        return self.child

    def spawn_beside(self) -> Child:
        """Another server of the same folder, which the caller ends."""
        return Child(self.command("serve"), cwd=self.folder, log=self.folder / "soar.log", env=self.environment)

    async def start(self) -> None:
        child = self.spawn()
        await asyncio.to_thread(child.wait_ready, f"{self.base}/readyz")

    def kill(self) -> None:
        """SIGKILL, at once; safe to call from inside a call of the target."""
        assert self.child is not None
        self.child.kill()

    def end(self) -> int:
        """SIGTERM, and its exit code."""
        assert self.child is not None
        return self.child.end()

    def close(self) -> None:
        if self.child is not None:
            self.child.end(grace=5)

    @property
    def environment(self) -> dict[str, str]:
        return {"BENCH_SECRET": SECRET}

    def command(self, *arguments: str) -> list[str]:
        soar = Path(sys.executable).with_name("soar")
        return [str(soar), *arguments, "--config", str(self.folder / "soar.yaml")]

    async def soar(self, *arguments: str) -> str:
        """Run a command beside the server; its stdout."""
        code, out, err = await self.ran(*arguments)
        assert code == 0, f"soar {' '.join(arguments)}: exit {code}\n{out}{err}"
        return out

    async def ran(self, *arguments: str) -> tuple[int | None, str, str]:
        """Run a command beside the server; its exit code, stdout and stderr."""
        child = await asyncio.create_subprocess_exec(
            *self.command(*arguments),
            cwd=self.folder,
            env={**_clean_environment(), **self.environment},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, err = await asyncio.wait_for(child.communicate(), PATIENCE)
        return child.returncode, out.decode(), err.decode()

    # Its webhook

    async def post(self, session: aiohttp.ClientSession, given: Mapping[str, Any]) -> int | None:
        """The status of one signed delivery; None when there was no answer."""
        status, _ = await self.deliver(session, given)
        return status

    async def deliver(self, session: aiohttp.ClientSession, given: Mapping[str, Any]) -> tuple[int | None, Any]:
        body = orjson.dumps(given)
        headers = {"X-Signature": sign(body), "Content-Type": "application/json"}
        try:
            async with session.post(f"{self.base}/webhooks/bench", data=body, headers=headers) as reply:
                return reply.status, orjson.loads(await reply.read())
        except (aiohttp.ClientError, OSError):
            return None, None

    # Its API

    async def token(self, role: str = "viewer") -> str:
        if role not in self._tokens:
            made = await self.soar("token", "create", "--role", role, "--name", f"acceptance-{role}", "--json")
            self._tokens[role] = orjson.loads(made)["token"]
        return self._tokens[role]

    @asynccontextmanager
    async def api(self, role: str = "viewer") -> AsyncIterator[Api]:
        headers = {"Authorization": f"Bearer {await self.token(role)}"}
        async with aiohttp.ClientSession(f"{self.base}", headers=headers) as session:
            yield Api(session)


class Api:
    """The HTTP API with a token."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        self._session = session

    async def get(self, path: str, **query: str) -> dict[str, Any]:
        async with self._session.get(f"/api/v1{path}", params=query) as reply:
            body = await reply.read()
            assert reply.status == 200, f"GET {path} {query}: {reply.status} {body.decode()}"
            found: dict[str, Any] = orjson.loads(body)
            return found

    async def post(self, path: str) -> tuple[int, dict[str, Any]]:
        async with self._session.post(f"/api/v1{path}") as reply:
            return reply.status, orjson.loads(await reply.read())

    async def all(self, path: str, **query: str) -> list[dict[str, Any]]:
        """Every item, page by page."""
        items: list[dict[str, Any]] = []
        page = await self.get(path, limit="200", **query)
        while True:
            items += page["items"]
            if page["next_cursor"] is None:
                return items
            page = await self.get(path, limit="200", cursor=page["next_cursor"], **query)

    async def execution_of(self, ref: str) -> dict[str, Any]:
        """The one execution of that alert, with its steps."""
        alerts = [item for item in await self.all("/alerts") if item["source_ref"] == ref]
        assert len(alerts) == 1, alerts
        [execution] = await self.all("/executions", alert=alerts[0]["id"])
        return await self.get(f"/executions/{execution['id']}")

    async def ended(self, count: int, patience: float = PATIENCE) -> list[dict[str, Any]]:
        """All executions, once so many are there and all of them have ended."""

        async def look() -> list[dict[str, Any]] | None:
            found = await self.all("/executions")
            return found if len(found) >= count and all(e["status"] in FINAL for e in found) else None

        return await eventually(look, f"{count} executions that ended", patience)

    async def ended_one(self, ref: str, patience: float = PATIENCE) -> dict[str, Any]:
        async def look() -> dict[str, Any] | None:
            # Accepted is not yet processed: the alert, then its execution, come a moment after the 202.
            there = [item for item in await self.all("/alerts") if item["source_ref"] == ref]
            if not there or not await self.all("/executions", alert=there[0]["id"]):
                return None
            found = await self.execution_of(ref)
            return found if found["status"] in FINAL else None

        return await eventually(look, f"the execution of {ref} ended", patience)


async def eventually(look: Callable[[], Any], what: str, patience: float = PATIENCE) -> Any:
    """Ask again until there is an answer."""
    seen = None
    with suppress(TimeoutError):
        async with asyncio.timeout(patience):
            while (seen := await look()) is None:
                await asyncio.sleep(0.05)
            return seen
    raise AssertionError(f"after {patience:.0f} s still not so: {what}")


def _clean_environment() -> dict[str, str]:

    return {name: value for name, value in os.environ.items() if not name.startswith("SOAR_")}
