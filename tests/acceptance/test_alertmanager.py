"""A real Alertmanager sends to a real server: both alerts are responded to once, a resolve is on record and no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from soar.rehearsal.process import Part, free_port
from soar.rehearsal.programs import find_program
from tests.acceptance.harness import PATIENCE, Api, Recorder, Server, eventually

pytestmark = pytest.mark.parts

TOKEN = "alertmanager-t0ken-of-the-test"
CONFIG = """\
database: sqlite:///soar.db
listen: 127.0.0.1:{port}
playbooks: playbooks
sources:
  prometheus: {{kind: alertmanager, auth: {{scheme: bearer, secret: "env:PROMETHEUS_TOKEN"}}}}
connections:
  api: {{connector: http, settings: {{base_url: "{target}"}}}}
"""
PLAYBOOK = """\
id: token-failures
trigger:
  match:
    selection: {rule_name: TokenFailures, severity|gte: high}
steps:
  - id: block
    action: api.request
    with:
      method: POST
      path: /block
      json: {ref: "{{ alert.source_ref }}", ip: "{{ alert.src_ip }}", title: "{{ alert.title }}"}
"""
ADDRESSES = ("203.0.113.7", "2001:db8::7")


class Alertmanager(Part):
    """Sends each alert on its own to one webhook, soon, and again while it fires."""

    name = "alertmanager"

    def __init__(self, webhook: str) -> None:
        super().__init__()
        self._webhook = webhook
        self._port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    def prepare(self) -> None:
        self._port = free_port()
        receiver = {
            "url": self._webhook,
            "send_resolved": True,
            "http_config": {"authorization": {"type": "Bearer", "credentials": TOKEN}},
        }
        times = {"group_wait": "50ms", "group_interval": "200ms", "repeat_interval": "200ms"}
        configuration = {
            "route": {"receiver": "soar", "group_by": ["alertname"], **times},
            "receivers": [{"name": "soar", "webhook_configs": [receiver]}],
        }
        (self.folder / "alertmanager.yml").write_text(json.dumps(configuration))

    def command(self) -> Sequence[str]:
        return [
            find_program("prometheus-alertmanager") or "prometheus-alertmanager",
            f"--config.file={self.folder / 'alertmanager.yml'}",
            f"--storage.path={self.folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{self._port}",
            "--cluster.listen-address=",
        ]

    def answers(self) -> bool:
        return httpx.get(f"{self.base_url}/-/ready", timeout=2).status_code == 200

    def post(self, *alerts: Mapping[str, Any]) -> None:
        httpx.post(f"{self.base_url}/api/v2/alerts", json=alerts, timeout=10).raise_for_status()


class Deployment(Server):
    """A server whose one source is an Alertmanager."""

    def __init__(self, folder: Path, target: str) -> None:
        super().__init__(folder, target)
        self.configure(CONFIG.format(port=self.port, target=target))
        (folder / "playbooks" / "three-calls.yaml").unlink()
        self.playbook("token-failures", PLAYBOOK)

    @property
    def environment(self) -> dict[str, str]:
        return {"PROMETHEUS_TOKEN": TOKEN, "OTHER_TOKEN": "another-t0ken-of-the-test"}


@pytest.fixture
async def server(tmp_path: Path, target: Recorder) -> AsyncIterator[Deployment]:
    server = Deployment(tmp_path, target.url)
    yield server
    server.close()


@pytest.fixture
def alertmanager(server: Deployment) -> Iterator[Alertmanager]:
    if find_program("prometheus-alertmanager") is None:
        pytest.skip("prometheus-alertmanager is missing: apt install prometheus-alertmanager")
    with Alertmanager(f"{server.base}/webhooks/prometheus") as part:
        yield part


def firing(address: str) -> dict[str, Any]:
    return {
        "labels": {"alertname": "TokenFailures", "severity": "critical", "client_ip": address},
        "annotations": {"summary": f"Token failures from {address}"},
        "startsAt": datetime.now(UTC).isoformat(),
    }


async def settled(api: Api, status: str) -> dict[str, dict[str, Any]]:
    """The alerts of that status by address, once both are there and processed."""

    async def look() -> dict[str, dict[str, Any]] | None:
        found = [await api.get(f"/alerts/{item['id']}") for item in await api.all("/alerts")]
        wanted = [alert for alert in found if alert["status"] == status and alert["state"] != "received"]
        return {alert["src_ip"]: alert for alert in wanted} if len(wanted) >= 2 else None

    found: dict[str, dict[str, Any]] = await eventually(look, f"two alerts that are {status}")
    return found


async def repeated(api: Api) -> None:
    """Alertmanager has sent both firing alerts again."""

    async def look() -> bool | None:
        found = await settled(api, "firing")
        return True if all(alert["duplicates"] >= 1 for alert in found.values()) else None

    await eventually(look, "both alerts sent again")


async def test_two_alerts_are_responded_to_once_and_their_resolve_is_not(
    server: Deployment, alertmanager: Alertmanager, target: Recorder
) -> None:
    await server.start()
    given = [firing(address) for address in ADDRESSES]
    alertmanager.post(*given)
    await target.until(lambda: len(target.calls) >= 2, "a call for each alert")

    async with server.api() as api:
        alerts = await settled(api, "firing")
        for address, sent in zip(ADDRESSES, given, strict=True):
            _is_normalised(alerts[address], address, sent)
        await repeated(api)

        alertmanager.post(*[{**alert, "endsAt": datetime.now(UTC).isoformat()} for alert in given])
        resolved = await settled(api, "resolved")
        assert {alert["source_ref"] for alert in resolved.values()} == {a["source_ref"] for a in alerts.values()}
        executions = await api.ended(2)

    assert {execution["alert_id"] for execution in executions} == {alert["id"] for alert in alerts.values()}
    assert {execution["status"] for execution in executions} == {"succeeded"}
    assert {alert["state"] for alert in resolved.values()} == {"unmatched"}
    bodies = [call.body for call in target.calls]
    expected = [
        {"ref": alerts[address]["source_ref"], "ip": address, "title": f"Token failures from {address}"}
        for address in ADDRESSES
    ]
    assert sorted(bodies, key=str) == sorted(expected, key=str)
    assert server.end() == 0
    assert TOKEN not in (server.folder / "soar.log").read_text()


async def test_what_alertmanager_could_not_deliver_it_sends_again(
    server: Deployment, alertmanager: Alertmanager, target: Recorder
) -> None:
    """The server is down while alerts fire: they are responded to once it is back."""
    alertmanager.post(firing(ADDRESSES[0]))
    async with asyncio.timeout(PATIENCE):
        while "connection refused" not in alertmanager.log.read_text():
            await asyncio.sleep(0.05)
    await server.start()
    await target.until(lambda: len(target.calls) >= 1, "the call for the alert")
    async with server.api() as api:
        [execution] = await api.ended(1)
    assert (execution["status"], len(target.calls)) == ("succeeded", 1)


async def test_a_wrong_token_is_turned_away(server: Deployment, alertmanager: Alertmanager, target: Recorder) -> None:
    server.configure(server.config.replace("PROMETHEUS_TOKEN", "OTHER_TOKEN"))
    await server.start()
    alertmanager.post(firing(ADDRESSES[0]))
    async with asyncio.timeout(PATIENCE):
        while "status code 401" not in alertmanager.log.read_text():
            await asyncio.sleep(0.05)
    async with server.api() as api:
        assert await api.all("/alerts") == []
    assert target.calls == []


def _is_normalised(alert: dict[str, Any], address: str, sent: dict[str, Any]) -> None:
    assert alert["source"] == "prometheus"
    assert alert["rule_name"] == "TokenFailures"
    assert alert["title"] == f"Token failures from {address}"
    assert (alert["severity"], alert["severity_id"]) == ("critical", 5)
    assert datetime.fromisoformat(sent["startsAt"]) - datetime.fromisoformat(alert["occurred_at"]) < timedelta(
        milliseconds=1
    )
    assert {"type": "ip", "value": address, "role": "source"} in alert["observables"]
    assert alert["raw"]["fingerprint"] == alert["source_ref"]
