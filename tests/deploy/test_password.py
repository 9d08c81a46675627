"""The file that the entrypoint writes, before a real PostgreSQL that asks for a password; and why it is written."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from bench.postgres import PATIENCE, Server
from tests.deploy.shipped import ROOT

PASSWORD = r"colon:backslash\and space"
CONNECTS = (
    "import psycopg; print(psycopg.connect('{url}', connect_timeout=5).execute('select current_user').fetchone())"
)


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    server = Server()
    try:
        server.start()
        server.execute(f"ALTER ROLE soar PASSWORD '{PASSWORD}'")
        Path(server.data, "pg_hba.conf").write_text("host all all 127.0.0.1/32 scram-sha-256\n")
        server.execute("SELECT pg_reload_conf()")
        deadline = time.monotonic() + PATIENCE
        while lets_anybody_in(server):
            assert time.monotonic() < deadline, server.log()
        yield server
    finally:
        server.close()


def lets_anybody_in(server: Server) -> bool:
    with suppress(psycopg.OperationalError):
        return bool(server.execute("SELECT 1"))
    return False


@pytest.fixture
def program(server: Server, tmp_path: Path) -> Path:
    """A `soar` that connects by the address alone, as the engine does."""
    script = tmp_path / "bin" / "soar"
    script.parent.mkdir()
    script.write_text(f"#!{sys.executable}\n{CONNECTS.format(url=server.url('postgres'))}")
    script.chmod(0o755)
    return script


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    """As a container engine mounts it: whoever is in the container may read it."""
    path = tmp_path / "postgres_password"
    path.write_text(PASSWORD + "\n")
    path.chmod(0o444)
    return path


def run(*command: Path | str, **environment: Path | str) -> subprocess.CompletedProcess[str]:
    given = {name: str(value) for name, value in environment.items()}
    words = [str(word) for word in command]
    return subprocess.run(words, env=given, capture_output=True, text=True, timeout=60, check=False)


def test_the_engine_is_let_in_by_its_secret(program: Path, secret: Path, tmp_path: Path) -> None:
    path = f"{program.parent}:{os.environ['PATH']}"
    entrypoint = ROOT / "deploy" / "entrypoint.sh"
    done = run(entrypoint, "serve", PATH=path, POSTGRES_PASSWORD_FILE=secret, PGPASSFILE=tmp_path / "pgpass")
    assert done.stdout == "('soar',)\n", done.stderr
    assert PASSWORD not in done.stderr


def test_a_mounted_password_file_would_not_be_taken(program: Path, tmp_path: Path) -> None:
    mounted = tmp_path / "pgpass"
    mounted.write_text("*:*:*:*:" + PASSWORD.replace("\\", r"\\").replace(":", r"\:") + "\n")
    mounted.chmod(0o440)
    assert "no password supplied" in run(program, PGPASSFILE=mounted).stderr
    mounted.chmod(0o400)
    assert run(program, PGPASSFILE=mounted).stdout == "('soar',)\n", "the file itself was right"
