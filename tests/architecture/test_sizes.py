"""What is short can be read: files of at most 400 lines, functions of at most 60."""

import ast

from tests.architecture.tree import CODE, name, python

FILE, FUNCTION = 400, 60


def test_no_file_is_longer_than_400_lines() -> None:
    long = {name(path): lines for path, _ in python(*CODE) if (lines := len(path.read_text().splitlines())) > FILE}
    assert not long, f"split by subject: {long}"


def test_no_function_is_longer_than_60_lines() -> None:
    long = {
        f"{name(path)}:{node.lineno} {node.name}": lines
        for path, tree in python(*CODE)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (lines := (node.end_lineno or node.lineno) - node.lineno + 1) > FUNCTION
    }
    assert not long, f"give a part of it a name: {long}"
