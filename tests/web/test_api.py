"""The API: problem documents for whatever a client does wrong, whole lists page by page, filters, explanations."""

from __future__ import annotations

import itertools
from typing import Any

import pytest

from tests.web.serving import Served

LISTS = ["/alerts", "/executions", "/containments", "/questions"]
SINGLES = ["/alerts/{}", "/alerts/{}/raw", "/alerts/{}/matches", "/executions/{}", "/containments/{}", "/questions/{}",
           "/playbooks/{}", "/connections/{}"]  # fmt: skip
TITLES = {400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 409: "Conflict", 422: "Unprocessable Entity"}


def problem(answer: Any, status: int, kind: str) -> str:
    """Check a problem document; what it says to people."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    found = answer.json()
    assert found["type"] == f"urn:soar:problem:{kind}"
    assert found["status"] == status
    assert found["title"].replace("Content", "Entity") == TITLES[status]
    assert set(found) <= {"type", "title", "status", "detail", "errors"}
    assert "Traceback" not in answer.text
    detail: str = found["detail"]
    assert 10 < len(detail) < 2000
    return detail


# What a client does wrong


WRONG: list[tuple[str, str]] = [
    ("limit", "0"), ("limit", "-1"), ("limit", "201"), ("limit", "1000000000"), ("limit", "abc"), ("limit", ""),
    ("limit", "1.5"), ("limit", "1e2"), ("limit", "9" * 400), ("limit", "\u0661"),
]  # fmt: skip
TIMES = [
    "abc",
    "",
    "2026-13-01T00:00:00Z",
    "2026-01-01T25:00:00Z",
    "yesterday",
    "1e400",
    "NaN",
    "9" * 30,
    "-1e18",
    "\x00",
]
EDGES = [
    "0001-01-01T00:00:00+14:00", "0001-01-01", "9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.999999Z", "0",
    "-62135596800", "253402300799", "1767225600", "2026-01-01", "2026-01-01T00:00:00", "2026-01-01T00:00:00+05:30",
    "2026-01-01 00:00:00z",
]  # fmt: skip


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(("name", "value"), WRONG)
def test_a_wrong_limit(server: Served, path: str, name: str, value: str) -> None:
    detail = problem(server.ask("GET", path, params={name: value}), 422, "invalid")
    assert "query.limit" in detail


@pytest.mark.parametrize("path", LISTS)
@pytest.mark.parametrize(
    "cursor",
    [
        "",
        "abc",
        "!!!",
        "bnVsbA",
        "W10",
        "WzFd",
        "WzEsMiwzXQ",
        "WyJhIiwiYiJd",
        "WzEuNSwyXQ",
        "W3RydWUsMV0",
        "WzFlNDAwLDFd",
        "WzkyMjMzNzIwMzY4NTQ3NzU4MDgsMV0",
        "\u00e9",
        "\x00",
        "A" * 5000,
        "eyJhIjoxfQ",
        "____",
    ],
)
def test_a_cursor_that_no_page_gave(server: Served, path: str, cursor: str) -> None:
    detail = problem(server.ask("GET", path, params={"cursor": cursor}), 400, "bad-cursor")
    assert "use next_cursor of the page before" in detail


@pytest.mark.parametrize("path", ["/alerts", "/executions"])
@pytest.mark.parametrize("name", ["since", "until"])
def test_times(server: Served, path: str, name: str) -> None:
    for value in TIMES:
        problem(server.ask("GET", path, params={name: value}), 422, "invalid")
    for value in EDGES:
        answer = server.ask("GET", path, params={name: value})
        assert answer.status_code == 200, (value, answer.text)


@pytest.mark.parametrize(
    ("path", "name", "value"),
    [
        ("/alerts", "state", "odd"),
        ("/alerts", "status", ""),
        ("/alerts", "severity", "HIGH!"),
        ("/alerts", "severity", "3"),
        ("/executions", "status", "odd"),
        ("/executions", "severity", "odd"),
        ("/executions", "kind", "odd"),
        ("/containments", "status", "odd"),
        ("/containments", "current", "perhaps"),
        ("/questions", "status", "odd"),
    ],
)
def test_a_word_no_filter_knows(server: Served, path: str, name: str, value: str) -> None:
    assert f"query.{name}" in problem(server.ask("GET", path, params={name: value}), 422, "invalid")


@pytest.mark.parametrize(
    "value", ["", "\x00", "\u00e9", "%", "'; DROP TABLE alerts; --", "x" * 5000, "[[]]", "\ufffd", "*", "a\nb"]
)
def test_any_text_is_a_text_to_look_for(server: Served, value: str) -> None:
    for path, name in (
        ("/alerts", "source"),
        ("/executions", "playbook"),
        ("/executions", "alert"),
        ("/containments", "target"),
        ("/containments", "connection"),
    ):
        assert server.get(path, **{name: value}) == {"items": [], "next_cursor": None}


@pytest.mark.parametrize("path", [*LISTS, "/playbooks", "/connections", "/sources", "/alerts/x", "/playbooks/note"])
def test_a_parameter_nobody_knows_or_given_twice_is_refused(server: Served, path: str) -> None:
    assert "there is no such parameter" in problem(server.ask("GET", path, params={"colour": "red"}), 422, "invalid")
    if path in LISTS:
        detail = problem(server.ask("GET", path, params={"limt": "1"}), 422, "invalid")
        assert "query.limt: there is no such parameter; did you mean 'limit'?" in detail
        answer = server.ask("GET", f"{path}?limit=1&limit=2")
        assert "query.limit: given 2 times" in problem(answer, 422, "invalid")


@pytest.mark.parametrize("path", SINGLES)
@pytest.mark.parametrize("name", ["nobody", "%00", "%ff", "x" * 3000, "'--", "%0d%0aX-Injected:1", "..", "{}"])
def test_what_is_not_there_is_a_404(server: Served, path: str, name: str) -> None:
    answer = server.ask("GET", path.replace("{}", name))
    assert answer.status_code == 404
    problem(answer, 404, "not-found")
    assert "x-injected" not in answer.headers


def test_what_takes_another_method_is_a_405(server: Served) -> None:
    for method, path in (
        ("POST", "/alerts"),
        ("DELETE", "/alerts/x"),
        ("GET", "/containments/x/lift"),
        ("PUT", "/playbooks/note/executions"),
    ):
        answer = server.ask(method, path)
        assert method in problem(answer, 405, "method-not-allowed")
        assert answer.headers["allow"]


@pytest.mark.parametrize("path", ["/containments/x/lift", "/questions/x/answer"])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"7", b'"x"', b"{}", b"{", b"reason=x", b"\xff", b'{"reason": 7}', b'{"reason": ""}',
        b'{"reason": "   "}', b'{"reason": null}', b'{"reason": "x", "answer": "happened", "force": true}',
        b'{"reason": "' + b"x" * 2001 + b'", "answer": "happened"}', b"[" * 50_000,
    ],
)  # fmt: skip
def test_a_body_an_act_cannot_be_done_with(server: Served, path: str, body: bytes) -> None:
    for content_type in ("application/json", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"):
        answer = server.ask("POST", path, content=body, headers={"Content-Type": content_type})
        assert answer.status_code in {400, 422}, (body[:40], content_type, answer.text)
        problem(answer, answer.status_code, "invalid" if answer.status_code == 422 else "request")


@pytest.mark.parametrize(
    "body",
    [
        b"null",
        b"[]",
        b"7",
        b"{",
        b"\xff",
        b'{"alert": 7}',
        b'{"alert": null}',
        b'{"alert": {}, "more": 1}',
        b"[" * 50_000,
        b'{"alert": {"a": NaN}}',
        b'{"alert": {"a": 1, "a": 2}}',
    ],
)
def test_a_body_no_run_can_start_from(server: Served, body: bytes) -> None:
    problem(server.ask("POST", "/playbooks/note/executions", content=body), 400, "malformed-delivery")


# Lists


def ids(items: list[dict[str, Any]]) -> list[str]:
    return [item["id"] for item in items]


def test_pages_are_whole_and_without_doubles_while_new_rows_come_in(server: Served) -> None:
    kept = [alert["id"] for alert in server.deliver([{"id": f"page-{number}"} for number in range(23)])]
    for alert in kept:
        server.processed(alert)
    seen: list[str] = []
    cursor: dict[str, Any] = {}
    for turn in itertools.count():
        page = server.get("/alerts", source="edge", limit=5, **cursor)
        assert len(page["items"]) <= 5
        seen += ids(page["items"])
        if page["next_cursor"] is None:
            break
        cursor = {"cursor": page["next_cursor"]}
        server.deliver([{"id": f"page-late-{turn}-{number}"} for number in range(3)])
    assert len(seen) == len(set(seen))
    assert set(kept) <= set(seen)
    assert [one for one in seen if one in kept] == list(reversed(kept))  # newest first


def test_the_last_page_says_that_it_is_the_last(server: Served) -> None:
    server.deliver([{"id": f"last-{number}"} for number in range(4)], "counted")
    found = server.all("/alerts", source="counted", limit=1)
    assert server.get("/alerts", source="counted", limit=len(found))["next_cursor"] is None


@pytest.fixture(scope="module")
def history(server: Served) -> list[dict[str, Any]]:
    """Executions of two playbooks, three severities, two ends."""
    alerts = []
    for number, (rule, severity) in enumerate(
        [("Token replay", "high"), ("Token replay", "low"), ("Refuse it", "high"), ("Refuse it", "critical")]
    ):
        alerts += server.deliver({"id": f"history-{number}", "rule_name": rule, "severity": severity})
    found = [execution for alert in alerts for execution in server.executions_of(alert["id"])]
    assert len(found) == 4
    return found


@pytest.mark.parametrize(
    ("name", "field"),
    [
        ("status", "status"),
        ("playbook", "playbook_id"),
        ("severity", "severity"),
        ("alert", "alert_id"),
        ("kind", "kind"),
    ],
)
def test_each_filter_gives_just_those(server: Served, history: list[dict[str, Any]], name: str, field: str) -> None:
    everything = server.all("/executions", limit=200)
    for value in {execution[field] for execution in history}:
        found = server.all("/executions", limit=2, **{name: value})
        assert ids(found) == ids([one for one in everything if one[field] == value])
    assert {execution["status"] for execution in history} == {"succeeded", "failed"}


def test_filters_hold_together_and_times_are_half_open(server: Served, history: list[dict[str, Any]]) -> None:
    found = server.all("/executions", status="failed", playbook="refused", severity="critical", kind="run")
    assert ids(found) == [history[3]["id"]]
    first, last = history[0]["opened_at"], history[-1]["opened_at"]
    since = server.all("/executions", since=first, limit=200)
    assert set(ids(history)) <= set(ids(since))
    assert history[0]["id"] not in ids(server.all("/executions", until=first, limit=200))
    assert history[-1]["id"] in ids(server.all("/executions", since=last, limit=200))
    assert server.all("/executions", since=first, until=first) == []


def test_alerts_by_what_became_of_them(server: Served, history: list[dict[str, Any]]) -> None:
    server.processed(server.deliver({"id": "no-match"})[0]["id"])
    everything = server.all("/alerts", limit=200)
    for state in ("matched", "unmatched"):
        wanted = ids([one for one in everything if one["state"] == state])
        assert wanted
        assert ids(server.all("/alerts", state=state, limit=3)) == wanted
        assert ids(server.all("/alerts", status=state, limit=3)) == wanted
    assert {one["severity"] for one in server.all("/alerts", severity="critical")} == {"critical"}
    assert {one["source"] for one in server.all("/alerts", source="edge")} == {"edge"}


# Explanations


def test_every_playbook_says_why_it_did_or_did_not_fire(server: Served) -> None:
    (kept,) = server.deliver({"id": "explain", "rule_name": "Token replay", "severity": "high"})
    server.processed(kept["id"])
    answer = server.get(f"/alerts/{kept['id']}/matches")
    found = {one["playbook_id"]: one for one in answer["items"]}
    assert set(found) == {one["id"] for one in server.get("/playbooks")["items"]}  # the index's left-out ones too
    assert answer["not_shown"] == 0
    assert found["note"]["outcome"] == "matched"
    assert found["other"]["outcome"] == "unmatched"
    assert "Never seen" in str(found["other"]["trace"])
    assert "Token replay" in str(found["other"]["trace"])


def test_an_execution_shows_its_steps_with_attempts_and_times(server: Served, history: list[dict[str, Any]]) -> None:
    shown = server.get(f"/executions/{history[2]['id']}")
    (step,) = shown["steps"]
    assert (step["path"], step["id"], step["action"], step["status"]) == ("refuse", "refuse", "api.request", "failed")
    assert step["attempts"][0]["state"] == "refused"
    assert step["started_at"] <= step["ended_at"]
    assert shown["questions"] == []
    assert shown["error"]


def test_the_description_for_machines_lists_every_route(server: Served) -> None:
    description = server.get("/openapi.json")
    assert description["openapi"].startswith("3.")
    paths = {path.removeprefix("/api/v1") for path in description["paths"]}
    assert {"/alerts", "/executions/{execution_id}", "/containments/{containment_id}/lift"} <= paths
