"""deploy/install.sh as the image runs it: into an empty folder, from the package index, and what it made works.

Marked `parts` since it takes half a minute and downloads everything anew.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.deploy.shipped import ROOT

pytestmark = [pytest.mark.parts, pytest.mark.timeout(600)]

INSTALL = ROOT / "deploy" / "install.sh"
RUNTIME = (ROOT / "requirements" / "runtime.txt").read_text()


def run(command: Sequence[object], folder: Path, **environment: str) -> str:
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("SOAR_", "PYTHONPATH"))}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=folder,
        env=inherited | environment,
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("image")
    run([INSTALL, folder / "soar", "dependencies"], folder)
    run([INSTALL, folder / "soar", "project"], folder)
    return folder / "soar"


def test_the_engine_works_in_an_empty_folder(installed: Path, tmp_path: Path) -> None:
    soar = installed / "bin" / "soar"
    run([soar, "init", "--shipped"], tmp_path)
    assert "0 errors, 0 warnings" in run([soar, "check"], tmp_path)
    assert "--config" in run([soar, "serve", "--help"], tmp_path)


def test_it_is_this_tree_s_wheel_and_not_the_tree(installed: Path, tmp_path: Path) -> None:
    where = "import connectors, soar; print(soar.__file__, connectors.__file__)"
    found = run([installed / "bin" / "python", "-P", "-c", where], tmp_path).split()
    assert all(each.startswith(str(installed)) for each in found)


def test_nothing_that_builds_or_installs_is_in_it(installed: Path, tmp_path: Path) -> None:
    listed = "import importlib.metadata as m; print(*sorted({d.metadata['Name'].lower() for d in m.distributions()}))"
    names = set(run([installed / "bin" / "python", "-c", listed], tmp_path).split())
    assert "soar-engine" in names
    assert not names & {"pip", "setuptools", "wheel", "hatchling", "editables", "uv"}


def test_it_is_compiled_so_that_it_may_be_read_only(installed: Path) -> None:
    [package] = installed.glob("lib/python3*/site-packages/soar")
    compiled = {path.name.partition(".")[0] for path in package.rglob("__pycache__/*.pyc")}
    assert {path.stem for path in package.rglob("*.py")} <= compiled


@pytest.mark.skipif("psycopg==" not in RUNTIME, reason="the lock has no psycopg yet")
def test_the_database_driver_brings_its_library(installed: Path, tmp_path: Path) -> None:
    """The image has no libpq of the system's."""
    which = "import psycopg; print(psycopg.pq.__impl__)"
    assert run([installed / "bin" / "python", "-c", which], tmp_path).strip() == "binary"
