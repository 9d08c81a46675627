"""The wheel carries what the program reads at run time, and nothing of the tests."""

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT, files

NOT_SHIPPED = {".pyc"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> set[str]:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    done = subprocess.run(build, cwd=ROOT, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stderr
    [built] = folder.glob("*.whl")
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
