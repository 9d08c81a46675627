"""What docs/slack.md shows holds: its configuration, its playbook, its commands, and the scopes it speaks of."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from connectors.slack.checkup import KNOWS_PEOPLE, POSTS
from connectors.slack.client import _REMEDIES
from connectors.slack.connector import SlackSettings
from soar.cli.app import main

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "slack.md").read_text("utf-8")
README = (ROOT / "connectors" / "slack" / "README.md").read_text("utf-8")
CONFIG, PLAYBOOK = re.findall(r"^```yaml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def run(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    return int(ended.value.code or 0)


@pytest.mark.parametrize("http", [False, True])
def test_the_set_up_of_the_page_holds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], http: bool
) -> None:
    """As it stands for Socket Mode, and for HTTP with the changes that the page names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOAR_CONFIG", raising=False)
    config = CONFIG.replace("socket_mode: true, ", "").replace("app_token: ", "signing_secret: ") if http else CONFIG
    (tmp_path / "soar.yaml").write_text(config)
    (tmp_path / "playbooks").mkdir()
    (tmp_path / "playbooks" / "ask.yaml").write_text(PLAYBOOK)
    assert run("check") == 0
    assert "0 errors, 0 warnings, 1 playbooks hold" in capsys.readouterr().out


def test_the_commands_of_the_page_are_there(capsys: pytest.CaptureFixture[str]) -> None:
    for command in re.findall(r"^\$ soar (slack .*)$", PAGE, re.MULTILINE):
        assert run(*command.split()) == 0
        assert capsys.readouterr().out


@pytest.mark.parametrize("scope", [POSTS, KNOWS_PEOPLE, "connections:write"])
def test_every_scope_is_explained(scope: str) -> None:
    assert f"| `{scope}` |" in PAGE
    assert f"`{scope}`" in README


@pytest.mark.parametrize("name", SlackSettings.model_fields)
def test_every_setting_stands_in_the_connectors_own_page(name: str) -> None:
    said = SlackSettings.model_json_schema()["properties"][name]["description"].replace("\n", " ")
    assert f"| `{name}` | {said} |" in README


@pytest.mark.parametrize("word", ["not_in_channel", "channel_not_found", "invalid_auth", "not_allowed_token_type"])
def test_what_slack_answers_at_first_stands_among_the_troubles(word: str) -> None:
    assert word in _REMEDIES
    assert f"`{word}`" in PAGE
