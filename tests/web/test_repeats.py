"""The cap on answers to the same thing, through the whole server (M02)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.web.serving import Served, served, until


def _ended(server: Served, execution: str) -> bool:
    return server.ask("GET", f"/executions/{execution}").json()["status"] == "succeeded"


def test_m02_a_webhook_that_comes_back_after_each_change_is_answered_so_often_and_no_more(tmp_path: Path) -> None:
    body: dict[str, Any] = {"rule_name": "Token replay", "user": "ana"}
    with served(tmp_path, more="execution: {repeats: 3, repeats_window: 1h}\n") as server:
        for number in range(3):
            (alert,) = server.deliver(body | {"id": f"m02-{number}"})
            (one,) = server.executions_of(alert["id"])
            until(lambda one=one: _ended(server, one["id"]), "it ended")
        assert server.runtime.processor._cap is not None
        server.runtime.processor._cap._read.clear()  # what was read of a playbook is good for a second
        (alert,) = server.deliver(body | {"id": "m02-last"})
        assert server.processed(alert["id"])["state"] == "unmatched"
        traces = {one["playbook_id"]: one["trace"] for one in server.get(f"/alerts/{alert['id']}/matches")["items"]}
        assert "held back: 3 executions" in traces["note"]["reason"]
        (other,) = server.deliver(body | {"id": "m02-other", "user": "ben"})
        assert len(server.executions_of(other["id"])) == 1
