"""The tree as the tests of its shape see it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
CODE = ("soar", "connectors", "bench", "scripts")
SKIPPED = {"__pycache__", "node_modules", "build", "dist", "results"}


def files(*folders: str, suffixes: Iterable[str] = ()) -> Iterator[Path]:
    """Every file under these folders of the tree, or under all of it, that belongs to the project."""
    wanted = tuple(suffixes)
    for start in [ROOT / folder for folder in folders] or [ROOT]:
        for path in sorted(start.rglob("*")):
            inner = path.relative_to(ROOT).parts
            hidden = any(part.startswith(".") and part not in {".ci", ".github", ".gitignore"} for part in inner)
            if path.is_file() and not hidden and not SKIPPED & set(inner) and (not wanted or path.suffix in wanted):
                yield path


def python(*folders: str) -> Iterator[tuple[Path, ast.Module]]:
    """Every Python file under these folders, parsed."""
    for path in files(*folders, suffixes=[".py"]):
        yield path, ast.parse(path.read_text(), str(path))


def name(path: Path) -> str:
    """The path as a person writes it."""
    return path.relative_to(ROOT).as_posix()
