"""The tree stands alone: no paths of anybody's machine, no test that reads outside, no link that leads nowhere."""

import ast
import re
from pathlib import Path

from tests.architecture.tree import ROOT, files, name, python

# Written in pieces, or this file would be its own first find.
WORKPLACES = re.compile(r"(?<![\w.])/(?:wo" + r"rk|fa" + r"rm|ho" + r"me/\w+|Us" + r"ers/\w+)/")
SYSTEM = ("/bin", "/dev", "/etc", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var")
BINARY = {".png", ".ico", ".gz", ".woff2"}


def test_no_file_names_a_path_of_somebodys_machine() -> None:
    found = {
        f"{name(path)}:{number}": line.strip()[:100]
        for path in files()
        if path.suffix not in BINARY
        for number, line in enumerate(path.read_text(errors="replace").splitlines(), 1)
        if WORKPLACES.search(line)
    }
    assert not found


def test_no_test_reads_outside_the_tree() -> None:
    """A text in a test that leads from the tree to a file beside it would work on one machine only."""
    found = {
        f"{name(path)}:{node.lineno}": node.value
        for path, tree in python("tests", "bench")
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and leads_outside(node.value, path.parent)
    }
    assert not found


def leads_outside(text: str, folder: Path) -> bool:
    if "/" not in text or "\n" in text or "\0" in text or len(text) > 200 or text.startswith(SYSTEM):
        return False
    for start in (ROOT, folder):
        try:
            target = (start / text).resolve()
            if target.exists() and not target.is_relative_to(ROOT) and target != Path("/"):
                return not str(target).startswith(SYSTEM)
        except OSError:
            return False
    return False


def test_no_test_climbs_out_of_the_tree() -> None:
    """`Path(__file__).parents[n]` of a test stays within the root."""
    found = {}
    for path, _ in python("tests"):
        depth = len(path.relative_to(ROOT).parts) - 1
        for climb in re.findall(r"__file__\)(?:\.resolve\(\))?\.parents\[(\d+)\]", path.read_text()):
            if int(climb) > depth:
                found[name(path)] = f"parents[{climb}]"
    assert not found


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{name(path)} -> {target}"
        for path in files(suffixes=[".md"])
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", path.read_text())
        if "://" not in target and not target.startswith("mailto:") and not (path.parent / target).exists()
    ]
    assert not broken
