"""docker-compose*.yml: of the form that compose takes, and hardened in every service."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from soar.rehearsal.programs import find_program
from tests.deploy.shipped import COMPOSE, COMPOSE_SQLITE, IMAGE, ROOT, compose, services

FILES = (COMPOSE, COMPOSE_SQLITE)
SERVICES = [pytest.param(path, name, id=f"{path.stem}-{name}") for path in FILES for name in services(path)]
ENDS = {"migrate"}
"""What does its work and ends: it needs no health check."""


def validate(path: Path) -> subprocess.CompletedProcess[str]:
    """Against the compose specification's own schema, which comes with the program."""
    program = find_program("check-jsonschema")
    assert program, "check-jsonschema comes with requirements/dev.txt: make venv"
    command = [program, "--builtin-schema", "vendor.compose-spec", str(path)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_it_holds_against_the_compose_specification(path: Path) -> None:
    done = validate(path)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_schema_finds_a_misspelt_key(tmp_path: Path) -> None:
    bent = tmp_path / "docker-compose.yml"
    bent.write_text(COMPOSE.read_text().replace("read_only: true", "readonly: true"))
    done = validate(bent)
    assert done.returncode == 1
    assert "readonly" in done.stdout


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_every_service_is_hardened(path: Path, name: str) -> None:
    service = services(path)[name]
    user, _, group = service["user"].partition(":")
    assert user.isdecimal() and int(user) > 0, "not root, and a number, so that nobody has to look it up"
    assert group.isdecimal() and int(group) > 0
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert not {"privileged", "cap_add", "pid", "ipc", "network_mode", "devices", "userns_mode"} & service.keys()
    assert not any("docker.sock" in str(volume) for volume in service.get("volumes", []))


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_every_service_is_bounded_and_ends_in_order(path: Path, name: str) -> None:
    service = services(path)[name]
    assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory", "pids"}
    assert service["stop_grace_period"]
    assert service["restart"] == ("no" if name in ENDS else "unless-stopped")


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_what_runs_on_has_a_health_check(path: Path, name: str) -> None:
    check = services(path)[name]["healthcheck"]
    assert check.get("disable", False) == (name in ENDS)
    assert name in ENDS or check["test"][0] == "CMD"


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_every_image_is_pinned(path: Path, name: str) -> None:
    image, _, tag = services(path)[name]["image"].partition(":")
    assert re.match(r"v?\d", tag), f"{image} needs the version it was written for"
    assert image != "soar" or f"{image}:{tag}" == IMAGE


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_secrets_come_as_files_alone(path: Path, name: str) -> None:
    service, known = services(path)[name], compose(path)["secrets"]
    assert not {"env_file"} & service.keys()
    telling = {key for key in service.get("environment", {}) if re.search(r"PASS|TOKEN|SECRET|KEY", key)}
    for key in telling:
        value = service["environment"][key]
        assert key.endswith("_FILE") and value.removeprefix("/run/secrets/") in service["secrets"], key
    assert set(service.get("secrets", [])) <= known.keys()
    assert all(secret["file"].startswith("./deploy/secrets/") for secret in known.values())
    assert "/deploy/secrets/" in (ROOT / ".gitignore").read_text().splitlines()


@pytest.mark.parametrize(("path", "name"), SERVICES)
def test_ports_are_open_to_this_machine_alone(path: Path, name: str) -> None:
    for port in services(path)[name].get("ports", []):
        assert port.startswith("127.0.0.1:"), "TLS and a door to the world belong in front of it"


def mounted(path: Path) -> Iterator[str]:
    for service in services(path).values():
        for volume in service.get("volumes", []):
            if isinstance(volume, str) and volume.startswith("./"):
                yield volume


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_what_is_mounted_is_there_and_only_read(path: Path) -> None:
    found = list(mounted(path))
    assert found
    for volume in found:
        source, _, mode = volume.partition(":")
        assert (ROOT / source).exists(), volume
        assert mode.endswith(":ro"), volume


def test_the_database_is_reached_by_the_engine_alone() -> None:
    inside = {name for name, service in services(COMPOSE).items() if "database" in service["networks"]}
    assert inside == {"postgres", "migrate", "serve", "worker-default", "worker-dmz"}
    assert compose(COMPOSE)["networks"]["database"] == {"internal": True}
    assert "ports" not in services(COMPOSE)["postgres"]


def test_the_worker_of_a_zone_has_no_way_out_and_the_socket_to_itself() -> None:
    all_services = services(COMPOSE)
    assert all_services["worker-dmz"]["networks"] == ["database"]
    sharing = {name for name, service in all_services.items() if "gateway-socket" in str(service.get("volumes"))}
    assert sharing == {"gateway", "worker-dmz"}
    made_for = compose(COMPOSE)["volumes"]["gateway-socket"]["driver_opts"]["o"]
    user, group = all_services["gateway"]["user"].split(":")
    assert f"uid={user},gid={group},mode=0750" in made_for
    assert all_services["worker-dmz"]["user"].endswith(f":{group}")


def test_one_process_migrates_before_the_others_start() -> None:
    all_services = services(COMPOSE)
    assert all_services["migrate"]["command"] == ["db", "upgrade"]
    assert all_services["migrate"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    for name in ("serve", "worker-default", "worker-dmz"):
        needs: dict[str, Any] = all_services[name]["depends_on"]
        assert needs["migrate"] == {"condition": "service_completed_successfully"}, name
        assert needs["postgres"] == {"condition": "service_healthy"}, name
