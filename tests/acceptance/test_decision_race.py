"""Decisions race: the server and a command line, two processes on one database; each request has one winner (D05)."""

from __future__ import annotations

import asyncio
import random
import sys
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson
import pytest

from tests.acceptance.harness import Recorder, Server, alert, calling, eventually

ROUNDS = 200

PEOPLE = """
people:
  ana: {roles: [analyst]}
  ben: {roles: [analyst]}
"""

GUARDED = "    approval: {message: Call it?, approvers: {role: analyst}, timeout: 1h}\n"

COMMAND_LINE = """
import contextlib, io, sys
from soar.cli.app import main

config = sys.argv[1]
print("ready", flush=True)
for line in sys.stdin:
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            main(["deny", line.strip(), "--reason", "raced", "--config", config])
        except SystemExit as ended:
            code = ended.code
    print(code, err.getvalue().replace(chr(10), " "), flush=True)
"""
"""The command itself, in a process that is not started anew for each round: `soar deny ID --reason raced`."""


class CommandLine:
    """The other process."""

    def __init__(self, child: asyncio.subprocess.Process) -> None:
        self._child = child
        self.takes = 0.02
        """Seconds it took the last times, on this machine at this moment."""

    async def deny(self, approval: str) -> tuple[int, str]:
        """Its exit code, and what it said."""
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        began = time.monotonic()
        self._child.stdin.write(f"{approval}\n".encode())
        code, _, said = (await self._child.stdout.readline()).decode().partition(" ")
        self.takes = 0.8 * self.takes + 0.2 * (time.monotonic() - began)
        return int(code), said


@asynccontextmanager
async def command_line(server: Server, token: str) -> AsyncIterator[CommandLine]:
    child = await asyncio.create_subprocess_exec(
        sys.executable,
        "-c",
        COMMAND_LINE,
        str(server.folder / "soar.yaml"),
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        env={**server.environment, "SOAR_TOKEN": token, "PATH": "/usr/bin:/bin"},
        cwd=server.folder,
    )
    assert child.stdout is not None
    assert await child.stdout.readline() == b"ready\n"
    try:
        yield CommandLine(child)
    finally:
        assert child.stdin is not None
        child.stdin.close()
        await child.wait()


async def token_of(server: Server, person: str) -> str:
    made: str = orjson.loads(await server.soar("token", "create", "--person", person, "--json"))["token"]
    return made


async def approve(ana: aiohttp.ClientSession, approval: str) -> tuple[int, str]:
    async with ana.post(f"/api/v1/approvals/{approval}/decisions", json={"decision": "approve"}) as reply:
        told = orjson.loads(await reply.read())
        return reply.status, str(told.get("detail"))


async def asked(server: Server, count: int) -> list[str]:
    """The ids of so many open requests."""
    async with server.api() as api:

        async def look() -> list[str] | None:
            found = [one["id"] for one in await api.all("/approvals", status="open")]
            return found if len(found) == count else None

        found: list[str] = await eventually(look, f"{count} open requests")
        return found


async def test_d05_approve_and_deny_from_two_processes_give_one_outcome(
    server: Server, target: Recorder, http: aiohttp.ClientSession, capsys: pytest.CaptureFixture[str]
) -> None:
    server.configure(server.config + PEOPLE)
    server.playbook("three-calls", calling("/only", more=GUARDED))
    await server.start()
    for number in range(ROUNDS):
        assert await server.post(http, alert(f"race-{number}", number)) == 202
    waiting = await asked(server, ROUNDS)
    headers = {"Authorization": f"Bearer {await token_of(server, 'ana')}"}
    seed = random.randrange(2**32)
    draw, won = random.Random(seed), Counter[str]()
    async with (
        command_line(server, await token_of(server, "ben")) as ben,
        aiohttp.ClientSession(server.base, headers=headers) as ana,
    ):
        for approval in waiting:
            won[await _one_round(ana, ben, approval, draw)] += 1
    async with server.api() as api:
        await api.ended(ROUNDS)
        states = Counter([one["status"] for one in await api.all("/approvals", status="all")])
    assert states == Counter({"approved": won["server"], "denied": won["command line"]})
    assert len(target.calls) == won["server"], "each approved call once, no denied one"
    with capsys.disabled():
        print(f"\ndecision races, seed {seed}: {ROUNDS} rounds, won by the server {won['server']},", end=" ")
        print(f"by the command line {won['command line']}; two winners: 0, none: 0, calls made: {len(target.calls)}")
    assert min(won["server"], won["command line"]) > 0, "a race that one side always wins is none"


async def _one_round(ana: aiohttp.ClientSession, ben: CommandLine, approval: str, draw: random.Random) -> str:
    """Who won; the other one was told what stands."""

    async def late(seconds: float) -> tuple[int, str]:
        await asyncio.sleep(seconds)  # the command line takes longer to come to its write: without this, no race
        return await approve(ana, approval)

    (status, detail), (code, said) = await asyncio.gather(late(draw.uniform(0, 1.5 * ben.takes)), ben.deny(approval))
    assert (status == 200) != (code == 0), (status, detail, code, said)
    if status == 200:
        assert "approved already, by person:ana" in said, said
        return "server"
    assert status == 409
    assert "denied already, by person:ben" in detail
    return "command line"
