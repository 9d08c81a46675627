"""The settings and playbooks that deploy/ ships: they load, hold, and ask each process for its own secrets only."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import pairwise, takewhile
from pathlib import Path
from typing import Any

import pytest
import yaml

from soar.cli.app import main
from soar.config import Settings, load_settings
from tests.deploy.shipped import (
    COMPOSE,
    COMPOSE_SQLITE,
    ROOT,
    container,
    deployments,
    named,
    pod,
    services,
    soar_commands,
)

SCALED, SINGLE, CLUSTER = "compose", "sqlite", "kubernetes"
MOUNTS = container(deployments()["serve"])["volumeMounts"]


@pytest.fixture(params=[SCALED, SINGLE, CLUSTER])
def kind(request: pytest.FixtureRequest) -> str:
    given: str = request.param
    return given


@pytest.fixture
def settings_file(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The `soar.yaml` as its processes find it."""
    if kind == CLUSTER:
        config, playbooks = tmp_path / "config", tmp_path / "playbooks"
        mount("soar-config", config)
        mount("soar-playbooks", playbooks)
        text = (config / "soar.yaml").read_text()
        [setting] = re.findall(r"^playbooks: (.*)$", text, re.MULTILINE)
        [folder] = [each["mountPath"] for each in MOUNTS if each["name"] == "playbooks"]
        monkeypatch.setenv("SOAR_PLAYBOOKS", setting.replace(folder, str(playbooks)))
        return config / "soar.yaml"
    path, service = (COMPOSE, "serve") if kind == SCALED else (COMPOSE_SQLITE, "soar")
    [folder] = [each.partition(":")[0] for each in services(path)[service]["volumes"] if ":/etc/soar:" in each]
    return ROOT / folder / "soar.yaml"


def mount(config_map: str, folder: Path) -> None:
    """Lay a ConfigMap's files out as a node does: in a hidden folder, and a link to each beside it."""
    hidden = folder / "..2026_01_01"
    hidden.mkdir(parents=True)
    (folder / "..data").symlink_to(hidden.name)
    for name, text in named("ConfigMap", config_map)["data"].items():
        (hidden / name).write_text(text)
        (folder / name).symlink_to(f"..data/{name}")


def soar(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_soar_check_finds_nothing_wrong(settings_file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code = soar("check", "--config", str(settings_file))
    assert (code, "0 errors, 0 warnings" in capsys.readouterr().out) == (0, True)


def test_the_playbooks_pass_their_tests(settings_file: Path, kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    if kind == SCALED:
        assert soar("test", "--config", str(settings_file)) == 0
        assert "2 passed" in capsys.readouterr().out


def test_the_scaled_ones_are_on_postgres_without_a_password_in_the_address(settings_file: Path, kind: str) -> None:
    database = load_settings(settings_file).database
    if kind == SINGLE:
        assert database == "sqlite:////data/soar.db"
    else:
        assert re.fullmatch(r"postgresql://soar@[\w.]+/soar", database)


def references(settings: Settings) -> Iterator[tuple[str, str]]:
    """Each secret's reference, with the part of the deployment that needs it: `sources`, or the zone."""
    for source in settings.sources.values():
        yield from (("sources", secret) for secret in source.auth.secret)
    for connection in settings.connections.values():
        yield from ((connection.zone or "default", secret) for secret in connection.secrets.values())


def held(kind: str) -> dict[str, set[str]]:
    """By process of the engine, the paths of its secrets, the database's left out."""
    if kind == CLUSTER:
        return {name: mounted_secrets(one) for name, one in deployments().items()}
    found = services(COMPOSE if kind == SCALED else COMPOSE_SQLITE)
    engine = {name: one for name, one in found.items() if one["image"].startswith("soar:") and name != "migrate"}
    return {name: {f"/run/secrets/{each}" for each in one["secrets"]} - DATABASE for name, one in engine.items()}


DATABASE = {"/run/secrets/postgres_password"}


def mounted_secrets(one: dict[str, Any]) -> set[str]:
    [volume] = [volume for volume in pod(one)["spec"]["volumes"] if volume["name"] == "secrets"]
    [folder] = [mount["mountPath"] for mount in container(one)["volumeMounts"] if mount["name"] == "secrets"]
    names = {source["secret"]["name"] for source in volume["projected"]["sources"]} - {"soar-database"}
    return {f"{folder}/{key}" for name in names for key in named("Secret", name)["stringData"]}


def test_each_process_holds_the_secrets_of_its_zone_and_no_others(settings_file: Path, kind: str) -> None:
    needed: dict[str, set[str]] = {}
    for part, reference in references(load_settings(settings_file)):
        assert reference.startswith("file:"), "a file is seen by one process, the environment by all of its children"
        needed.setdefault(part, set()).add(reference.removeprefix("file:"))
    for name, paths in held(kind).items():
        parts = {"serve": ["sources", "default"], "soar": [*needed]}.get(name, [name.removeprefix("worker-")])
        assert paths == set().union(*(needed.get(part, set()) for part in parts)), name


def test_every_zone_has_a_worker(settings_file: Path, kind: str) -> None:
    zones = {connection.zone for connection in load_settings(settings_file).connections.values()} - {None}
    commands = [command for name, command in soar_commands().items() if belongs(name, kind)]
    started = {after for command in commands for word, after in pairwise(command) if word == "--zone"}
    assert started == (set() if kind == SINGLE else zones)


def belongs(name: str, kind: str) -> bool:
    return name.startswith(f"{kind}/") or (kind == SCALED and "/" not in name)


def test_the_sender_and_the_database_read_the_secrets_that_the_engine_reads() -> None:
    found = services(COMPOSE)
    assert "alertmanager_token" in found["alertmanager"]["secrets"]
    receiver = yaml.safe_load((ROOT / "deploy/compose/alertmanager/alertmanager.yml").read_text())["receivers"][0]
    [webhook] = receiver["webhook_configs"]
    assert webhook["http_config"]["authorization"]["credentials_file"] == "/run/secrets/alertmanager_token"
    source = webhook["url"].removeprefix("http://serve:8080/webhooks/")
    assert source in yaml.safe_load((ROOT / "deploy/compose/soar/soar.yaml").read_text())["sources"]
    variable = "POSTGRES_PASSWORD_FILE"
    assert found["postgres"]["environment"][variable] == found["serve"]["environment"][variable]


@pytest.mark.parametrize("command", [pytest.param(words, id=name) for name, words in soar_commands().items()])
def test_every_process_is_started_with_a_command_that_there_is(
    command: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    """An option that is not known is an error also where help is asked for."""
    assert soar(*command, "--help") == 0
    words = list(takewhile(lambda word: not word.startswith("-"), command))
    assert f"Usage: soar {' '.join(words)} " in capsys.readouterr().out
