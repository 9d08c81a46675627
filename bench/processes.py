"""Child processes that are watched through /proc and always ended by their own pid."""

from __future__ import annotations

import os
import signal
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

_started: list[Child] = []
_TICKS = os.sysconf("SC_CLK_TCK")


def end_all() -> None:
    """End whatever still runs of what was started here."""
    for child in _started:
        child.end(grace=3)


class Child:
    """One process in a session of its own, its output in a file."""

    def __init__(self, argv: Sequence[str], *, cwd: Path, log: Path, env: Mapping[str, str] | None = None) -> None:
        self.name = Path(argv[0]).name
        self.log = log
        self.spawned_at = time.perf_counter()
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                list(argv),
                cwd=cwd,
                env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C reaches us alone, and we end the child in order
            )
        self.pid = self._process.pid
        _started.append(self)

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    @property
    def exit_code(self) -> int | None:
        return self._process.poll()

    def wait(self, timeout: float) -> int:
        """The exit code, once it has ended by itself."""
        return self._process.wait(timeout)

    def signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            self._process.send_signal(number)

    def kill(self) -> None:
        """SIGKILL at this very moment, and the pid is reaped."""
        self.signal(signal.SIGKILL)
        self._process.wait(10)

    def end(self, grace: float = 15.0) -> int:
        """Ask, wait, insist; what the child started itself goes too."""
        if self.alive:
            self.signal(signal.SIGTERM)
            with suppress(subprocess.TimeoutExpired):
                self._process.wait(grace)
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, signal.SIGKILL)
        return self._process.wait(10)

    def cpu_seconds(self) -> float:
        """User and system time so far, all threads."""
        fields = Path(f"/proc/{self.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / _TICKS

    def resident_bytes(self) -> int:
        """VmRSS at this moment."""
        for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024
        raise RuntimeError(f"/proc/{self.pid}/status has no VmRSS")

    def output(self, last: int = 4000) -> str:
        """The end of what it printed."""
        return self.log.read_text(errors="replace")[-last:]

    def wait_ready(self, url: str, timeout: float = 20.0) -> float:
        """Seconds from spawn to the first 200 of `url`; an early end is an error with its output."""
        until = time.perf_counter() + timeout
        while time.perf_counter() < until:
            if not self.alive:
                raise RuntimeError(f"{self.name} ended with {self.exit_code} before it was ready:\n{self.output()}")
            if status(url) == 200:
                return time.perf_counter() - self.spawned_at
            time.sleep(0.01)
        raise RuntimeError(f"{url} did not answer 200 within {timeout:.0f} s:\n{self.output()}")


def status(url: str, timeout: float = 2.0) -> int | None:
    """The status of a GET, or None when nobody answers."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as reply:
            code: int = reply.status
            return code
    except urllib.error.HTTPError as error:
        return error.code
    except (OSError, ValueError):
        return None
