"""The files of deploy/ as the tests read them: what they say, and nothing that runs them."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
COMPOSE = ROOT / "docker-compose.yml"
COMPOSE_SQLITE = ROOT / "docker-compose.sqlite.yml"
KUBERNETES = ROOT / "deploy" / "kubernetes"
IMAGE = f"soar:{tomllib.loads((ROOT / 'pyproject.toml').read_text())['project']['version']}"

Json = Mapping[str, Any]


@cache
def compose(path: Path) -> dict[str, Any]:
    """A compose file, its merges carried out; read once, and changed by nobody."""
    content: dict[str, Any] = yaml.safe_load(path.read_text())
    return content


def services(path: Path) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = compose(path)["services"]
    return found


def manifest_files() -> list[Path]:
    """Every file of objects; kustomization.yaml is none."""
    return [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"]


@cache
def manifests() -> tuple[dict[str, Any], ...]:
    """All objects of all files; read once, and changed by nobody."""
    return tuple(one for path in manifest_files() for one in yaml.safe_load_all(path.read_text()))


def objects(*kinds: str) -> Iterator[dict[str, Any]]:
    """The objects of these kinds, or all."""
    yield from (one for one in manifests() if not kinds or one["kind"] in kinds)


def named(kind: str, name: str) -> dict[str, Any]:
    [found] = [one for one in objects(kind) if one["metadata"]["name"] == name]
    return found


def deployments() -> dict[str, dict[str, Any]]:
    return {one["metadata"]["name"]: one for one in objects("Deployment")}


def pod(one: Json) -> dict[str, Any]:
    """The pod that a Deployment or a Job makes."""
    template: dict[str, Any] = one["spec"]["template"]
    return template


def container(one: Json) -> dict[str, Any]:
    [only] = pod(one)["spec"]["containers"]
    found: dict[str, Any] = only
    return found


def selects(selector: Json, labels: Mapping[str, str]) -> bool:
    """Whether a label selector, with the one operator that is used here, takes these labels."""
    wanted = selector.get("matchLabels", {}).items()
    for term in selector.get("matchExpressions", []):
        assert term["operator"] == "In"
        if labels.get(term["key"]) not in term["values"]:
            return False
    return all(labels.get(key) == value for key, value in wanted)


def soar_commands() -> dict[str, list[str]]:
    """By service, what each process of the engine is started with: the words after `soar`."""
    engine = {name: one["command"] for name, one in services(COMPOSE).items() if one["image"] == IMAGE}
    single = {f"sqlite/{name}": one["command"] for name, one in services(COMPOSE_SQLITE).items()}
    pods = {f"kubernetes/{one['metadata']['name']}": container(one)["args"] for one in objects("Deployment", "Job")}
    return engine | single | pods
