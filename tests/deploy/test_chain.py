"""What docker-compose.yml puts together, as plain processes: a real Alertmanager, the database, the server and the
workers by their entrypoint and commands, a real HAProxy, each with the very configuration that is shipped. Places that
only a container has are moved, nothing else.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
import pytest

from bench import postgres
from soar.rehearsal.process import Part, free_port
from soar.rehearsal.programs import find_program
from tests.connectors.haproxy_part import needs_haproxy
from tests.deploy.shipped import COMPOSE, ROOT, services

pytestmark = pytest.mark.parts

TOKEN = "alertmanager-t0ken-of-the-chain"
ATTACKER = "203.0.113.7"
PATIENCE = 30.0


class Gateway(Part):
    """HAProxy with the shipped haproxy.cfg and maps."""

    name = "haproxy"

    def prepare(self) -> None:
        self.port, self.health_port = free_port(), free_port()
        text = (ROOT / "deploy/compose/haproxy/haproxy.cfg").read_text()
        for place, moved in {
            "/etc/haproxy/maps": str(self.folder),
            "/run/haproxy": str(self.folder),
            "bind :8000": f"bind 127.0.0.1:{self.port}",
            "127.0.0.1:8405": f"127.0.0.1:{self.health_port}",
        }.items():
            assert place in text
            text = text.replace(place, moved)
        (self.folder / "haproxy.cfg").write_text(text)
        for each in (ROOT / "deploy/compose/haproxy/maps").iterdir():
            (self.folder / each.name).write_text(each.read_text())

    def command(self) -> Sequence[str]:
        return [find_program("haproxy") or "/usr/sbin/haproxy", "-W", "-db", "-f", str(self.folder / "haproxy.cfg")]

    def answers(self) -> bool:
        return self.status("198.51.100.1") == 200

    def status(self, address: str) -> int:
        headers = {"X-Forwarded-For": address}
        return httpx.get(f"http://127.0.0.1:{self.port}/", headers=headers, timeout=5).status_code


class Process(Part):
    """A service of the image, as it is started there, with the shipped soar.yaml and playbooks."""

    service = ""

    def __init__(self, folder: Path, gateway: Gateway, database: str) -> None:
        self.name = f"soar-{self.service}"
        super().__init__(folder)
        self._gateway = gateway
        self._database = database

    def prepare(self) -> None:
        self.port = free_port()

    def command(self) -> Sequence[str]:
        given = services(COMPOSE)[self.service]["command"]
        return [str(ROOT / "deploy/entrypoint.sh"), *(word.replace("0.0.0.0:8080", self.listen) for word in given)]

    @property
    def listen(self) -> str:
        return f"127.0.0.1:{self.port}"

    def environment(self) -> Mapping[str, str]:
        """Of secrets, none: those who need one are given it."""
        maps, settings = self._gateway.folder, "SOAR_CONNECTIONS__GATEWAY__SETTINGS__"
        return {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "SOAR_CONFIG": str(ROOT / "deploy/compose/soar/soar.yaml"),
            "SOAR_LISTEN": self.listen,
            "SOAR_DATABASE": self._database,
            f"{settings}SOCKET": str(maps / "admin.sock"),
            f"{settings}IP_MAP": str(maps / "soar-ips.map"),
            f"{settings}CLIENT_MAP": str(maps / "soar-clients.map"),
        }

    def answers(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200


class WorkerDefault(Process):
    service = "worker-default"


class WorkerDmz(Process):
    service = "worker-dmz"


class Engine(Process):
    """`soar serve`, after the migration."""

    service = "serve"

    def prepare(self) -> None:
        super().prepare()
        (self.folder / "token").write_text(TOKEN + "\n")
        migrate = [str(ROOT / "deploy/entrypoint.sh"), *services(COMPOSE)["migrate"]["command"]]
        subprocess.run(migrate, env=dict(super().environment()), timeout=60, check=True, capture_output=True)

    def environment(self) -> Mapping[str, str]:
        secret = f"file:{self.folder / 'token'}"
        return {**super().environment(), "SOAR_SOURCES__ALERTMANAGER__AUTH__SECRET": secret}

    def answers(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/readyz", timeout=2).status_code == 200

    def soar(self, *arguments: str) -> str:
        environment = {**os.environ, **self.environment()}
        program = str(Path(sys.executable).with_name("soar"))
        done = subprocess.run(
            [program, *arguments], env=environment, capture_output=True, text=True, timeout=60, check=True
        )
        return done.stdout

    def zones(self) -> list[dict[str, object]]:
        token = json.loads(self.soar("token", "create", "--role", "viewer", "--json"))["token"]
        headers = {"Authorization": f"Bearer {token}"}
        found = httpx.get(f"http://127.0.0.1:{self.port}/api/v1/zones", headers=headers, timeout=5)
        return list(found.json()["items"])

    def held(self) -> str:
        """The id of the one containment, once its making is on record."""
        deadline = time.monotonic() + PATIENCE
        while True:
            [found] = json.loads(self.soar("containments", "list", "--json"))["items"]
            if found["status"] == "held":
                return str(found["id"])
            assert time.monotonic() < deadline, found


class Sender(Part):
    """Alertmanager with the shipped alertmanager.yml."""

    name = "alertmanager"

    def __init__(self, folder: Path, engine: Engine) -> None:
        super().__init__(folder)
        self._engine = engine

    def prepare(self) -> None:
        self.port = free_port()
        text = (ROOT / "deploy/compose/alertmanager/alertmanager.yml").read_text()
        for place, moved in {
            "http://serve:8080": f"http://127.0.0.1:{self._engine.port}",
            "/run/secrets/alertmanager_token": str(self._engine.folder / "token"),
        }.items():
            assert place in text
            text = text.replace(place, moved)
        (self.folder / "alertmanager.yml").write_text(text)

    def command(self) -> Sequence[str]:
        moved = {
            "--config.file": self.folder / "alertmanager.yml",
            "--storage.path": self.folder / "data",
        }
        given = [word.partition("=") for word in services(COMPOSE)["alertmanager"]["command"]]
        words = [f"{name}={moved.get(name, value)}" for name, _, value in given]
        program = find_program("prometheus-alertmanager") or "prometheus-alertmanager"
        return [program, *words, f"--web.listen-address=127.0.0.1:{self.port}"]

    def answers(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self.port}/-/ready", timeout=2).status_code == 200

    def tell(self, address: str) -> None:
        alert = {
            "labels": {"alertname": "TokenFailures", "severity": "critical", "client_ip": address},
            "annotations": {"summary": f"Token failures from {address}"},
        }
        httpx.post(f"http://127.0.0.1:{self.port}/api/v2/alerts", json=[alert], timeout=10).raise_for_status()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("chain")


@pytest.fixture(scope="module")
def gateway(folder: Path) -> Iterator[Gateway]:
    needs_haproxy()
    with Gateway(folder) as part:
        yield part


@pytest.fixture(scope="module")
def engine(folder: Path, gateway: Gateway, postgres_server: postgres.Server) -> Iterator[Engine]:
    """The server and both workers, on a database of their own."""
    database = postgres_server.create()
    parts = gateway, database
    with Engine(folder, *parts) as part, WorkerDefault(folder, *parts), WorkerDmz(folder, *parts):
        yield part


@pytest.fixture(scope="module")
def sender(folder: Path, engine: Engine) -> Iterator[Sender]:
    if find_program("prometheus-alertmanager") is None:
        pytest.skip("prometheus-alertmanager is missing: apt install prometheus-alertmanager")
    with Sender(folder, engine) as part:
        yield part


def until_status(gateway: Gateway, wanted: int) -> None:
    deadline = time.monotonic() + PATIENCE
    while gateway.status(ATTACKER) != wanted:
        assert time.monotonic() < deadline, f"the gateway never answered {wanted}"
        time.sleep(0.1)


def test_the_gateway_s_health_check_tells_a_gateway_from_none(gateway: Gateway) -> None:
    check = services(COMPOSE)["gateway"]["healthcheck"]["test"][1:]
    command = [word.replace("$$", "$").replace("8405", str(gateway.health_port)) for word in check]
    assert subprocess.run(command, timeout=10, check=False).returncode == 0
    elsewhere = [word.replace(str(gateway.health_port), str(free_port())) for word in command]
    assert subprocess.run(elsewhere, timeout=10, check=False, stderr=subprocess.DEVNULL).returncode != 0


def test_an_alert_turns_the_address_away_and_a_lift_lets_it_in(
    gateway: Gateway, engine: Engine, sender: Sender
) -> None:
    assert gateway.status(ATTACKER) == 200
    sender.tell(ATTACKER)
    until_status(gateway, 403)
    assert gateway.status("203.0.113.8") == 200, "nobody else is turned away"

    [zone] = [one for one in engine.zones() if one["name"] == "dmz"]
    assert zone["workers"] == 1
    engine.soar("lift", engine.held(), "--reason", "the test has seen it")
    until_status(gateway, 200)
    assert TOKEN not in engine.log.read_text()
