"""An execution that kills its server by SIGKILL is set aside after the third one; the others go on (S24)."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.acceptance.harness import Server, alert, eventually, recording

KILLER = '''\
"""Looks at things, and dies of some of them."""

import os
import signal
from pathlib import Path

from pydantic import field_validator

from soar.sdk import Call, Connector, Health, Params, Result, Settings, action


def die() -> None:
    if not Path("disarmed").exists():
        os.kill(os.getpid(), signal.SIGKILL)


class Thing(Params):
    ref: str
    """What to look at."""

    @field_validator("ref")
    @classmethod
    def deadly_to_read(cls, value: str) -> str:
        if value == "deadly to read":
            die()
        return value


class Seen(Result):
    ref: str


class Killer(Connector):
    """Look at things."""

    name = "killer"
    settings: Settings

    @action(changes=False)
    async def look(self, params: Thing, call: Call) -> Seen:
        """Look at one."""
        if params.ref == "deadly to call":
            die()
        return Seen(ref=params.ref)

    async def health(self) -> Health:
        return Health(ok=True)
'''
LOOK = """\
id: look
trigger: {match: {any: {rule_name: Token replay}}}
steps:
  - {id: look, action: killer.look, with: {ref: "{{ alert.source_ref }}"}}
"""
DEADLY = ["deadly to call", "deadly to read"]
"""The second one dies before anything of its execution was ever written."""


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[Server]:
    async with recording() as target:
        one = Server(tmp_path, target.url)
        (tmp_path / "playbooks" / "three-calls.yaml").unlink()
        one.playbook("look", LOOK)
        one.configure(f"{one.config}  killer: {{connector: killer}}\n")
        (tmp_path / "connectors" / "killer").mkdir(parents=True)
        (tmp_path / "connectors" / "killer" / "connector.py").write_text(KILLER)
        try:
            yield one
        finally:
            one.close()


async def died(server: Server) -> None:
    """The server is killed by what it does, whether or not it was ever ready."""
    assert server.child is not None
    assert await asyncio.to_thread(server.child.wait, 60) == -signal.SIGKILL


async def delivered(server: Server, *refs: str) -> None:
    """Each is taken; a server that dies meanwhile is no reason to be lost."""
    async with aiohttp.ClientSession() as http:
        for number, ref in enumerate(refs):
            await server.post(http, alert(ref, number))


async def asked(server: Server) -> dict[str, Any]:
    async with server.api() as api:

        async def look() -> dict[str, Any] | None:
            found = await api.all("/questions")
            return found[0] if found else None

        return await eventually(look, "somebody is asked")


@pytest.mark.timeout(180)
@pytest.mark.parametrize("deadly", DEADLY)
async def test_s24_the_third_death_is_the_last_and_a_person_releases_it(server: Server, deadly: str) -> None:
    await server.start()
    await delivered(server, "before", deadly)
    await died(server)
    for _ in range(2):
        server.spawn()
        await died(server)
    await server.start()
    await delivered(server, "after")
    question = await asked(server)
    assert server.child is not None and server.child.alive
    async with server.api() as api:
        for ref in ("before", "after"):
            assert (await api.ended_one(ref))["status"] == "succeeded"
        one = await api.execution_of(deadly)
    assert (one["status"], one["awaiting"], question["execution_id"]) == ("parked", "person", one["id"])
    assert "parked" in await server.soar("executions", "list") and "person" in await server.soar("executions", "list")
    assert one["id"] in await server.soar("audit", "list", "--json")

    (server.folder / "disarmed").touch()
    await server.soar("answer", question["id"], "again", "--reason", "the connector is mended")
    async with server.api() as api:
        assert (await api.ended_one(deadly))["status"] == "succeeded"
    assert server.end() == 0
