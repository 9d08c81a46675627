"""deploy/kubernetes/: of the form that a cluster takes, under its restricted standard, and closed by default."""

from __future__ import annotations

import ipaddress
import re
import subprocess
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import yaml

from soar.rehearsal.programs import find_program
from tests.deploy.shipped import (
    IMAGE,
    KUBERNETES,
    container,
    deployments,
    manifest_files,
    named,
    objects,
    pod,
    selects,
)

VERSIONS = ("1.30", "1.37")
"""The oldest that has all that is used here (preStop: sleep), and the newest whose schemas come with the program."""
WORKLOADS = [pytest.param(one, id=one["metadata"]["name"]) for one in objects("Deployment", "Job")]
APART = {"secrets.example.yaml", "migrate.yaml"}
"""What is not applied together with the rest."""


def validate(version: str, *paths: Path) -> subprocess.CompletedProcess[str]:
    """Against Kubernetes' own schemas, unknown keys refused."""
    program = find_program("kubernetes-validate")
    assert program, "kubernetes-validate comes with requirements/dev.txt: make venv"
    command = [program, "--strict", "-k", version, *map(str, paths)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.mark.parametrize("version", VERSIONS)
def test_every_object_holds_against_the_schemas(version: str) -> None:
    done = validate(version, *manifest_files())
    assert done.returncode == 0, done.stdout + done.stderr
    assert (done.stdout + done.stderr).count(" passed ") == len(list(objects()))


def test_the_schemas_find_a_misspelt_key(tmp_path: Path) -> None:
    bent = tmp_path / "serve.yaml"
    bent.write_text((KUBERNETES / "serve.yaml").read_text().replace("readinessProbe:", "readynessProbe:"))
    assert validate(VERSIONS[0], bent).returncode == 1


def test_the_namespace_enforces_the_restricted_standard() -> None:
    assert named("Namespace", "soar")["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert {one["metadata"].get("namespace") for one in objects() if one["kind"] != "Namespace"} == {"soar"}


@pytest.mark.parametrize("one", WORKLOADS)
def test_every_pod_is_within_that_standard_and_read_only(one: dict[str, Any]) -> None:
    spec, only = pod(one)["spec"], container(one)
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 0
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC", "initContainers"} & spec.keys()
    assert all(not volume.keys() - {"name", "configMap", "projected", "emptyDir"} for volume in spec["volumes"])


@pytest.mark.parametrize("one", WORKLOADS)
def test_no_pod_can_speak_to_the_cluster(one: dict[str, Any]) -> None:
    assert pod(one)["spec"]["automountServiceAccountToken"] is False
    assert not list(objects("Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding"))


@pytest.mark.parametrize("one", WORKLOADS)
def test_every_container_is_bounded_and_its_image_is_this_version(one: dict[str, Any]) -> None:
    assert container(one)["image"] == IMAGE
    resources = container(one)["resources"]
    assert resources["limits"].keys() == resources["requests"].keys() == {"cpu", "memory"}
    [image] = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["images"]
    assert f"{image['name']}:{image['newTag']}" == IMAGE


@pytest.mark.parametrize("one", WORKLOADS)
def test_secrets_come_as_files_alone(one: dict[str, Any]) -> None:
    only = container(one)
    assert "envFrom" not in only
    assert all(variable.keys() == {"name", "value"} for variable in only["env"])
    [volume] = [volume for volume in pod(one)["spec"]["volumes"] if volume["name"] == "secrets"]
    assert volume["projected"]["defaultMode"] == 0o440
    assert all(source.keys() == {"secret"} for source in volume["projected"]["sources"])


@pytest.mark.parametrize("one", WORKLOADS)
def test_what_is_mounted_is_declared(one: dict[str, Any]) -> None:
    declared = {volume["name"]: volume for volume in pod(one)["spec"]["volumes"]}
    assert {mount["name"] for mount in container(one)["volumeMounts"]} == declared.keys()
    maps = {volume["configMap"]["name"] for volume in declared.values() if "configMap" in volume}
    assert maps <= {known["metadata"]["name"] for known in objects("ConfigMap")}
    secrets = {source["secret"]["name"] for source in declared["secrets"]["projected"]["sources"]}
    assert secrets <= {known["metadata"]["name"] for known in objects("Secret")}


@pytest.mark.parametrize("name", deployments())
def test_every_deployment_is_probed_and_has_time_to_end(name: str) -> None:
    one = deployments()[name]
    only, spec = container(one), pod(one)["spec"]
    paths = {probe: only[f"{probe}Probe"]["httpGet"] for probe in ("startup", "liveness", "readiness")}
    assert {probe: asked["path"] for probe, asked in paths.items()} == {
        "startup": "/healthz",
        "liveness": "/healthz",
        "readiness": "/readyz",
    }
    assert {asked["port"] for asked in paths.values()} == {only["ports"][0]["name"]}
    assert spec["terminationGracePeriodSeconds"] >= only["lifecycle"]["preStop"]["sleep"]["seconds"] + 30


@pytest.mark.parametrize("name", deployments())
def test_every_deployment_is_spread_rolled_and_protected_from_drains(name: str) -> None:
    one = deployments()[name]
    labels = pod(one)["metadata"]["labels"]
    assert selects(one["spec"]["selector"], labels)
    assert one["spec"]["strategy"]["rollingUpdate"] == {"maxUnavailable": 0, "maxSurge": 1}
    spread = pod(one)["spec"]["topologySpreadConstraints"]
    assert {each["topologyKey"] for each in spread} == {"topology.kubernetes.io/zone", "kubernetes.io/hostname"}
    assert all(selects(each["labelSelector"], labels) for each in spread)
    [budget] = [each for each in objects("PodDisruptionBudget") if selects(each["spec"]["selector"], labels)]
    assert budget["spec"]["maxUnavailable"] == 1
    assert one["spec"].get("replicas", scaler(name)["minReplicas"]) >= 2


def scaler(name: str) -> dict[str, Any]:
    found = [one["spec"] for one in objects("HorizontalPodAutoscaler") if one["spec"]["scaleTargetRef"]["name"] == name]
    return found[0] if found else {"minReplicas": 0}


@pytest.mark.parametrize("name", [name for name in deployments() if name.startswith("worker-")])
def test_workers_scale_on_what_waits_in_their_zone(name: str) -> None:
    zone = pod(deployments()[name])["metadata"]["labels"]["soar/zone"]
    [metric] = scaler(name)["metrics"]
    assert metric["external"]["metric"] == {"name": "soar_queue_depth", "selector": {"matchLabels": {"zone": zone}}}
    assert "replicas" not in deployments()[name]["spec"], "each apply would undo what the scaler set"
    arguments = container(deployments()[name])["args"]
    zones = [after for word, after in pairwise(arguments) if word == "--zone"]
    assert zones == ([] if zone == "default" else [zone])


def policies(labels: dict[str, str]) -> list[dict[str, Any]]:
    """The specs of the network policies that hold for a pod."""
    return [one["spec"] for one in objects("NetworkPolicy") if selects(one["spec"]["podSelector"], labels)]


def rules(labels: dict[str, str], way: str) -> Iterator[tuple[Any, set[int]]]:
    """Each way that is open: the other side, and the ports."""
    side = "to" if way == "egress" else "from"
    for policy in policies(labels):
        for rule in policy.get(way, []):
            for other in rule[side]:
                yield other, {port["port"] for port in rule["ports"]}


def test_nothing_is_open_by_default() -> None:
    assert named("NetworkPolicy", "nothing")["spec"] == {"podSelector": {}, "policyTypes": ["Ingress", "Egress"]}


def test_the_server_is_reached_on_its_port_alone_and_workers_by_the_monitoring_alone() -> None:
    for name, one in deployments().items():
        doors = {
            (other["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], *ports)
            for other, ports in rules(pod(one)["metadata"]["labels"], "ingress")
        }
        assert doors == {("monitoring", 8080)} | ({("ingress-nginx", 8080)} if name == "serve" else set())
        assert container(one)["ports"] == [{"name": "http", "containerPort": 8080}]
    [port] = named("Service", "soar")["spec"]["ports"]
    assert port["targetPort"] == "http"
    assert selects({"matchLabels": named("Service", "soar")["spec"]["selector"]}, pod_labels("serve"))


def pod_labels(name: str) -> dict[str, str]:
    labels: dict[str, str] = pod(deployments()[name])["metadata"]["labels"]
    return labels


def reached(labels: dict[str, str]) -> set[tuple[str, int]]:
    """The namespaces (or networks) a pod may open connections to, by port."""
    found = set()
    for other, ports in rules(labels, "egress"):
        where = other["ipBlock"]["cidr"] if "ipBlock" in other else next(iter(other["namespaceSelector"].values()))
        name = where if isinstance(where, str) else where["kubernetes.io/metadata.name"]
        found |= {(name, port) for port in ports}
    return found


def test_each_zone_reaches_the_database_and_its_own_systems_alone() -> None:
    always = {("kube-system", 53), ("database", 5432)}
    internet = {("0.0.0.0/0", 443), ("::/0", 443)}
    assert reached(pod_labels("worker-dmz")) == always | {("dmz", 9999)}
    assert reached(pod_labels("worker-default")) == reached(pod_labels("serve")) == always | internet
    [job] = objects("Job")
    assert reached(pod(job)["metadata"]["labels"]) == always


@pytest.mark.parametrize("address", ["169.254.169.254", "10.1.2.3", "172.20.0.1", "192.168.1.1", "fd00::1", "fe80::1"])
def test_the_default_zone_reaches_no_inner_address_and_no_cloud_metadata(address: str) -> None:
    given = ipaddress.ip_address(address)
    blocks = [other["ipBlock"] for other, _ in rules(pod_labels("worker-default"), "egress") if "ipBlock" in other]
    for block in blocks:
        inside = given in ipaddress.ip_network(block["cidr"])
        assert not inside or any(given in ipaddress.ip_network(each) for each in block["except"])


def test_no_secret_is_shipped_and_none_is_applied_with_the_rest() -> None:
    for one in objects("Secret"):
        assert set(one.get("stringData", {}).values()) <= {""}
        assert "data" not in one
    applied = set(yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text())["resources"])
    assert applied == {path.name for path in manifest_files()} - APART


def test_each_version_migrates_by_a_job_of_its_own_name() -> None:
    [job] = objects("Job")
    version = IMAGE.partition(":")[2]
    assert job["metadata"]["name"] == "soar-migrate-" + re.sub(r"[^a-z0-9]+", "-", version)
    assert container(job)["args"] == ["db", "upgrade"]
    assert pod(job)["spec"]["restartPolicy"] == "Never"
