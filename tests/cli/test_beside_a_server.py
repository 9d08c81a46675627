"""Commands beside a running server: on its database, effective within a second."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import aiohttp

from tests.acceptance.harness import Server, alert, calling, recording


async def test_s42_a_run_by_hand_is_left_to_the_running_server(tmp_path: Path) -> None:
    """S42: `soar run` leaves the work to the engine that holds the database, and watches."""
    async with recording() as target, aiohttp.ClientSession() as http:
        server = Server(tmp_path, target.url)
        try:
            (tmp_path / "playbooks" / "three-calls.yaml").write_text(calling("/first", "/second"))
            await server.start()
            await server.post(http, alert("beside"))
            await target.until_called("beside", "/second")
            (tmp_path / "alert.json").write_text(json.dumps(alert("by-hand")))
            out = await server.soar("run", "three-calls", "--alert", str(tmp_path / "alert.json"), "--json")
            assert json.loads(out)["status"] == "succeeded"
            assert len(target.of("by-hand", "/first")) == 1
            listed = json.loads(await server.soar("executions", "list", "--json"))["items"]
            assert [one["status"] for one in listed] == ["succeeded", "succeeded"]
        finally:
            await asyncio.to_thread(server.close)
