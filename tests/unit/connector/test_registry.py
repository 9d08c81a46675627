from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from soar.connector.registry import ConnectorRegistry
from soar.errors import ConnectorDefinitionError, NotFound
from tests.unit.connector.gateway import Gateway

OWN = """
    from soar.sdk import Call, Connector, Health, Params, Result, action

    class Hello(Params):
        who: str
        \"\"\"Whom to greet.\"\"\"

    class Greeting(Result):
        text: str
        \"\"\"The greeting.\"\"\"

    class Own(Connector):
        \"\"\"Greets.\"\"\"
        name = "{name}"

        @action(changes=False)
        async def greet(self, params: Hello, call: Call) -> Greeting:
            \"\"\"Greet somebody.\"\"\"
            return Greeting(text=f"Hello {{params.who}}")

        async def health(self) -> Health:
            return Health(ok=True)
"""


def write(folder: Path, name: str, text: str) -> Path:
    file = folder / name / "connector.py"
    file.parent.mkdir(parents=True)
    file.write_text(textwrap.dedent(text))
    return file


def test_the_shipped_connectors_are_there_and_load(tmp_path: Path) -> None:
    registry = ConnectorRegistry.load([tmp_path / "absent", tmp_path])  # a missing or empty folder is no error
    assert "http" in registry.names
    assert registry.check() == []


def test_a_connector_of_the_users_own(tmp_path: Path) -> None:
    write(tmp_path, "own", OWN.format(name="own"))
    (tmp_path / "own" / "README.md").write_text("# own")
    registry = ConnectorRegistry.load([tmp_path])
    assert "own" in registry.names
    described = registry.describe("own")
    assert described.summary == "Greets."
    assert [action.name for action in described.actions] == ["greet"]
    assert described.actions[0].params["properties"]["who"]["description"] == "Whom to greet."
    assert described.readme == str(tmp_path / "own" / "README.md")


def test_a_description_of_the_http_connector() -> None:
    described = ConnectorRegistry.load().describe("http")
    assert {action.name: action.changes for action in described.actions} == {"get": False, "request": True}
    assert described.actions[1].idempotent is None  # hangs on the setting `idempotency`
    assert {"base_url", "idempotency"} <= set(described.settings["properties"])
    assert "json" in described.actions[1].params["properties"]
    assert "token" in described.optional_secrets


def test_a_name_given_twice_names_both_files(tmp_path: Path) -> None:
    file = write(tmp_path, "http", OWN.format(name="http"))
    with pytest.raises(ConnectorDefinitionError) as caught:
        ConnectorRegistry.load([tmp_path])
    assert str(file) in str(caught.value)
    assert str(Path("connectors/http/connector.py")) in str(caught.value)


def test_the_shipped_folder_given_as_the_users_own_is_no_duplicate() -> None:
    shipped = Path(ConnectorRegistry.load().describe("http").file).parent.parent
    assert ConnectorRegistry.load([shipped]).names == ConnectorRegistry.load().names


def test_an_unknown_name_offers_the_near_one() -> None:
    with pytest.raises(NotFound, match="did you mean 'http'"):
        ConnectorRegistry.load().definition("htpp")
    with pytest.raises(NotFound, match="there are gateway"):
        ConnectorRegistry.of(Gateway).definition("unlike")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("import soar.sdk\nx = 1 / 0\n", 2, "ZeroDivisionError"),
        ("import soar.sdk\n\ndef broken(:\n", 3, "SyntaxError"),
        ("import no_such_package\n", 1, "no_such_package"),
        ("x = 1\n", 1, "no class of Connector"),
        (OWN.format(name="other"), 1, "its name is 'other'"),
    ],
)
def test_a_connector_that_does_not_load_says_where(tmp_path: Path, text: str, line: int, says: str) -> None:
    file = write(tmp_path, "own", text)
    registry = ConnectorRegistry.load([tmp_path])
    with pytest.raises(ConnectorDefinitionError, match=says) as caught:
        registry.definition("own")
    assert str(caught.value).startswith(f"{file}:{line}:1: ")
    assert len(registry.check()) == 1  # the others are not affected
