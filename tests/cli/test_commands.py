"""The command line as a person and as a program uses it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from soar.cli.app import main

Soar = Callable[..., tuple[int, str, str]]


@pytest.fixture
def soar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Soar:
    """One command in a folder of its own: exit code, stdout, stderr."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOAR_CONFIG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def test_init_writes_what_holds_and_passes_its_own_test(soar: Soar) -> None:
    assert soar("init")[0] == 0
    assert soar("check")[0] == 0
    code, out, _ = soar("test")
    assert code == 0
    assert "2 passed, 0 failed" in out


def test_init_overwrites_nothing(soar: Soar, tmp_path: Path) -> None:
    (tmp_path / "soar.yaml").write_text("listen: 127.0.0.1:1\n")
    code, _, err = soar("init")
    assert code == 2
    assert "stays as it is" in err
    assert (tmp_path / "soar.yaml").read_text() == "listen: 127.0.0.1:1\n"
    assert not (tmp_path / "playbooks").exists()


def test_init_shipped_writes_every_playbook_that_ships_and_all_of_it_holds(soar: Soar, tmp_path: Path) -> None:
    assert soar("init", "--shipped")[0] == 0
    code, out, _ = soar("check", "--json")
    assert (code, json.loads(out)) == (0, [])
    shipped = {path.name for path in (Path(__file__).parents[2] / "playbooks").glob("*.yaml")}
    assert {path.name for path in (tmp_path / "playbooks").iterdir()} == shipped
    assert soar("test", "playbooks/payout-burst.yaml")[0] == 0, "its sub-playbooks are found beside it"
    assert soar("init", "--shipped")[0] == 2, "and it overwrites nothing"


def test_check_reports_every_error_with_its_place_and_remedy(soar: Soar, tmp_path: Path) -> None:
    soar("init")
    (tmp_path / "playbooks" / "broken.yaml").write_text(
        "id: broken\n"
        "trigger: {match: {s: {severty: high}}}\n"
        "steps:\n"
        "  - {id: a, action: api.requst, with: {}}\n"
        "  - {id: b, action: nowhere.call}\n"
        "  - {id: c, wen: 'true', set: {x: 1}}\n"
    )
    code, out, _ = soar("check", "--json")
    assert code == 1
    problems = json.loads(out)
    assert {problem["line"] for problem in problems} == {2, 4, 5, 6}
    assert all(problem["file"].endswith("broken.yaml") and problem["column"] > 0 for problem in problems)
    remedies = " ".join(problem["remedy"] for problem in problems)
    assert "severity" in remedies
    assert "request" in remedies
    assert "when" in remedies
    code, out, _ = soar("check")
    assert code == 1
    assert "broken.yaml:2:" in out


def test_a_wrong_expectation_exits_1_with_a_difference(soar: Soar, tmp_path: Path) -> None:
    soar("init")
    path = tmp_path / "playbooks" / "first-response.test.yaml"
    path.write_text(path.read_text().replace("status: succeeded", "status: failed", 1))
    code, out, _ = soar("test")
    assert code == 1
    assert "expected: failed" in out
    assert "found:    succeeded" in out


def test_without_a_configuration_it_says_so(soar: Soar) -> None:
    code, _, err = soar("check")
    assert code in {1, 2}
    code, _, err = soar("alerts", "list")
    assert code == 2
    assert "soar.yaml" in err
    assert "Traceback" not in err


def test_a_mistyped_command_points_at_the_help(soar: Soar) -> None:
    code, _, err = soar("alert")
    assert code == 2
    assert "--help" in err


def test_a_token_is_shown_once_and_kept_as_a_hash(soar: Soar, tmp_path: Path) -> None:
    """G06."""
    soar("init")
    code, out, _ = soar("token", "create", "--role", "viewer", "--name", "grafana", "--json")
    assert code == 0
    secret = json.loads(out)["token"]
    _, out, _ = soar("token", "list", "--json")
    assert [one["name"] for one in json.loads(out)] == ["grafana"]
    assert secret not in out
    for path in tmp_path.glob("soar.db*"):
        assert secret.encode() not in path.read_bytes()
    assert soar("token", "revoke", "grafana")[0] == 0
    assert soar("token", "create", "--role", "king")[0] == 2


def test_run_carries_a_playbook_out_and_shows_it(soar: Soar, tmp_path: Path) -> None:
    soar("init")
    (tmp_path / "playbooks" / "by-hand.yaml").write_text(
        "id: by-hand\n"
        "trigger: {match: {s: {rule_name: never}}}\n"
        "steps: [{id: note, set: {who: '{{ alert.user }}'}}, {stop: 'seen {{ vars.who }}'}]\n"
    )
    (tmp_path / "alert.json").write_text('{"name": "odd \\u001b[31mred", "user": "ana", "severity": "high"}')
    code, out, err = soar("run", "by-hand", "--alert", "alert.json", "--json")
    assert code == 0, err
    done = json.loads(out)
    assert (done["status"], done["message"]) == ("succeeded", "seen ana")
    assert done["actor"].startswith("cli:")
    assert done["steps"][0]["output"] == {"who": "ana"}
    _, out, _ = soar("executions", "list")
    assert "by-hand" in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = soar("executions", "show", done["id"][-8:])
    assert "seen ana" in out
    _, out, _ = soar("alerts", "list")
    assert "\x1b" not in out
    assert max(map(len, out.splitlines())) <= 80
    _, out, _ = soar("alerts", "list", "--json")
    (alert,) = json.loads(out)["items"]
    _, out, _ = soar("explain", alert["id"], "--json")
    assert json.loads(out)["matches"][0]["playbook_id"] == "by-hand"
    assert soar("alerts", "show", "nothing")[0] == 1


def test_an_old_schema_is_refused_naming_the_upgrade(soar: Soar, tmp_path: Path) -> None:
    import sqlite3

    soar("init")
    soar("token", "create", "--role", "viewer")
    with sqlite3.connect(tmp_path / "soar.db") as db:
        db.execute("UPDATE alembic_version SET version_num = '0000'")
    code, _, err = soar("alerts", "list")
    assert code == 1
    assert "soar db upgrade" in err or "newer" in err


def test_upgrade_takes_the_file_for_itself_and_says_what_it_has(soar: Soar, tmp_path: Path) -> None:
    from soar.store import engine_lock

    soar("init")
    soar("token", "create", "--role", "viewer")
    code, out, err = soar("db", "upgrade")
    assert (code, "the schema is at" in out + err) == (0, True)
    with engine_lock(f"sqlite:///{tmp_path / 'soar.db'}"):
        code, _, err = soar("db", "upgrade")
    assert (code, "is its engine already" in err) == (1, True)


def test_backup_and_restore(soar: Soar, tmp_path: Path) -> None:
    soar("init")
    soar("token", "create", "--role", "viewer", "--name", "kept")
    assert soar("db", "backup", "copy.db")[0] == 0
    assert soar("db", "restore", "copy.db")[0] == 1  # there is a database
    for path in tmp_path.glob("soar.db*"):
        path.unlink()
    assert soar("db", "restore", "copy.db")[0] == 0
    assert "kept" in soar("token", "list")[1]


def test_help_is_quick_to_read_and_python_m_soar_works(tmp_path: Path) -> None:
    environment: dict[str, Any] = dict(os.environ) | {"COLUMNS": "80"}
    done = subprocess.run(
        [sys.executable, "-m", "soar", "--help"],
        capture_output=True,
        text=True,
        env=environment,
        check=True,
        timeout=30,
    )
    for command in ("serve", "check", "test", "run", "explain", "lift", "token"):
        assert command in done.stdout


def test_a_reader_that_hangs_up_gets_no_traceback(tmp_path: Path) -> None:
    done = subprocess.run(
        f"{sys.executable} -m soar --help | head -1 >/dev/null", shell=True, capture_output=True, text=True, check=True
    )
    assert "Traceback" not in done.stderr
