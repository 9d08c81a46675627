"""Secrets go to connectors only: not to the API, the log, metrics, errors or the database."""

from __future__ import annotations

import base64
import io
import json
import logging
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from soar.connector.masking import MASK
from tests.web.deployment import SECRETS
from tests.web.serving import Served

PATH_TOKEN = SECRETS["path"]
FORMS = [
    form
    for secret in SECRETS.values()
    for form in (
        secret,
        quote(secret, safe=""),
        base64.b64encode(secret.encode()).decode().rstrip("="),
        repr(secret)[1:-1],
    )
]


def hidden(text: str | bytes) -> None:
    """No secret of the installation in it, in any spelling."""
    shown = text.decode("utf-8", "replace") if isinstance(text, bytes) else text
    for form in FORMS:
        assert form not in shown, shown[max(0, shown.find(form) - 100) :][:200]


@pytest.fixture(scope="module")
def executions(server: Served) -> list[dict[str, Any]]:
    """One whose answer says back every header it was sent, and one whose error does."""
    found = []
    for number, rule in enumerate(["Token replay", "Refuse it"]):
        say = f"the key is {SECRETS['api']}"
        (kept,) = server.deliver({"id": f"secret-{number}", "rule_name": rule, "title": say, "say": say})
        found += server.executions_of(kept["id"])
    assert [one["status"] for one in found] == ["succeeded", "failed"]
    return found


def test_the_connection_s_secret_is_really_sent(server: Served, executions: list[dict[str, Any]]) -> None:
    assert [seen["headers"]["Authorization"] for seen in server.echo.seen] == [f"Bearer {SECRETS['api']}"] * 2


# G01, G02


def test_g01_absent_from_every_answer_of_the_api(server: Served, executions: list[dict[str, Any]]) -> None:
    paths = [
        "/executions",
        "/alerts",
        "/playbooks",
        "/connections",
        "/sources",
        "/questions?status=all",
        "/containments",
    ]
    for execution in executions:
        alert = execution["alert_id"]
        paths += [
            f"/executions/{execution['id']}",
            f"/alerts/{alert}",
            f"/alerts/{alert}/raw",
            f"/alerts/{alert}/matches",
        ]
    for path in paths:
        answer = server.ask("GET", path)
        assert answer.status_code == 200, path
        hidden(answer.content)


def test_g01_what_hides_it_leaves_the_rest(server: Served, executions: list[dict[str, Any]]) -> None:
    (step,) = server.get(f"/executions/{executions[0]['id']}")["steps"]
    assert step["output"]["body"]["headers"]["Authorization"] == MASK
    assert json.loads(step["output"]["body"]["body"]) == {"ref": "secret-0", "said": f"the key is {MASK}"}
    alert = server.get(f"/alerts/{executions[0]['alert_id']}")
    assert alert["raw"]["say"] == alert["title"] == f"the key is {MASK}"


def test_g02_credentials_in_a_step_s_url(server: Served, executions: list[dict[str, Any]]) -> None:
    assert "query-8wQ5Zk2Mv" in server.echo.seen[1]["path"]
    answer = server.ask("GET", f"/executions/{executions[1]['id']}")
    assert f"/refused?token={MASK}" in answer.text
    assert "query-8wQ5Zk2Mv" not in answer.text
    assert "query-8wQ5Zk2Mv" not in server.logged()


# G05


def test_g05_connections_and_sources_tell_names_and_whether_they_are_set(server: Served) -> None:
    def read(path: str) -> Any:
        answer = server.ask("GET", path, token=server.token)
        assert answer.status_code == 200
        hidden(answer.content)
        assert ".secret" not in answer.text  # where it is kept is nobody's business either
        return answer.json()

    connections = {one["name"]: one for one in read("/connections")["items"]}
    assert connections["api"]["secrets"] == {"token": True}
    assert connections["door"]["secrets"] == {}
    assert read("/connections/api")["secrets"] == {"token": True}
    sources = {one["name"]: one for one in read("/sources")["items"]}
    assert sources["signed"]["secrets"] == 2
    assert sources["signed"]["secrets_set"] is True
    assert sources["splunk"]["path"] == "/webhooks/splunk/<token>"


def test_g05_a_secret_that_went_away_is_told(server: Served) -> None:
    path = server.folder / "api.secret"
    kept = path.read_text()
    path.unlink()
    try:
        assert server.get("/connections/api")["secrets"] == {"token": False}
    finally:
        path.write_text(kept)


# G06


def test_g06_the_database_holds_no_secret_after_a_run(server: Served) -> None:
    (kept,) = server.deliver({"id": "g06", "rule_name": "Token replay"})
    assert server.executions_of(kept["id"])[0]["status"] == "succeeded"
    assert server.post(f"splunk/{PATH_TOKEN}", {"sid": "g06"}, {}).status_code == 202
    content = b"".join(path.read_bytes() for path in server.folder.glob("soar.db*"))
    assert b"g06" in content
    for name in set(SECRETS) - {"api"}:
        assert SECRETS[name].encode() not in content
    rows = list(every_row(server.folder / "soar.db"))
    assert {table for table, _ in rows} >= {"alerts", "executions", "facts", "raw_alerts"}
    for table, row in rows:
        if table != "raw_alerts":  # bodies stay as their senders wrote them, and two here name the secret
            hidden(row)


def every_row(path: Path) -> Iterator[tuple[str, str]]:
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as database:
        tables = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'SELECT * FROM "{table}"'):
                yield table, repr(row)


# G07


def test_g07_absent_from_the_log_at_its_most_talkative(server: Served, executions: list[dict[str, Any]]) -> None:
    server.post("edge", b"{}", {"Authorization": f"Bearer x{SECRETS['bearer']}"})
    server.post("signed", b"{}", {"X-Signature": SECRETS["hmac"]})
    hidden(server.logged())


def test_g07_an_unexpected_error_is_a_500_without_and_a_log_line_with_its_trace(
    server: Served, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def break_down(*_: Any, **__: Any) -> None:
        raise RuntimeError(f"cannot log in with {SECRETS['api']} at https://user:hunter2@example.com/?token=q-123456")

    monkeypatch.setattr(server.runtime.store.executions, "page", break_down)
    before = len(server.logged())
    answer = server.ask("GET", "/executions")
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:soar:problem:internal"
    assert "RuntimeError" not in answer.text
    said = server.logged()[before:]
    assert "RuntimeError" in said
    hidden(said)
    for part in ("hunter2", "q-123456"):
        assert part not in said


def test_g07_a_webhook_that_breaks_down_is_a_500_too(server: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    async def break_down(*_: Any) -> None:
        raise RuntimeError(f"no room for {PATH_TOKEN}")

    monkeypatch.setattr(server.runtime.store.alerts, "keep", break_down)
    reply = server.wire(f"splunk/{PATH_TOKEN}", b'{"sid": "1"}', {})
    assert reply.status == 500
    assert reply.problem()["type"] == "urn:soar:problem:internal"
    hidden(reply.body)
    hidden(server.logged())


# G08


@pytest.fixture
def access_log() -> Any:
    """uvicorn's own access log, as somebody might set it up."""
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setLevel(logging.DEBUG)
    access = logging.getLogger("uvicorn.access")
    level = access.level
    access.addHandler(handler)
    access.setLevel(logging.INFO)
    yield stream
    access.removeHandler(handler)
    access.setLevel(level)


WRONG_TOKEN = "guess-5tR7yU9iO"


def test_g08_the_token_in_the_path_is_in_no_log(server: Served, access_log: io.StringIO) -> None:
    replies = []
    for token in (PATH_TOKEN, quote(PATH_TOKEN, safe=""), WRONG_TOKEN):
        for body, headers in (
            (b'{"sid": "g08"}', {}),
            (b"{", {}),
            (b"x" * (2 << 20), {}),
            (b"{}", {"Content-Encoding": "br"}),
        ):
            replies.append(server.wire(f"splunk/{token}", body, headers))
        replies.append(server.wire(f"nobody/{token}", b"{}", {}))
        answer = server.http.get(f"/webhooks/splunk/{token}")
        assert answer.status_code == 405
        hidden(answer.content)
    assert {reply.status for reply in replies} == {202, 400, 401, 404, 413}
    for reply in replies:
        hidden(reply.body)
        assert WRONG_TOKEN.encode() not in reply.body
    accessed = access_log.getvalue()
    assert accessed.count('"POST /webhooks/splunk/***') == 12
    for text in (accessed, server.logged(), server.ask("GET", "/metrics").text):
        hidden(text)
        assert WRONG_TOKEN not in text


def test_g08_nor_in_history(server: Served) -> None:
    (kept,) = server.post(f"splunk/{PATH_TOKEN}", {"sid": "g08-h"}, {}).json()["alerts"]
    server.processed(kept["id"])
    for path in (f"/alerts/{kept['id']}", f"/alerts/{kept['id']}/raw", "/alerts", "/sources"):
        hidden(server.ask("GET", path).content)
