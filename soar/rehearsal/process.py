"""One real part as a child process: started on a free port, waited for, and gone when we are."""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import httpx

from soar.errors import SoarError

_POLL = 0.03
_STARTS = 3


class PartFailed(SoarError):
    """A part of the rehearsal range did not start, or stopped answering."""


_reserved: list[socket.socket] = []


def free_port() -> int:
    """A port of the loopback that nobody listens on, kept from the ports of outgoing connections while we live.

    A server may die and come back on it: Linux lets it listen beside a socket that is only bound,
    where both say SO_REUSEADDR (socket(7)). Elsewhere whoever binds it first has it.
    """
    probe = socket.socket()
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    probe.bind(("127.0.0.1", 0))
    port: int = probe.getsockname()[1]
    if sys.platform == "linux":
        if not _reserved:
            atexit.register(_let_go)
        _reserved.append(probe)
    else:
        probe.close()
    return port


def _let_go() -> None:
    for probe in _reserved:
        probe.close()


class Part:
    """A child process in its own session and folder. Subclasses say how it is started and when it answers."""

    name = "part"
    start_timeout = 30.0

    def __init__(self, folder: Path | None = None) -> None:
        self._own = tempfile.TemporaryDirectory(prefix=f"soar-{self.name}-") if folder is None else None
        self.folder = Path(self._own.name) if self._own else folder / self.name if folder else Path()
        self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Write configuration before each start; ports are chosen here."""

    def command(self) -> Sequence[str]:
        """The command line; secrets stay out of it."""
        raise NotImplementedError

    def environment(self) -> Mapping[str, str]:
        """What the process sees beside the bare minimum."""
        return {}

    def answers(self) -> bool:
        """Whether it gave a correct answer just now; a refused connection is a no."""
        raise NotImplementedError

    @property
    def log(self) -> Path:
        return self.folder / "process.log"

    def start(self) -> Self:
        """Start it and wait until it answers; a port lost to somebody else is tried again."""
        ended = False
        for start in range(_STARTS):
            self.prepare()
            self._spawn()
            if self._answers_in_time():
                return self
            ended = self.process is not None and self.process.poll() is not None
            self.kill()
            if not ended or start == _STARTS - 1:
                break
        what = "ended at its start" if ended else f"did not answer within {self.start_timeout:.0f} s"
        raise PartFailed(f"{self.name} {what}; its log ends: {self._tail()}")

    def stop(self) -> None:
        """Ask it to end, then make it; remove its folder if that was ours."""
        if self.process is not None and self.process.poll() is None:
            self._signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(timeout=3)
        self.kill()
        if self._own is not None:
            self._own.cleanup()

    def kill(self) -> None:
        """End the whole process group at once."""
        if self.process is None:
            return
        self._signal(signal.SIGKILL)
        self.process.wait()
        if self.process.stdin:
            self.process.stdin.close()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self) -> None:
        home = str(self.folder)
        minimum = {"PATH": os.environ.get("PATH", ""), "HOME": home, "XDG_CONFIG_HOME": home, "XDG_DATA_HOME": home}
        # The pipe is never written: its end tells a child of ours that we are gone, however we went.
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(  # noqa: S603  # our own command lines, no shell
                self.command(),
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                env={**minimum, **self.environment()},
                start_new_session=True,
            )

    def _answers_in_time(self) -> bool:
        assert self.process is not None
        deadline = time.monotonic() + self.start_timeout
        while time.monotonic() < deadline and self.process.poll() is None:
            with contextlib.suppress(httpx.TransportError, OSError):
                if self.answers():
                    return True
            time.sleep(_POLL)
        return False

    def _signal(self, number: signal.Signals) -> None:
        assert self.process is not None
        # The group outlives its leader while it has members, so it is signalled even when the leader is gone.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.process.pid, number)

    def _tail(self) -> str:
        text = self.log.read_text(errors="replace") if self.log.exists() else ""
        return " | ".join(text.strip().splitlines()[-4:]) or "(empty)"


class PythonPart(Part):
    """A part of ours in Python: it binds a free port itself and writes it down."""

    module = ""

    def setup(self) -> Mapping[str, Any]:
        """What the child needs to know; written to a file only we can read."""
        return {}

    def prepare(self) -> None:
        self._port_file.unlink(missing_ok=True)
        setup = self.folder / "setup.json"
        setup.touch(mode=0o600)
        setup.write_text(json.dumps(self.setup()))

    def command(self) -> Sequence[str]:
        return [sys.executable, "-m", self.module, str(self.folder)]

    def environment(self) -> Mapping[str, str]:
        # A checkout is found through PYTHONPATH or an editable install; the child must find the same one.
        return {"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "PYTHONDONTWRITEBYTECODE": "1"}

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port_file.read_text()}"

    @property
    def _port_file(self) -> Path:
        return self.folder / "port"
