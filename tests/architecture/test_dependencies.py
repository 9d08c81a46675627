"""What is declared is used, what is used is declared, and the locks hold both."""

import ast
import re
import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from tests.architecture.tree import ROOT, python

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
OURS = {"soar", "connectors"}

# These are chosen by name: uvicorn takes its loop and its parser from a setting.
BY_NAME = {"uvloop", "httptools"}

# These are one release with another package, pinned by it to the version: to declare that one is enough.
TOGETHER = {"pydantic-core": "pydantic"}

# Where the second queue, the rehearsal range and the test kit may import what their extras bring.
EXTRAS = {"queue": ["procrastinate"], "rehearsal": ["demo"], "testing": ["demo", "test"]}


def declared(*extras: str) -> dict[str, Requirement]:
    lines = list(PROJECT["dependencies"])
    for extra in extras:
        lines += PROJECT["optional-dependencies"][extra]
    return {canonicalize_name(each.name): each for each in map(Requirement, lines)}


def imported(path: Path, tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.split(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.split(".")[0]


def distributions() -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for module, names in packages_distributions().items():
        found[module] = {TOGETHER.get(each, each) for each in map(canonicalize_name, names)}
    return found


def test_every_runtime_dependency_is_imported_somewhere() -> None:
    known = distributions()
    used = {
        dist
        for path, tree in python("soar", "connectors")
        for module in imported(path, tree)
        for dist in known.get(module, ())
    }
    text = "".join(path.read_text() for path, _ in python("soar"))
    used |= {each for each in BY_NAME if f'"{each}"' in text}
    assert not sorted(declared().keys() - used), "nothing imports these: take them out of pyproject.toml"


def test_every_import_is_a_declared_dependency() -> None:
    known, strangers = distributions(), {}
    for path, tree in python("soar", "connectors"):
        part = path.relative_to(ROOT).parts[1]
        allowed = declared(*EXTRAS.get(part, [])).keys()
        for module in set(imported(path, tree)) - OURS - sys.stdlib_module_names:
            if not known.get(module, {module}) & allowed:
                strangers[f"{path.relative_to(ROOT)}: {module}"] = sorted(known.get(module, ()))
    assert not strangers, f"declare them in pyproject.toml, or do without: {strangers}"


@pytest.mark.parametrize(("lock", "extras"), [("runtime", []), ("demo", ["demo"]), ("dev", ["demo", "test", "dev"])])
def test_the_locks_satisfy_what_is_declared(lock: str, extras: list[str]) -> None:
    pinned = dict(
        re.findall(r"^([\w.-]+)==([^\s;\\]+)", (ROOT / "requirements" / f"{lock}.txt").read_text(), re.MULTILINE)
    )
    for named, requirement in declared(*extras).items():
        if named == canonicalize_name(PROJECT["name"]):
            continue
        assert named in pinned, f"requirements/{lock}.txt has no {named}: make lock"
        assert requirement.specifier.contains(pinned[named]), f"requirements/{lock}.txt has {named} {pinned[named]}"


@pytest.mark.parametrize("lock", ["runtime", "demo", "dev"])
def test_the_locks_hold_hashes_and_no_addresses(lock: str) -> None:
    text = (ROOT / "requirements" / f"{lock}.txt").read_text()
    assert "://" not in text
    assert not re.findall(r"^-", text, re.MULTILINE), "options of the machine that made it"
    for entry in re.findall(r"^[\w.-]+==.*(?:\n .*)*", text, re.MULTILINE):
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
