"""The API gateway of the range: Caddy with two routes of the engine's own, and an upstream behind them."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import httpx

from soar.rehearsal.process import Part, free_port
from soar.rehearsal.programs import find_program

PLACEHOLDER_RANGE = "192.0.2.255/32"
PLACEHOLDER_CLIENT = "soar-nobody"


class Gateway(Part):
    """Refuses with 403 what stands in the routes `soar-block` and `soar-quarantine`; passes the rest on."""

    name = "gateway"

    def __init__(self, folder: Path | None = None, upstream: str | None = None) -> None:
        super().__init__(folder)
        self._upstream = upstream
        self._port = self._admin_port = 0

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def admin_url(self) -> str:
        return f"http://127.0.0.1:{self._admin_port}"

    def prepare(self) -> None:
        self._port, self._admin_port = free_port(), free_port()
        (self.folder / "caddy.json").write_text(json.dumps(self._configuration()))

    def command(self) -> Sequence[str]:
        return [find_program("caddy") or "caddy", "run", "--config", str(self.folder / "caddy.json")]

    def environment(self) -> Mapping[str, str]:
        return {"GOMAXPROCS": "2"}

    def answers(self) -> bool:
        """The routes are there, and a request comes through to the upstream."""
        routes = httpx.get(f"{self.admin_url}/id/soar-block/match", timeout=2)
        return routes.status_code == 200 and self.request("/health", timeout=2).status_code < 500

    def request(
        self,
        path: str,
        *,
        client_ip: str = "198.51.100.1",
        headers: Mapping[str, str] | None = None,
        timeout: float = 5,
    ) -> httpx.Response:
        """One request as the load balancer in front would pass it on for that client address."""
        forwarded = {"X-Forwarded-For": client_ip, **(headers or {})}
        return httpx.get(f"{self.base_url}{path}", headers=forwarded, timeout=timeout)

    def blocked_ranges(self) -> list[str]:
        """What the deny route holds now, beside its placeholder."""
        matchers = httpx.get(f"{self.admin_url}/id/soar-block/match", timeout=5).raise_for_status().json()
        ranges = [entry for matcher in matchers for entry in matcher["client_ip"]["ranges"]]
        return [entry for entry in ranges if entry != PLACEHOLDER_RANGE]

    def _configuration(self) -> dict[str, Any]:
        server = {
            "listen": [f"127.0.0.1:{self._port}"],
            "automatic_https": {"disable": True},
            "protocols": ["h1"],
            "trusted_proxies": {"source": "static", "ranges": ["127.0.0.1/32"]},
            "routes": [
                _deny("soar-block", {"client_ip": {"ranges": [PLACEHOLDER_RANGE]}}),
                _deny("soar-quarantine", {"header": {"X-Api-Key": [PLACEHOLDER_CLIENT]}}),
                {"handle": [self._behind()]},
            ],
        }
        return {
            "admin": {"listen": f"127.0.0.1:{self._admin_port}", "config": {"persist": False}},
            "logging": {"logs": {"default": {"level": "ERROR"}}},
            "apps": {"http": {"grace_period": "1s", "servers": {"api": server}}},
        }

    def _behind(self) -> dict[str, Any]:
        if self._upstream is None:
            return {"handler": "static_response", "status_code": 200, "body": "passed"}
        request_headers = {"set": {"X-Client-Ip": ["{http.vars.client_ip}"], "X-Request-Id": ["{http.request.uuid}"]}}
        dial = self._upstream.removeprefix("http://")
        return {"handler": "reverse_proxy", "upstreams": [{"dial": dial}], "headers": {"request": request_headers}}


def _deny(name: str, matcher: dict[str, Any]) -> dict[str, Any]:
    refusal = {"handler": "static_response", "status_code": 403, "body": "refused by the gateway"}
    return {"@id": name, "match": [matcher], "handle": [refusal], "terminal": True}
