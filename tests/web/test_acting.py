"""What an analyst does through the API: run, lift, answer; each counts once, whoever else tries."""

from __future__ import annotations

import itertools
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from tests.web.serving import PATIENCE, Served, until

_numbers = itertools.count()


def at_once(server: Served, path: str, body: dict[str, Any], times: int = 8) -> list[httpx.Response]:
    """The same request over several connections at the same instant."""
    gate = threading.Barrier(times)
    headers = {"Authorization": f"Bearer {server.analyst}"}

    def send(_: int) -> httpx.Response:
        with httpx.Client(base_url=server.base, headers=headers, timeout=PATIENCE) as client:
            gate.wait(PATIENCE)
            return client.post(f"/api/v1{path}", json=body)

    with ThreadPoolExecutor(times) as senders:
        return list(senders.map(send, range(times)))


def conflict(answer: httpx.Response) -> str:
    assert answer.status_code == 409, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["type"] == "urn:soar:problem:conflict"
    return str(answer.json()["detail"])


# Run


def ended(server: Served, execution_id: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        answer = server.ask("GET", f"/executions/{execution_id}")
        shown: dict[str, Any] = answer.json()
        return shown if answer.status_code == 200 and shown["status"] in ("succeeded", "failed") else None

    return until(look, f"execution {execution_id} ended")


def test_a_run_by_hand_is_kept_and_carried_out_whatever_the_trigger_says(server: Served) -> None:
    alert = {"id": "by-hand", "title": "asked for", "account": 12345678901234567890123}
    answer = server.ask("POST", "/playbooks/note/executions", json={"alert": alert})
    assert answer.status_code == 202
    made = answer.json()
    assert made["playbook_id"] == "note"
    assert answer.headers["location"] == f"/api/v1/executions/{made['id']}"
    shown = ended(server, made["id"])
    assert (shown["status"], shown["actor"], shown["kind"]) == ("succeeded", "token:analyst", "run")
    kept = server.get(f"/alerts/{shown['alert_id']}")
    assert kept["source"] == "manual"
    assert kept["raw"] == alert
    (match,) = server.get(f"/alerts/{shown['alert_id']}/matches")["items"][:1]
    assert match["trace"] == {"run_by": "token:analyst"}


@pytest.mark.parametrize("body", [b"", b"{}", b'{"alert": {}}', b"  "])
def test_a_run_without_an_alert_is_one_with_an_empty_alert(server: Served, body: bytes) -> None:
    answer = server.ask("POST", "/playbooks/other/executions", content=body)
    assert answer.status_code == 202
    assert ended(server, answer.json()["id"])["status"] == "succeeded"


def test_asked_for_twice_it_runs_twice(server: Served) -> None:
    answers = at_once(server, "/playbooks/note/executions", {"alert": {"id": "twice"}}, 4)
    assert [answer.status_code for answer in answers] == [202] * 4
    assert len({ended(server, answer.json()["id"])["id"] for answer in answers}) == 4


def test_a_playbook_that_is_not_loaded_is_not_run(server: Served) -> None:
    answer = server.ask("POST", "/playbooks/nota/executions", json={"alert": {}})
    assert answer.status_code == 404
    assert "did you mean 'note'?" in answer.json()["detail"]


# Lift


def contained(server: Served) -> str:
    number = next(_numbers)
    body = {"id": f"lift-{number}", "rule_name": "Block it", "src_ip": f"203.0.113.{number}"}
    (kept,) = server.deliver(body)
    (execution,) = server.executions_of(kept["id"])
    assert execution["status"] == "succeeded", execution
    (found,) = server.all("/containments", target=body["src_ip"])
    assert found["status"] == "held"
    assert found["holds"]
    return str(found["id"])


def lifted(server: Served, containment: str) -> dict[str, Any]:
    def look() -> dict[str, Any] | None:
        found: dict[str, Any] = server.get(f"/containments/{containment}")
        return found if found["status"] == "lifted" else None

    return until(look, f"{containment} is lifted")


def test_a_lift_by_a_person_is_made_at_once_and_says_who_and_why(server: Served) -> None:
    containment = contained(server)
    assert containment in [one["id"] for one in server.all("/containments", current="true", connection="door")]
    answer = server.ask("POST", f"/containments/{containment}/lift", json={"reason": "  false alarm  "})
    assert answer.status_code == 202
    assert answer.json()["status"] in ("lifting", "lifted")
    found = lifted(server, containment)
    assert (found["lifted_by"], found["lift_reason"]) == ("token:analyst", "false alarm")
    assert found["ended_at"]
    assert containment not in [one["id"] for one in server.all("/containments", current="true")]
    assert [one for one in server.all("/executions", kind="lift") if one["containment_id"] == containment]
    again = server.ask("POST", f"/containments/{containment}/lift", json={"reason": "again"})
    assert "it is lifted already" in conflict(again)


def test_eight_lifts_at_once_are_one(server: Served) -> None:
    containment = contained(server)
    answers = at_once(server, f"/containments/{containment}/lift", {"reason": "all of us"})
    assert sorted(answer.status_code for answer in answers) == [202] + [409] * 7
    lifted(server, containment)
    assert len([one for one in server.all("/executions", kind="lift") if one["containment_id"] == containment]) == 1


def test_what_is_not_contained_is_not_lifted(server: Served) -> None:
    answer = server.ask("POST", "/containments/nobody/lift", json={"reason": "x"})
    assert answer.status_code == 404


def test_a_reason_of_any_letters_is_kept_and_half_a_letter_is_refused(server: Served) -> None:
    path = f"/containments/{contained(server)}/lift"
    as_json = {"Content-Type": "application/json"}
    half = server.ask("POST", path, content=b'{"reason": "\\ud800"}', headers=as_json)
    assert half.status_code == 422
    answer = server.ask("POST", path, content=b'{"reason": "a\\u0000b \\u00e9 {{ 7 * 7 }}"}', headers=as_json)
    assert answer.status_code == 202, answer.text
    assert lifted(server, answer.json()["id"])["lift_reason"] == "a\0b \u00e9 {{ 7 * 7 }}"


# Answer


def asked(server: Served) -> tuple[str, str]:
    """A question about a call whose answer was lost: (question, execution)."""
    (kept,) = server.deliver({"id": f"lost-{next(_numbers)}", "rule_name": "Lose it"})
    (execution,) = server.executions_of(kept["id"])
    assert execution["awaiting"], execution
    (question,) = server.get(f"/executions/{execution['id']}")["questions"]
    assert question["status"] == "open"
    assert question["id"] in [one["id"] for one in server.all("/questions")]
    return question["id"], execution["id"]


def test_the_first_answer_stands_and_the_execution_goes_on(server: Served) -> None:
    question, execution = asked(server)
    path = f"/questions/{question}/answer"
    answer = server.ask("POST", path, json={"answer": "happened", "reason": "seen in their log"})
    assert answer.status_code == 200
    assert (answer.json()["answer"], answer.json()["answered_by"]) == ("happened", "token:analyst")
    assert ended(server, execution)["status"] == "succeeded"
    later = server.ask("POST", path, json={"answer": "give_up", "reason": "too late"})
    assert "already answered 'happened' by token:analyst" in conflict(later)
    assert question in [one["id"] for one in server.all("/questions", status="answered")]
    assert question not in [one["id"] for one in server.all("/questions", status="open")]
    assert question in [one["id"] for one in server.all("/questions", status="all", limit=1)]


def test_eight_answers_at_once_are_one(server: Served) -> None:
    question, execution = asked(server)
    answers = at_once(server, f"/questions/{question}/answer", {"answer": "give_up", "reason": "nobody knows"})
    assert sorted(answer.status_code for answer in answers) == [200] + [409] * 7
    assert ended(server, execution)["status"] == "failed"


def test_done_again_only_when_a_person_says_so(server: Served) -> None:
    question, execution = asked(server)
    calls = len(server.echo.seen)
    answer = server.ask("POST", f"/questions/{question}/answer", json={"answer": "again", "reason": "it is not there"})
    assert answer.status_code == 200
    until(lambda: len(server.echo.seen) == calls + 1, "the call was made once more")

    def look() -> str | None:
        questions = server.get(f"/executions/{execution}")["questions"]
        return next((one["id"] for one in questions if one["status"] == "open"), None)

    assert until(look, "it asks anew, for that answer was lost too") != question


def test_an_answer_that_is_none(server: Served) -> None:
    question, _ = asked(server)
    for body in ({"answer": "maybe", "reason": "x"}, {"answer": "happened"}, {"reason": "x"}):
        answer = server.ask("POST", f"/questions/{question}/answer", json=body)
        assert answer.status_code == 422
        assert answer.json()["errors"]
    assert server.get(f"/questions/{question}")["status"] == "open"
