"""The `haproxy` connector: the contract on a socket double, and (marker `parts`) on a real HAProxy."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from connectors.haproxy.map_file import write_entry
from connectors.haproxy.runtime import Runtime
from soar.config import ConnectionSettings
from soar.errors import ConfigError, Unavailable
from soar.model.action import UndoCall
from tests.connectors.contract import Change, ConnectorContract, Subject, call, connected
from tests.connectors.haproxy_double import RuntimeDouble, runtime_double
from tests.connectors.haproxy_part import Haproxy, needs_haproxy
from tests.connectors.ledger import ledger_on

BLOCK = {"ip": "203.0.113.9", "reason": "token replay"}
QUARANTINE = {"client_id": "c-42", "reason": "token replay"}
BAD_IPS = [{"ip": value} for value in ("", "-", "unknown", "evil.example", "fe80::1%eth0", "::/0", "1.2.3.4;help")]
BAD_CLIENTS = [
    {"client_id": value} for value in ("", "-", "a b", "a;disable frontend api", "a\nhelp", "#1", "a\\ b", "<<")
]


def subject_on(connections: Any, ip_map: Path | str, client_map: Path | str, socket: str) -> Subject:
    runtime = Runtime(socket)

    def counting(name: Path | str) -> Callable[[], Awaitable[int]]:
        async def count() -> int:
            return len((await runtime._ask(f"show map {name}", changes=False)).split("\n")) - 2

        return count

    changes = [
        Change("subject.block_ip", BLOCK, counting(ip_map), BAD_IPS),
        Change("subject.quarantine_client", QUARANTINE, counting(client_map), BAD_CLIENTS),
    ]
    return Subject(connections, changes)


@pytest.fixture
async def double(tmp_path: Path) -> AsyncIterator[tuple[RuntimeDouble, dict[str, Any]]]:
    async with runtime_double(tmp_path) as (runtime, socket):
        yield runtime, {"socket": socket, "ip_map": runtime.ip_map, "client_map": runtime.client_map}


class TestHaproxyDouble(ConnectorContract):
    @pytest.fixture
    async def subject(self, double: tuple[RuntimeDouble, dict[str, Any]]) -> AsyncIterator[Subject]:
        runtime, settings = double
        async with connected("haproxy", settings) as connections:
            yield subject_on(connections, runtime.ip_map, runtime.client_map, settings["socket"])


@pytest.mark.parametrize("word", ["add map", "del map"])
async def test_a_socket_closed_without_an_answer_leaves_a_change_unknown(
    double: tuple[RuntimeDouble, dict[str, Any]], word: str
) -> None:
    runtime, settings = double
    async with connected("haproxy", settings) as connections:
        runtime.silent_for = word
        done = await connections.perform(call("subject.block_ip", BLOCK))
        if word == "add map":
            assert done.kind == "unknown"
            found = await connections.verify(call("subject.block_ip", BLOCK))
            assert (found.kind, found.output) == ("done", {"ip": "203.0.113.9", "value": "soar-key-1", "ours": True})
            return
        undo = UndoCall("subject.block_ip", BLOCK, "key-1", done.output)
        assert (await connections.undo(undo, key="u", timeout=5)).kind == "unknown"


async def test_no_socket_is_unavailable_and_no_rights_are_named(
    double: tuple[RuntimeDouble, dict[str, Any]], tmp_path: Path
) -> None:
    runtime, settings = double
    async with connected("haproxy", {**settings, "socket": str(tmp_path / "none")}) as connections:
        done = await connections.perform(call("subject.block_ip", BLOCK))
        assert (done.kind, str(tmp_path / "none") in done.message) == ("unavailable", True)
    runtime.denied = True
    async with connected("haproxy", settings) as connections:
        done = await connections.perform(call("subject.block_ip", BLOCK))
        assert (done.kind, "level admin" in done.message) == ("refused", True)


async def test_undo_leaves_what_somebody_else_blocked_or_changed(double: tuple[RuntimeDouble, dict[str, Any]]) -> None:
    runtime, settings = double
    runtime.add(runtime.ip_map, "203.0.113.9", "by-hand")
    runtime.add(runtime.client_map, "c-1", "quarantine")
    runtime.add(runtime.client_map, "c-2", "limit")
    async with connected("haproxy", settings) as connections:

        async def there_and_back(name: str, inputs: dict[str, Any], meanwhile: Callable[[], object]) -> None:
            done = await connections.perform(call(name, inputs))
            assert done.kind == "done", done.message
            meanwhile()
            assert (
                await connections.undo(UndoCall(name, inputs, "key-1", done.output), key="u", timeout=5)
            ).kind == "done"

        await there_and_back("subject.block_ip", BLOCK, lambda: None)
        await there_and_back("subject.quarantine_client", {"client_id": "c-1"}, lambda: None)
        await there_and_back("subject.quarantine_client", {"client_id": "c-2"}, lambda: None)
        await there_and_back(
            "subject.quarantine_client", QUARANTINE, lambda: runtime.set(runtime.client_map, "c-42", "stepup")
        )
    assert runtime.maps[runtime.ip_map] == [("203.0.113.9", "by-hand")]
    assert runtime.maps[runtime.client_map] == [("c-1", "quarantine"), ("c-2", "limit"), ("c-42", "stepup")]


async def test_two_calls_for_one_address_at_once_store_it_once(double: tuple[RuntimeDouble, dict[str, Any]]) -> None:
    runtime, settings = double
    async with connected("haproxy", settings) as connections:
        calls = [connections.perform(call("subject.block_ip", BLOCK, key=f"key-{n}")) for n in range(8)]
        assert {outcome.kind for outcome in await asyncio.gather(*calls)} == {"done"}
    assert len(runtime.maps[runtime.ip_map]) == 1


@pytest.mark.parametrize(
    ("action", "inputs", "stood"),
    [("block_ip", BLOCK, None), ("quarantine_client", QUARANTINE, None), ("quarantine_client", QUARANTINE, "limit")],
)
async def test_s35_what_the_maps_lost_is_made_again_and_taken_back(
    double: tuple[RuntimeDouble, dict[str, Any]], tmp_path: Path, action: str, inputs: dict[str, Any], stood: str | None
) -> None:
    runtime, settings = double
    name = runtime.ip_map if action == "block_ip" else runtime.client_map
    if stood is not None:
        runtime.add(name, "c-42", stood)
    async with connected("haproxy", settings) as connections, ledger_on(connections, tmp_path) as ledger:
        held = await ledger.contain(f"subject.{action}", inputs)
        before = list(runtime.maps[name])
        assert (await ledger.look(held)).missing_since is None and runtime.maps[name] == before
        runtime.maps[name] = []  # as after a reload
        again = await ledger.look(held)
        assert (again.state, again.missing_since) == ("held", None)
        assert [key for key, _ in runtime.maps[name]] == [key for key, _ in before]
        assert (await ledger.lift(held)).state == "lifted"
    assert runtime.maps[name] == ([("c-42", stood)] if stood else [])


async def test_s35_what_a_person_keeps_removing_from_the_map_is_left_to_people(
    double: tuple[RuntimeDouble, dict[str, Any]], tmp_path: Path
) -> None:
    runtime, settings = double
    async with connected("haproxy", settings) as connections, ledger_on(connections, tmp_path, reapply=2) as ledger:
        held = await ledger.contain("subject.block_ip", BLOCK)
        for times in (1, 2, 3):
            runtime.delete(runtime.ip_map, "203.0.113.9")
            held = await ledger.look(held)
            assert (held.missing_since is None, len(runtime.maps[runtime.ip_map])) == ((times < 3), int(times < 3))
        assert (held.state, await ledger.look(held)) == ("held", await ledger.store.containments.get(held.id))


@pytest.mark.parametrize("setting", [{"socket": "admin.sock"}, {"ip_map": "/a b.map"}, {"client_map": "/a;b"}])
async def test_settings_that_would_not_work_are_refused_at_the_start(setting: dict[str, str]) -> None:
    ConnectionSettings.model_validate({"connector": "haproxy", "settings": setting})
    with pytest.raises(ConfigError, match=next(iter(setting))):
        async with connected("haproxy", {"socket": "/run/haproxy/admin.sock", **setting}):
            pass


def test_the_map_file_keeps_what_a_person_wrote(tmp_path: Path) -> None:
    path = tmp_path / "ips.map"
    path.write_text("# kept\n198.51.100.1 by-hand\n203.0.113.9 old\n")
    path.chmod(0o640)
    write_entry(path, "203.0.113.9", "soar-key-1")
    assert path.read_text() == "# kept\n198.51.100.1 by-hand\n203.0.113.9 soar-key-1\n"
    write_entry(path, "203.0.113.9", None)
    write_entry(path, "203.0.113.9", None)
    assert path.read_text() == "# kept\n198.51.100.1 by-hand\n"
    assert (path.stat().st_mode & 0o777, [file.name for file in tmp_path.iterdir()]) == (0o640, ["ips.map"])


# On a real HAProxy.


@pytest.fixture(scope="module")
def haproxy() -> Iterator[Haproxy]:
    needs_haproxy()
    with Haproxy() as part:
        yield part


@pytest.fixture
async def emptied(haproxy: Haproxy) -> Haproxy:
    for maps in (haproxy.ip_map, haproxy.client_map):
        await Runtime(haproxy.socket)._ask(f"clear map {maps}", changes=True)
    return haproxy


def settings_of(haproxy: Haproxy) -> dict[str, Any]:
    return {"socket": haproxy.socket, "ip_map": str(haproxy.ip_map), "client_map": str(haproxy.client_map)}


@pytest.mark.parts
class TestHaproxy(ConnectorContract):
    @pytest.fixture(params=["unix", "tcp"])
    async def subject(self, emptied: Haproxy, request: pytest.FixtureRequest) -> AsyncIterator[Subject]:
        socket = emptied.socket if request.param == "unix" else f"127.0.0.1:{emptied.admin_port}"
        async with connected("haproxy", {**settings_of(emptied), "socket": socket}) as connections:
            yield subject_on(connections, emptied.ip_map, emptied.client_map, emptied.socket)


@pytest.mark.parts
@pytest.mark.parametrize(
    ("given", "refused", "passes"),
    [
        ("203.0.113.9", "203.0.113.9", "203.0.113.10"),
        ("198.51.100.0/24", "198.51.100.200", "198.51.101.1"),
        ("2001:DB8:0:0::1", "2001:db8::1", "2001:db8::2"),
        ("2001:db8:1::/48", "2001:db8:1:ffff::1", "2001:db8:2::1"),
    ],
)
async def test_the_block_takes_effect_and_is_lifted(emptied: Haproxy, given: str, refused: str, passes: str) -> None:
    async with connected("haproxy", settings_of(emptied)) as connections:
        done = await connections.perform(call("subject.block_ip", {"ip": given}))
        assert done.kind == "done", done.message
        assert (emptied.status(refused), emptied.status(passes)) == (403, 200)
        undo = UndoCall("subject.block_ip", {"ip": given}, "key-1", done.output)
        assert (await connections.undo(undo, key="u", timeout=5)).kind == "done"
        assert emptied.status(refused) == 200


@pytest.mark.parts
async def test_a_quarantine_is_for_one_client_and_gives_its_mode_back(emptied: Haproxy) -> None:
    await Runtime(emptied.socket).add(str(emptied.client_map), "c-42", "limit")
    assert emptied.status("203.0.113.9", "c-42") == 429
    async with connected("haproxy", settings_of(emptied)) as connections:
        done = await connections.perform(call("subject.quarantine_client", QUARANTINE))
        assert (emptied.status("203.0.113.9", "c-42"), emptied.status("203.0.113.9", "c-421")) == (403, 200)
        await connections.undo(UndoCall("q", QUARANTINE, "k", done.output), key="u", timeout=5)
        undo = UndoCall("subject.quarantine_client", QUARANTINE, "key-1", done.output)
        assert (await connections.undo(undo, key="u", timeout=5)).kind == "done"
    assert emptied.status("203.0.113.9", "c-42") == 429


async def workers(haproxy: Haproxy) -> set[str]:
    """The process ids of all workers, also of those that are about to leave; none while the master starts anew."""
    try:
        told = await Runtime(haproxy.master_socket)._ask("show proc;quit", changes=False)
    except Unavailable:
        return set()
    return {columns[0] for line in told.splitlines() if (columns := line.split())[1:2] == ["worker"]}


async def reloaded(haproxy: Haproxy) -> None:
    """Reload, and wait until only the new worker is left."""
    before = await workers(haproxy)
    assert haproxy.process is not None
    os.kill(haproxy.process.pid, signal.SIGUSR2)
    async with asyncio.timeout(20):
        # The old worker takes requests, with the old map, until it is gone.
        while len(now := await workers(haproxy)) != 1 or now == before:
            await asyncio.sleep(0.05)


@pytest.mark.parts
async def test_with_map_files_a_reload_keeps_the_block(emptied: Haproxy) -> None:
    async with connected("haproxy", {**settings_of(emptied), "write_map_files": True}) as connections:
        done = await connections.perform(call("subject.block_ip", BLOCK))
        await reloaded(emptied)
        assert await Runtime(emptied.socket).entries(str(emptied.ip_map)) == {"203.0.113.9": "soar-key-1"}
        assert emptied.status("203.0.113.9") == 403
        undo = UndoCall("subject.block_ip", BLOCK, "key-1", done.output)
        assert (await connections.undo(undo, key="u", timeout=5)).kind == "done"
    assert (emptied.status("203.0.113.9"), emptied.ip_map.read_text()) == (200, "")


@pytest.mark.parts
async def test_s35_what_a_reload_forgets_is_found_missing_and_made_again(emptied: Haproxy, tmp_path: Path) -> None:
    async with (
        connected("haproxy", settings_of(emptied)) as connections,
        ledger_on(connections, tmp_path) as ledger,
    ):
        held = await ledger.contain("subject.block_ip", BLOCK)
        assert emptied.status("203.0.113.9") == 403
        await reloaded(emptied)
        assert emptied.status("203.0.113.9") == 200, "the map is empty after a reload"
        again = await ledger.look(held)
        assert emptied.status("203.0.113.9") == 403
        assert (again.state, again.missing_since, again.expires_at) == ("held", None, held.expires_at)
        assert (await ledger.trail(held))[-2:] == ["containment.missing", "containment.reapplied"]
        assert (await ledger.lift(held)).state == "lifted"
        assert emptied.status("203.0.113.9") == 200
    assert await Runtime(emptied.socket).entries(str(emptied.ip_map)) == {}
