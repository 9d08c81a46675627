"""The SDK as an author uses it: mypy strict finds nothing wrong in right code, and every mistake in wrong code."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from mypy import api

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
MARK = re.compile(r"# E: (?P<codes>[a-z -]+)$")


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """One run for both files: most of its time goes into reading what they import."""
    cache = tmp_path_factory.mktemp("mypy")
    files = [str(HERE / "author.py"), str(HERE / "mistakes.py")]
    options = ["--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(cache), "--no-error-summary"]
    output, problems, _ = api.run([*options, "--follow-imports=silent", "--show-error-codes", *files])
    assert not problems, problems
    return output.splitlines()


def errors(found: list[str], file: str) -> set[tuple[int, str]]:
    pattern = re.compile(rf".*{file}:(\d+): error: .*\[([a-z-]+)\]$")
    return {(int(match[1]), match[2]) for line in found if (match := pattern.match(line))}


@pytest.mark.timeout(300)
def test_a_right_connector_is_right(found: list[str]) -> None:
    assert errors(found, "author.py") == set(), "\n".join(found)


@pytest.mark.timeout(300)
def test_every_mistake_is_found(found: list[str]) -> None:
    lines = (HERE / "mistakes.py").read_text("utf-8").splitlines()
    marks = [(number, match) for number, line in enumerate(lines, 1) if (match := MARK.search(line))]
    marked = {(number, code) for number, match in marks for code in match["codes"].split()}
    assert errors(found, "mistakes.py") == marked, "\n".join(found)
