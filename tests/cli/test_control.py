"""What people do at a terminal to what a server carries out: the same rows, so the same outcome."""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from soar.cli.app import main
from soar.clock import SystemClock
from tests.web.serving import Served, served, until
from tests.web.test_control import PEOPLE, PLAYBOOKS, opened, reached, statuses

Soar = Callable[..., tuple[int, str, str]]
_addresses = (f"198.51.100.{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("terminal"), more=PEOPLE, playbooks=PLAYBOOKS) as one:
        for name in ("ana", "ben", "cleo"):
            digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
            one.run(one.runtime.store.tokens.create(name, "person", digest, SystemClock().now(), person=name))
        yield one


@pytest.fixture
def soar(server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Soar:
    """One command beside the server, as the person given: exit code, stdout, stderr."""
    monkeypatch.chdir(server.folder)

    def run(*arguments: str, person: str | None = None) -> tuple[int, str, str]:
        if person is None:
            monkeypatch.delenv("SOAR_TOKEN", raising=False)
        else:
            monkeypatch.setenv("SOAR_TOKEN", f"token-of-{person}")
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def asked(server: Served, playbook: str) -> tuple[str, str]:
    """An execution that waits for a person, and the request."""
    execution = opened(server, playbook, alert={"src_ip": next(_addresses)})
    reached(server, execution, "approval")
    return execution, server.get("/approvals", execution=execution)["items"][0]["id"]


def test_what_waits_is_listed_and_shown_and_answered(server: Served, soar: Soar) -> None:
    execution, approval = asked(server, "guarded")
    code, out, _ = soar("approvals", "list")
    assert code == 0
    assert "guarded" in out
    code, out, _ = soar("approvals", "show", approval[-8:])
    assert (code, "door.block_ip" in out, "group leads" in out) == (0, True, True)
    code, out, err = soar("approve", approval, person="ben")
    assert (code, "1 of 2" in err) == (0, True)
    code, out, _ = soar("approve", approval, "--reason", "ok", "--json", person="cleo")
    assert (code, json.loads(out)["status"]) == (0, "approved")
    assert statuses(reached(server, execution, "succeeded")) == {"block": "succeeded"}


def test_a_no_needs_a_reason_and_ends_the_step(server: Served, soar: Soar) -> None:
    execution, approval = asked(server, "one-yes")
    assert soar("deny", approval, person="ben")[0] == 2
    code, out, _ = soar("deny", approval, "--reason", "known", person="ben")
    assert (code, "denied" in out) == (0, True)
    reached(server, execution, "succeeded")
    code, _, err = soar("approve", approval, person="cleo")
    assert (code, "denied already" in err) == (1, True)


def test_without_a_token_of_ones_own_nothing_is_answered(server: Served, soar: Soar) -> None:
    _, approval = asked(server, "one-yes")
    code, _, err = soar("approve", approval)
    assert (code, "SOAR_TOKEN" in err) == (1, True)
    code, _, err = soar("approve", approval, person="nobody")
    assert (code, "unknown or was revoked" in err) == (1, True)
    code, _, err = soar("approve", approval, person="ana")
    assert (code, "not among those who may answer" in err) == (1, True)
    assert server.get(f"/approvals/{approval}")["votes"] == []


def test_s23_cancel_asks_what_becomes_of_what_is_held(server: Served, soar: Soar) -> None:
    address = next(_addresses)
    execution = opened(server, "holds", alert={"src_ip": address})
    reached(server, execution, "event")
    code, _, err = soar("cancel", execution, "--reason", "false alarm")
    assert (code, address in err, "--undo" in err) == (2, True, True)
    code, out, _ = soar("cancel", execution, "--reason", "false alarm", "--undo", person="ana")
    assert (code, "taken back" in out) == (0, True)
    reached(server, execution, "cancelled")
    (held,) = server.all("/containments", target=address)
    until(lambda: server.get(f"/containments/{held['id']}")["status"] == "lifted", "it is lifted")
    told = server.get("/audit", subject=f"execution:{execution}")["items"]
    assert ("person:ana", "execution.cancel") in [(one["actor"], one["action"]) for one in told]


def test_pause_and_resume(server: Served, soar: Soar) -> None:
    execution = opened(server, "holds", alert={"src_ip": next(_addresses)})
    reached(server, execution, "event")
    assert soar("pause", execution, "--reason", "look first")[0] == 0
    assert soar("events", "send", "case.closed", "--data", '{"n": 1}', "--id", "1")[0] == 0
    until(lambda: statuses(server.get(f"/executions/{execution}"))["wait"] == "succeeded", "the event is taken in")
    assert server.get(f"/executions/{execution}")["status"] == "parked"
    assert soar("resume", execution, "--reason", "go on")[0] == 0
    reached(server, execution, "succeeded")


def test_s37_rerun_from_a_step(server: Served, soar: Soar) -> None:
    execution = opened(server, "breaks")
    reached(server, execution, "failed")
    code, out, _ = soar("rerun", execution, "--from", "second", "--json", person="ana")
    again = json.loads(out)
    assert (code, again["rerun_of"], again["actor"]) == (0, execution, "person:ana")
    assert statuses(reached(server, again["id"], "failed")) == {"first": "succeeded", "second": "failed"}
    code, _, err = soar("rerun", execution, "--from", "thrid")
    assert (code, "no step 'thrid'" in err) == (1, True)
    assert soar("rerun", execution, "--version", "newest")[0] == 2


def test_s19_stop_and_release(server: Served, soar: Soar) -> None:
    assert soar("stop", "all")[0] == 2
    assert soar("stop", "connection:apu", "--reason", "x")[0] == 2
    assert soar("stop", "all", "--reason", "wrong alerts", person="ana")[0] == 0
    try:
        _, out, _ = soar("stop", "--json")
        (pressed,) = json.loads(out)["items"]
        assert (pressed["scope"], pressed["by"], pressed["reason"]) == ("all", "person:ana", "wrong alerts")
        until(lambda: server.runtime.guardrails.stops.reason("api", None), "the server has taken notice", 1.0)
        execution = opened(server, "note", alert={"source_ref": "stopped here"})
        reached(server, execution, "parked")
        assert not any("stopped here" in one["body"] for one in server.echo.seen)
    finally:
        assert soar("stop", "all", "--release", "--reason", "mended")[0] == 0
    reached(server, execution, "succeeded")
    assert soar("stop", "all", "--release", "--reason", "again")[0] == 1
    assert "nothing is stopped" in soar("stop")[1]


def test_events_that_cannot_be_meant(soar: Soar) -> None:
    assert soar("events", "send", "execution.failed")[0] == 2
    assert soar("events", "send", "a b")[0] == 2
    assert "JSON" in soar("events", "send", "a", "--data", "{")[2]
    assert "object" in soar("events", "send", "a", "--data", "[]")[2]


def test_inputs_and_dry_runs(server: Served, soar: Soar) -> None:
    before = len(server.echo.seen)
    code, out, _ = soar("run", "typed", "--input", "account=acme", "--input", "limit=7", "--dry-run", "--json")
    ended: dict[str, Any] = json.loads(out)
    assert (code, ended["mode"], ended["inputs"]) == (0, "dry_run", {"account": "acme", "limit": 7})
    assert len(server.echo.seen) == before
    code, _, err = soar("run", "typed", "--input", "limit=seven")
    assert (code, "'account' is missing" in err, "'limit'" in err) == (1, True, True)
    assert soar("run", "typed", "--input", "account")[0] == 2


def test_the_trail_and_the_budgets(server: Served, soar: Soar) -> None:
    assert "approval." in soar("audit", "list", "--limit", "200")[1]
    until(lambda: json.loads(soar("audit", "verify", "--json")[1])["unsealed"] == 0, "all is chained")
    code, out, _ = soar("audit", "verify")
    assert (code, "unbroken" in out) == (0, True)
    assert soar("budgets", "--json")[0] == 0


def test_a_changed_entry_breaks_the_chain(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from soar.store import Store
    from soar.store.units import Audit

    monkeypatch.chdir(tmp_path)
    (tmp_path / "soar.yaml").write_text("database: sqlite:///soar.db\n")

    async def fill() -> None:
        store = await Store.open("sqlite:///soar.db")
        for number in range(3):
            await store.audit.add(Audit("engine", "x", f"execution:{number}", number, {}))
        await store.audit.seal()
        await store._writer.run(lambda db: db.execute("UPDATE audit SET actor = 'nobody' WHERE seq = 2"))
        await store.close()

    asyncio.run(fill())
    with pytest.raises(SystemExit) as ended:
        main(["audit", "verify"])
    assert ended.value.code == 1


def test_tokens_are_for_a_role_or_for_a_person(soar: Soar) -> None:
    code, out, _ = soar("token", "create", "--person", "ben", "--name", "bens", "--json")
    assert (code, json.loads(out)["person"]) == (0, "ben")
    assert soar("token", "create", "--person", "bem")[2].count("'ben'") == 1
    assert soar("token", "create")[0] == 2
    assert soar("token", "create", "--person", "ben", "--role", "admin")[0] == 2


def test_a_disabled_or_stopped_playbook_is_not_run_and_the_command_says_why(server: Served, soar: Soar) -> None:
    code, _, err = soar("run", "off")
    assert (code, "playbook off: not run: its mode is disabled" in err) == (1, True), err
    body = {"scope": "playbook:note", "reason": "it floods us"}
    assert server.ask("POST", "/switches", json=body).status_code == 201
    try:
        code, _, err = soar("run", "note")
        assert (code, "not run: stopped by token:analyst: it floods us" in err) == (1, True), err
    finally:
        server.ask("POST", "/switches/playbook:note/release", json={"reason": "over"})


def test_a_run_by_hand_whose_playbook_the_server_no_longer_runs_does_not_wait_for_ever(
    server: Served, soar: Soar
) -> None:
    """The file says it may run; the server has an older one loaded, where it may not."""
    path = server.folder / "playbooks" / "off.yaml"
    text = path.read_text()
    path.write_text(text.replace("mode: disabled\n", ""))
    try:
        code, _, err = soar("run", "off")
        assert (code, "nothing was run: its mode is disabled" in err) == (1, True), err
    finally:
        path.write_text(text)
