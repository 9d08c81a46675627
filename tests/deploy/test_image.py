"""The image without an engine to build it: what its parts say, and its entrypoint run as the plain script it is."""

from __future__ import annotations

import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from tests.deploy.shipped import ROOT

DOCKERFILE = (ROOT / "deploy" / "Dockerfile").read_text()
ENTRYPOINT = ROOT / "deploy" / "entrypoint.sh"
BUILD, FINAL = re.split(r"^FROM .*\n", DOCKERFILE, flags=re.MULTILINE)[1:]


def test_it_is_installed_by_the_script_and_by_nothing_else() -> None:
    runs = re.findall(r"^RUN (.*)$", BUILD, re.MULTILINE)
    assert runs == ["deploy/install.sh /opt/soar dependencies", "deploy/install.sh /opt/soar project"]
    assert "COPY --from=build /opt/soar /opt/soar" in FINAL


def test_what_it_copies_reaches_the_build() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert {"deploy/install.sh", "deploy/entrypoint.sh", "requirements", "soar", "connectors", "playbooks"} <= let_in
    assert all((ROOT / each).exists() for each in let_in)


def test_it_runs_as_nobody_special_and_keeps_no_tools() -> None:
    assert re.search(r"^USER 10001:10001$", FINAL, re.MULTILINE)
    assert "pip uninstall --yes --quiet --root-user-action=ignore pip setuptools wheel" in FINAL
    assert not re.search(r"apt-get|pip install", FINAL)


def test_it_is_pinned_and_starts_the_engine_in_order() -> None:
    assert re.search(r"^ARG PYTHON_IMAGE=python:3\.\d+-slim-\w+$", DOCKERFILE, re.MULTILINE)
    for line in ('ENTRYPOINT ["soar-entrypoint"]', 'CMD ["serve"]', "STOPSIGNAL SIGTERM"):
        assert line in FINAL
    assert "HEALTHCHECK" in FINAL


@pytest.mark.parametrize("script", ["entrypoint.sh", "install.sh"])
def test_the_scripts_can_be_run(script: str) -> None:
    path = ROOT / "deploy" / script
    assert path.stat().st_mode & 0o111
    assert subprocess.run(["sh", "-n", str(path)], check=False, timeout=20).returncode == 0


def enter(tmp_path: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """The entrypoint with a `soar` that says how it was called."""
    fake = tmp_path / "bin" / "soar"
    fake.parent.mkdir(exist_ok=True)
    fake.write_text('#!/bin/sh\nfor word; do echo "[$word]"; done\n')
    fake.chmod(0o755)
    path = f"{fake.parent}:{os.environ['PATH']}"
    command = [str(ENTRYPOINT), *arguments]
    return subprocess.run(
        command, env={"PATH": path, **environment}, capture_output=True, text=True, timeout=20, check=False
    )


@pytest.mark.parametrize(
    ("password", "line"),
    [("c0ffee\n", "*:*:*:*:c0ffee"), ("a:b\\c", r"*:*:*:*:a\:b\\c"), ("two words", "*:*:*:*:two words")],
)
def test_the_password_is_where_libpq_takes_it_and_nobody_else_reads_it(
    tmp_path: Path, password: str, line: str
) -> None:
    secret, written = tmp_path / "secret", tmp_path / "pgpass"
    secret.write_text(password)
    secret.chmod(0o444)
    for _ in range(2):  # a container that starts again finds its file there
        done = enter(tmp_path, "worker", "--zone", "a b", POSTGRES_PASSWORD_FILE=str(secret), PGPASSFILE=str(written))
        assert (done.returncode, done.stdout) == (0, "[worker]\n[--zone]\n[a b]\n"), done.stderr
        assert written.read_text() == line + "\n"
        assert stat.S_IMODE(written.stat().st_mode) == 0o600
    assert password.strip() not in done.stdout + done.stderr


def test_without_a_database_password_it_just_starts(tmp_path: Path) -> None:
    done = enter(tmp_path, "serve", PGPASSFILE=str(tmp_path / "pgpass"))
    assert (done.returncode, done.stdout) == (0, "[serve]\n")
    assert not (tmp_path / "pgpass").exists()


def test_a_secret_that_is_not_there_or_empty_starts_nothing(tmp_path: Path) -> None:
    (tmp_path / "empty").touch()
    for name in ("none", "empty"):
        secret = str(tmp_path / name)
        done = enter(tmp_path, "serve", POSTGRES_PASSWORD_FILE=secret, PGPASSFILE=str(tmp_path / "pgpass"))
        assert done.returncode != 0
        assert (done.stdout, secret in done.stderr) == ("", True)


def test_it_becomes_the_engine_itself(tmp_path: Path) -> None:
    """Signals must reach `soar`, so the script leaves no shell between; here the real one says its version."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        [str(ENTRYPOINT), "version"], env={"PATH": path}, capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.strip()
    assert ENTRYPOINT.read_text().splitlines()[-1] == 'exec soar "$@"'
