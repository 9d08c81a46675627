"""The board of containments: what is missing, what is stuck, and a person's ways out, by API and command line."""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from soar.cli.app import main
from soar.clock import SystemClock
from soar.ids import derived_id
from soar.model.containment import Containment
from soar.model.execution import Execution
from soar.store import Store
from soar.store.units import ExecutionChange, ExecutionUnit, LiftEnded, Settle
from tests.store.given import apply, running, write
from tests.web.serving import Served, served

_numbers = itertools.count(1)
Soar = Callable[..., tuple[int, str, str]]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("board")) as one:
        yield one


@pytest.fixture
def soar(server: Served, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Soar:
    """One command beside the server: exit code, stdout, stderr."""
    monkeypatch.chdir(server.folder)
    monkeypatch.delenv("SOAR_TOKEN", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


async def _held(store: Store) -> Containment:
    owner = await running(store)
    number = next(_numbers)
    now = SystemClock().now()
    await write(store, owner, apply(owner.id, target=f"198.51.100.{number}", undo_after=3600.0, at=now))
    await write(store, owner, Settle(derived_id(owner.id, "block"), "applied", now))
    await store.executions.commit(ExecutionUnit(owner.id, 1, change=ExecutionChange("succeeded", finished_at=now)))
    return await store.containments.get(derived_id(owner.id, "block", 1))


async def _stuck(store: Store) -> Containment:
    one, now = await _held(store), SystemClock().now()
    await store.containments.lift(one.id, "person:ana", "false alarm", now)
    lift = await store.executions.get(derived_id(one.id, "lift", 1))
    failed = ExecutionChange("failed", finished_at=now, error={"step": "@0", "kind": "refused", "message": "locked"})
    ended = LiftEnded(one.id, "stuck", now)
    await store.executions.commit(ExecutionUnit(lift.id, lift.epoch, take=True, change=failed, ledger=[ended]))
    return await store.containments.get(one.id)


def test_s35_what_is_missing_is_seen_on_the_board(server: Served, soar: Soar) -> None:
    store = server.runtime.store
    one = server.run(_held(store))
    again: Execution | None = server.run(store.drift.missing(one, 0, SystemClock().now(), tell=False))
    assert again is None
    shown = server.get(f"/containments/{one.id}")
    assert shown["status"] == "held" and shown["missing_since"] is not None and shown["rung"] == 1
    out = soar("containments", "list")[1]
    assert "missing" in out, out
    told = [entry["action"] for entry in server.get("/audit", subject=f"containment:{one.id}")["items"]]
    assert told[0] == "containment.missing"


def test_s33_a_stuck_lift_is_shown_with_its_cause_and_taken_back_by_hand(server: Served, soar: Soar) -> None:
    one = server.run(_stuck(server.runtime.store))
    assert one.id in [found["id"] for found in server.all("/containments", status="stuck")]
    code, out, err = soar("containments", "show", one.id)
    assert (code, "stuck" in out, "locked" in out, "--by-hand" in err) == (0, True, True, True)
    code, out, _ = soar("lift", one.id, "--reason", "removed it myself", "--by-hand")
    assert (code, "lifted by hand" in out) == (0, True)
    shown = json.loads(soar("containments", "show", one.id, "--json")[1])
    assert (shown["status"], shown["lift_reason"]) == ("lifted", "removed it myself")
    assert shown["lifted_by"].startswith("cli:")


def test_s33_by_hand_is_for_what_is_stuck(server: Served) -> None:
    held = server.run(_held(server.runtime.store))
    body = {"reason": "removed it myself", "by_hand": True}
    answer = server.ask("POST", f"/containments/{held.id}/lift", json=body)
    assert (answer.status_code, "only a stuck one" in answer.json()["detail"]) == (409, True)
    stuck = server.run(_stuck(server.runtime.store))
    answer = server.ask("POST", f"/containments/{stuck.id}/lift", json=body)
    assert (answer.status_code, answer.json()["status"]) == (202, "lifted")
    (entry, *_) = server.get("/audit", subject=f"containment:{stuck.id}")["items"]
    assert (entry["actor"], entry["data"]) == ("token:analyst", body)


def test_a_lift_without_a_reason_is_refused(server: Served, soar: Soar, tmp_path: Path) -> None:
    held = server.run(_held(server.runtime.store))
    assert server.ask("POST", f"/containments/{held.id}/lift", json={"reason": " "}).status_code in (400, 422)
    assert soar("lift", held.id)[0] == 2
    assert server.get(f"/containments/{held.id}")["status"] == "held"
