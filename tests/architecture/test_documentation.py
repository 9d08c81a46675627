"""What a user can set, type or call is written down."""

import ast
import re
from collections.abc import Iterator
from typing import Any, get_args

import click
import pytest
import typer.main
from pydantic import BaseModel

from soar.cli.app import tree
from soar.config import Settings
from tests.architecture.tree import ROOT, files, name


def pages() -> str:
    return "\n".join(path.read_text() for path in [ROOT / "README.md", *files("docs", suffixes=[".md"])])


def settings(model: type[BaseModel], above: str = "") -> Iterator[str]:
    for key, field in model.model_fields.items():
        yield above + key
        for inner in models(field.annotation):
            yield from settings(inner, f"{above}{key}.")


def models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from models(part)


def commands(command: click.Command, above: str) -> Iterator[str]:
    if not isinstance(command, click.Group):
        yield above
        return
    for key, inner in command.commands.items():
        yield from commands(inner, f"{above} {key}")


def actions() -> Iterator[tuple[str, str]]:
    for path in files("connectors", suffixes=[".py"]):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.AsyncFunctionDef) and any(marks_action(each) for each in node.decorator_list):
                yield path.parent.name, node.name


def marks_action(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    return isinstance(called, ast.Name) and called.id == "action"


@pytest.mark.parametrize("setting", list(settings(Settings)))
def test_every_setting_is_documented(setting: str) -> None:
    text = (ROOT / "docs" / "configuration.md").read_text()
    key = setting.rsplit(".", 1)[-1]
    assert f"`{setting}`" in text or re.search(rf"(?<![\w.-]){re.escape(key)}(`|:)", text), (
        f"docs/configuration.md does not speak of `{setting}`"
    )


@pytest.mark.parametrize("command", list(commands(typer.main.get_command(tree), "soar")))
def test_every_command_is_documented(command: str) -> None:
    assert command in pages(), f"neither README.md nor docs/ speaks of `{command}`"


@pytest.mark.parametrize(("connector", "action"), list(actions()))
def test_every_action_is_documented(connector: str, action: str) -> None:
    page = ROOT / "connectors" / connector / "README.md"
    assert page.exists(), f"{name(page.parent)} has no README.md"
    assert f"`{action}`" in page.read_text(), f"{name(page)} does not speak of `{action}`"


def test_every_decision_page_says_what_was_decided_and_why() -> None:
    for path in files("docs/decisions", suffixes=[".md"]):
        text = path.read_text()
        assert "**Decision.**" in text, name(path)
        assert "## Why" in text, name(path)
