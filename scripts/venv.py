"""Make or refresh a virtual environment from a locked requirements file, one at a time, with a line per step.

Only the standard library, since it runs before anything is installed.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TextIO

ROOT = Path(__file__).resolve().parent.parent
LEAST = (3, 11)
TAIL = 15


def main() -> int:
    """Bring one environment to the state its lock file asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("lock", type=Path)
    parser.add_argument("--project", action="store_true", help="install this project too, editable")
    asked = parser.parse_args()
    if sys.version_info < LEAST:
        print(f"This needs Python 3.11 or later, and `python3` is {sys.version.split()[0]}: make PYTHON=python3.11 ...")
        return 1
    folder, lock = ROOT / asked.folder, ROOT / asked.lock
    with one_at_a_time(folder):
        wanted = fingerprint(lock, asked.project)
        if is_ready(folder, wanted):
            return 0
        return build(folder, lock, asked.project, wanted)


@contextlib.contextmanager
def one_at_a_time(folder: Path) -> Iterator[None]:
    """Hold the lock beside the folder: of two `make` in one checkout, the second waits and finds the work done."""
    import fcntl  # noqa: PLC0415 - not on Windows, where the version check must still speak

    with folder.with_name(folder.name + ".lock").open("w") as held:
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            print(f"  waiting: {folder.name} is being made by another make", flush=True)
            fcntl.flock(held, fcntl.LOCK_EX)
        yield


def fingerprint(lock: Path, project: bool) -> str:
    """What the environment was made of: its lock, this Python, this folder, and our own entry points."""
    parts = [lock.read_bytes(), sys.version.encode(), str(ROOT).encode()]
    if project:
        text = (ROOT / "pyproject.toml").read_text()
        found = re.search(r"^\[project\.scripts\]$.*?(?=^\[)", text, re.MULTILINE | re.DOTALL)
        parts.append(found.group().strip().encode() if found else b"")
    return hashlib.sha256(b"\0".join(parts)).hexdigest()


def is_ready(folder: Path, wanted: str) -> bool:
    """Whether the stamp, written last, says that this very environment stands."""
    with contextlib.suppress(OSError):
        return (folder / "ready").read_text().strip() == wanted
    return False


def build(folder: Path, lock: Path, project: bool, wanted: str) -> int:
    """Make the environment, fill it, stamp it; the stamp goes first and comes last."""
    began = time.monotonic()
    (folder / "ready").unlink(missing_ok=True)
    count = len(re.findall(r"^[\w.\[\]-]+==", lock.read_text(), re.MULTILINE))
    print(f"  making {folder.name}: {count} packages, each checked against the hash in {lock.name}", flush=True)
    clear = [] if same_python(folder) else ["--clear"]
    if run([sys.executable, "-m", "venv", *clear, str(folder)], folder, 0):
        print("  Debian and Ubuntu keep this in a package of its own: apt install python3-venv", file=sys.stderr)
        return 1
    pip = [str(folder / "bin" / "python"), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if run([*pip, "--require-hashes", "-r", str(lock)], folder, count):
        return 1
    if project and run([*pip, "--no-deps", "--no-build-isolation", "-e", str(ROOT)], folder, 0):
        return 1
    (folder / "ready").write_text(wanted + "\n")
    print(f"  {folder.name} is ready after {time.monotonic() - began:.0f} s", flush=True)
    return 0


def same_python(folder: Path) -> bool:
    """Whether an environment that is already there was made by this Python; another's packages would not load."""
    if not (folder / "bin" / "python").exists():
        return False
    ask = [str(folder / "bin" / "python"), "-c", "import sys; print(sys.version)"]
    with contextlib.suppress(OSError):
        return subprocess.run(ask, capture_output=True, text=True, check=False).stdout.strip() == sys.version.strip()
    return False


def run(command: list[str], folder: Path, count: int) -> int:
    """Run one step, its talk kept in a file and told in a line; on failure show the end of it."""
    kept = folder.with_name(folder.name + ".log")
    with kept.open("w") as log:
        env = {**os.environ, "PYTHONUNBUFFERED": "1", "PIP_PROGRESS_BAR": "off"}
        child = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=env, cwd=ROOT
        )
        assert child.stdout
        tell(follow(child.stdout, log), count)
        code = child.wait()
    if code:
        lines = kept.read_text().splitlines()
        print("\n".join(f"  | {line}" for line in lines[-TAIL:]), file=sys.stderr)
        print(f"  failed: {' '.join(command[:6])} ... (all of it in {kept})", file=sys.stderr)
    else:
        kept.unlink()
    return code


def follow(lines: Iterable[str], log: TextIO) -> Iterator[str]:
    """Keep each line and hand it on."""
    for line in lines:
        log.write(line)
        yield line


def tell(lines: Iterator[str], count: int) -> None:
    """Turn pip's talk into one moving line on a terminal, or a line now and then elsewhere."""
    live, seen, shown = sys.stdout.isatty(), 0, 0
    for line in lines:
        if line.startswith("Collecting "):
            seen += 1
            name = line.split()[1].split("==")[0]
            if live:
                print(f"\r  fetching {seen}/{count}  {name[:40]:<40}", end="", flush=True)
            elif count and seen * 4 // count > shown:
                shown = seen * 4 // count
                print(f"  fetching {seen}/{count}", flush=True)
        elif count and line.startswith("Installing collected packages"):
            print(("\r" if live else "") + f"  {'installing':<60}", flush=True)


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit("\n  stopped; the next make goes on from here")
