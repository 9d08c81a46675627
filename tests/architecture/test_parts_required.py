"""Where all parts must be there, a skip is a failure and names its part."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.architecture.tree import ROOT

SKIPS = """
import pytest

def test_in_the_test():
    pytest.skip("haproxy is missing: apt install haproxy")

@pytest.mark.xfail(reason="known", strict=True)
def test_known():
    raise AssertionError
"""


@pytest.mark.parametrize(("required", "code"), [("0", 0), ("1", 1)])
def test_a_skip_fails_only_where_the_parts_are_required(tmp_path: Path, required: str, code: int) -> None:
    (tmp_path / "conftest.py").write_text((ROOT / "tests" / "conftest.py").read_text())
    (tmp_path / "test_skips.py").write_text(SKIPS)
    command = [sys.executable, "-m", "pytest", "-q", "-rs", "-p", "no:cacheprovider", str(tmp_path)]
    env = {**os.environ, "SOAR_PARTS_REQUIRED": required}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == code, done.stdout
    assert "haproxy is missing: apt install haproxy" in done.stdout
    assert "1 xfailed" in done.stdout
