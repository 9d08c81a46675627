"""The wheel carries what the program reads at run time, and nothing of the tests."""

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files

NOT_SHIPPED = {".pyc"}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    [found] = folder.glob("*.whl")
    return found


@pytest.fixture(scope="module")
def wheel(built: Path) -> set[str]:
    return set(zipfile.ZipFile(built).namelist())


def tree(*folders: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in files(*folders) if path.suffix not in NOT_SHIPPED}


def test_it_has_every_file_of_the_two_packages(wheel: set[str]) -> None:
    assert not sorted(tree("soar", "connectors") - wheel)


def test_it_has_the_shipped_playbooks_with_their_tests(wheel: set[str]) -> None:
    playbooks = tree("playbooks")
    assert playbooks
    assert not sorted({f"soar/_shipped/{each}" for each in playbooks} - wheel)


def test_it_has_the_mappings_and_the_migrations(wheel: set[str]) -> None:
    assert [each for each in wheel if Path(each).match("connectors/*/source.yaml")]
    assert [each for each in wheel if Path(each).match("soar/store/migrations/versions/*.py")]
    assert "soar/py.typed" in wheel


def test_it_has_nothing_else_at_the_top(wheel: set[str]) -> None:
    tops = {each.split("/")[0] for each in wheel}
    assert {each for each in tops if not each.endswith(".dist-info")} == {"soar", "connectors"}


@pytest.mark.timeout(300)
def test_what_it_ships_holds_and_passes_its_tests_in_an_empty_folder(built: Path, tmp_path: Path) -> None:
    """Unpacked as an installer does it, and nothing of the checkout is seen."""
    installed, empty = tmp_path / "site", tmp_path / "empty"
    zipfile.ZipFile(built).extractall(installed)
    empty.mkdir()
    environment = {**os.environ, "PYTHONPATH": str(installed), "PYTHONSAFEPATH": "1"}
    environment.pop("SOAR_CONFIG", None)

    def soar(*arguments: str) -> str:
        command = [sys.executable, "-c", "import soar.cli.app; soar.cli.app.main()", *arguments]
        done = subprocess.run(
            command, cwd=empty, env=environment, capture_output=True, text=True, timeout=250, check=False
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = [sys.executable, "-c", "import soar; print(soar.__file__)"]
    seen = subprocess.run(where, cwd=empty, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert seen.stdout.startswith(str(installed))
    soar("init", "--shipped")
    assert f"0 errors, 0 warnings, {len(tree('playbooks')) // 2} playbooks hold" in soar("check")
    assert " 0 failed" in soar("test")
