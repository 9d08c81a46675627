"""`soar slack manifest`: what Slack is told of the app, and no more than it needs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from connectors.slack.checkup import KNOWS_PEOPLE, POSTS
from soar.cli.app import main
from soar.web.interactions import PATH

Soar = Callable[..., tuple[int, str, str]]


@pytest.fixture
def soar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Soar:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("SOAR_CONFIG", raising=False)

    def run(*arguments: str) -> tuple[int, str, str]:
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main(("slack", "manifest", *arguments))
        said = capsys.readouterr()
        return int(ended.value.code or 0), said.out, said.err

    return run


def scopes(manifest: Any) -> Any:
    return manifest["oauth_config"]["scopes"]


def test_answers_are_sent_to_this_server_and_the_scopes_are_those_that_are_checked(soar: Soar) -> None:
    code, out, _ = soar("--url", "https://soar.example.com/")
    manifest = yaml.safe_load(out)
    assert code == 0
    assert manifest["settings"]["interactivity"] == {
        "is_enabled": True,
        "request_url": f"https://soar.example.com{PATH}",
    }
    assert manifest["settings"]["socket_mode_enabled"] is False
    assert scopes(manifest) == {"bot": [POSTS, KNOWS_PEOPLE]}


def test_with_socket_mode_no_address_is_needed(soar: Soar) -> None:
    code, out, _ = soar("--socket-mode", "--json", "--name", "SOAR of ACME")
    manifest = json.loads(out)
    assert code == 0
    assert manifest["settings"]["interactivity"] == {"is_enabled": True}
    assert manifest["settings"]["socket_mode_enabled"] is True
    assert manifest["features"]["bot_user"]["display_name"] == "SOAR of ACME"


def test_the_address_in_soar_yaml_is_taken_where_none_is_given(soar: Soar, tmp_path: Path) -> None:
    (tmp_path / "soar.yaml").write_text("public_url: https://soar.example.com\n")
    assert f"request_url: https://soar.example.com{PATH}\n" in soar()[1]
    assert f"request_url: https://other.example.com{PATH}\n" in soar("--url", "https://other.example.com")[1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "set `public_url` in soar.yaml, or use --socket-mode"),
        (("--url", "http://soar.example.com"), "https addresses only"),
        (("--url", "https://soar.example.com", "--socket-mode"), "leave one of them out"),
        (("--socket-mode", "--name", "x" * 36), "1 to 35 characters"),
        (("--config", "nowhere.yaml"), "nowhere.yaml"),
    ],
)
def test_what_cannot_be_meant_is_said(soar: Soar, arguments: tuple[str, ...], said: str) -> None:
    code, out, err = soar(*arguments)
    assert (code, out) == (2, "")
    assert said in err
