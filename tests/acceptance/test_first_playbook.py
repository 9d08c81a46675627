"""The page for newcomers, as they would follow it: every file written, every command run, every output compared."""

from __future__ import annotations

import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from soar.rehearsal.process import free_port

PAGE = Path(__file__).parents[2] / "docs" / "first-playbook.md"
PATIENCE = 60.0
"""Seconds a command may take, and in which one that only looks must show what the page shows."""
LOOKS = re.compile(r"soar (\w+ (list|show)|explain)\b|curl -s (--\S+ )*http")
ID = re.compile(r"^([0-9a-hjkmnp-tv-z]{8})  ", re.MULTILINE)
TOKEN = re.compile(r"soar_[\w-]{40,}")


@dataclass(frozen=True)
class Written:
    """A file of the page."""

    name: str
    text: str


@dataclass(frozen=True)
class Command:
    """A line after the prompt, and what the page shows below it."""

    line: str
    shown: tuple[str, ...]


def parts(page: str) -> list[Written | Command]:
    """The files and commands in their order; a block that is neither is a mistake of the page."""
    found: list[Written | Command] = []
    for before, kind, block in re.findall(r"([^\n]*)\n\n```(\w*)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        if kind == "console":
            found += commands(block)
        else:
            name = re.fullmatch(r"`([\w./-]+)`:", before)
            assert name, f"no file's name stands above the block after {before!r}"
            found.append(Written(name[1], block))
    return found


def commands(block: str) -> Iterator[Command]:
    first, *rest = re.split(r"^\$ ", block, flags=re.MULTILINE)
    assert not first, block
    for one in rest:
        line, *shown = one.rstrip("\n").split("\n")
        yield Command(line, tuple(shown))


def fits(shown: tuple[str, ...], found: str) -> bool:
    """`...` stands for anything in a line, and alone for any number of lines."""
    pattern = "".join(
        r"(?:[^\n]*\n)*?" if line == "..." else re.escape(line.rstrip()).replace(re.escape("..."), "[^\n]*?") + " *\n"
        for line in shown
    )
    return not shown or re.fullmatch(pattern, found if found.endswith("\n") else found + "\n") is not None


class Terminal:
    """One bash that goes on from command to command, as a person's does."""

    def __init__(self, folder: Path) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("SOAR_", "COLUMNS"))}
        here = Path(sys.executable).parent
        self._process = subprocess.Popen(
            ["bash", "--norc", "--noprofile"],
            cwd=folder,
            env={**clean, "PATH": f"{here}{os.pathsep}{clean['PATH']}", "HOME": str(folder), "COLUMNS": "80"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        self._lines: queue.Queue[str] = queue.Queue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def run(self, line: str) -> tuple[int, str]:
        """What it printed, and its exit code."""
        assert self._process.stdin is not None
        self._process.stdin.write(f'{line}\necho "=== $?"\n')
        self._process.stdin.flush()
        printed = ""
        while True:
            got = self._lines.get(timeout=PATIENCE)
            if ended := re.fullmatch(r"=== (\d+)\n", got):
                return int(ended[1]), printed
            printed += got

    def close(self) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._reader.join(10)
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(BrokenPipeError):
                    pipe.close()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)


class Newcomer:
    """Follows the page to the letter; where it says ID or soar_..., takes what was printed last."""

    def __init__(self, terminal: Terminal, folder: Path) -> None:
        self.terminal, self.folder = terminal, folder
        self.id = self.token = ""

    def write(self, file: Written) -> None:
        path = self.folder / file.name
        assert path.parent.is_dir(), f"{file.name}: the folder is not there yet"
        path.write_text(file.text, "utf-8")

    def run(self, command: Command) -> None:
        line = re.sub(r"\bID\b", self.id, command.line).replace("soar_...", self.token)
        until = time.monotonic() + PATIENCE
        while True:
            code, printed = self.terminal.run(line)
            if fits(command.shown, printed) or not LOOKS.match(line) or time.monotonic() > until:
                break
        assert fits(command.shown, printed), f"$ {line}\n{printed}\n--- the page shows\n" + "\n".join(command.shown)
        assert code == (1 if any(": error: " in one for one in command.shown) else 0), f"$ {line}: {code}\n{printed}"
        self.id = found[1] if (found := ID.search(printed)) else self.id
        self.token = found[0] if (found := TOKEN.search(printed)) else self.token


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    for program in ("bash", "curl", "sed"):
        if shutil.which(program) is None:
            pytest.skip(f"the page uses {program}, which is not here")
    terminal = Terminal(tmp_path)
    yield terminal
    terminal.close()


@pytest.mark.timeout(300)
def test_the_page_for_newcomers_holds_to_the_letter(terminal: Terminal, tmp_path: Path) -> None:
    page = PAGE.read_text("utf-8")
    for port in ("8080", "9090"):
        page = page.replace(port, str(free_port()))
    newcomer = Newcomer(terminal, tmp_path / "first")
    for one in parts(page):
        newcomer.write(one) if isinstance(one, Written) else newcomer.run(one)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first"]


def test_an_output_that_is_not_shown_is_told_apart() -> None:
    assert fits(("wrote ...", "...", "end"), "wrote a\nx\ny\nend\n")
    assert not fits(("wrote ...", "end"), "wrote a\nx\nend\n")
    assert not fits(("wrote a",), "wrote b\n")


def test_every_block_of_the_page_is_a_file_or_a_command() -> None:
    text = PAGE.read_text("utf-8")
    found = parts(text)
    assert len(re.findall(r"^```\w+$", text, re.MULTILINE)) == len(re.findall(r"^```$", text, re.MULTILINE))
    told = {
        f"soar {command.line.split()[1]}"
        for command in found
        if isinstance(command, Command) and "soar " in command.line[:5]
    }
    assert told >= {f"soar {name}" for name in ("init", "check", "test", "run", "serve", "explain", "approve", "lift")}
    with pytest.raises(AssertionError, match="no file's name"):
        parts("Some text\n\n```yaml\na: 1\n```\n")
