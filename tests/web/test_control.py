"""What people do to executions through the API: approve, cancel, pause, run again, stop everything, tell events."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from soar.clock import SystemClock
from tests.web.serving import Served, served, until

PEOPLE = """\
people:
  ana: {roles: [analyst]}
  ben: {roles: [lead]}
  cleo: {roles: [lead, analyst]}
groups: {leads: [ben, cleo]}
"""

_NEVER = "trigger: {match: {s: {rule_name: never}}}\n"
PLAYBOOKS = {
    "guarded": f"""\
id: guarded
{_NEVER}steps:
  - id: block
    approval:
      message: "Block {{{{ alert.src_ip }}}}?"
      approvers: {{groups: [leads], required: 2}}
      timeout: 1h
    action: door.block_ip
    with: {{ip: "{{{{ alert.src_ip }}}}"}}
    undo: {{after: 24h}}
""",
    "one-yes": f"""\
id: one-yes
{_NEVER}steps:
  - id: ask
    approval: {{message: sure, approvers: {{roles: [lead], not: [requester]}}, timeout: 1h}}
  - {{id: call, action: api.request, with: {{method: POST, path: /yes}}}}
""",
    "holds": f"""\
id: holds
{_NEVER}steps:
  - {{id: block, action: door.block_ip, with: {{ip: "{{{{ alert.src_ip }}}}"}}, undo: {{after: 24h}}}}
  - {{id: wait, wait: {{event: case.closed, timeout: 1h}}}}
  - {{id: call, action: api.request, with: {{method: POST, path: /after}}}}
""",
    "typed": f"""\
id: typed
{_NEVER}inputs:
  account: {{type: string, required: true}}
  limit: {{type: integer, default: 5, minimum: 1}}
steps:
  - id: call
    action: api.request
    with: {{method: POST, path: /typed, json: {{account: "{{{{ inputs.account }}}}", limit: "{{{{ inputs.limit }}}}"}}}}
""",
    "off": f"id: off\nmode: disabled\n{_NEVER}steps: [{{stop: done}}]\n",
    "outdated": f"id: outdated\nvalid_until: 2020-01-01\n{_NEVER}steps: [{{stop: done}}]\n",
    "breaks": f"""\
id: breaks
{_NEVER}steps:
  - {{id: first, action: api.request, with: {{method: POST, path: /first}}}}
  - {{id: second, action: api.request, with: {{method: POST, path: /refused}}}}
""",
}
_addresses = (f"203.0.113.{number}" for number in itertools.count(1))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with served(tmp_path_factory.mktemp("control"), more=PEOPLE, playbooks=PLAYBOOKS) as one:
        for name in ("ana", "ben", "cleo", "dora"):
            digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
            one.run(one.runtime.store.tokens.create(name, "person", digest, SystemClock().now(), person=name))
        yield one


def opened(server: Served, playbook: str, *, token: str | None = None, **body: Any) -> str:
    body.setdefault("alert", {"src_ip": next(_addresses)})
    answer = server.ask("POST", f"/playbooks/{playbook}/executions", json=body, token=token)
    assert answer.status_code == 202, answer.text
    return str(answer.json()["id"])


def shown(server: Served, execution_id: str) -> dict[str, Any] | None:
    answer = server.ask("GET", f"/executions/{execution_id}")
    return answer.json() if answer.status_code == 200 else None


def reached(server: Served, execution_id: str, *states: str) -> dict[str, Any]:
    """The execution, once it has that status, or waits for that."""

    def look() -> dict[str, Any] | None:
        found = shown(server, execution_id)
        return found if found and (found["status"] in states or found["awaiting"] in states) else None

    return until(look, f"{execution_id} is {states}")


def asked(server: Served, execution_id: str) -> dict[str, Any]:
    reached(server, execution_id, "approval")
    (one,) = server.get("/approvals", execution=execution_id)["items"]
    return dict(one)


def decide(server: Served, approval: str, person: str, decision: str, reason: str = "") -> httpx.Response:
    body = {"decision": decision, "reason": reason}
    return server.ask("POST", f"/approvals/{approval}/decisions", json=body, token=f"token-of-{person}")


def statuses(execution: dict[str, Any]) -> dict[str, str]:
    return {step["path"]: step["status"] for step in execution["steps"]}


def detail(answer: httpx.Response, status: int) -> str:
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    return str(answer.json()["detail"])


# Approvals


def test_s28_two_of_a_group_say_yes_and_the_call_goes_out(server: Served) -> None:
    execution = opened(server, "guarded", alert={"src_ip": "203.0.113.200"})
    request = asked(server, execution)
    assert request["message"] == "Block 203.0.113.200?"
    (item,) = request["shown"]
    assert item["values"] == {"ip": "203.0.113.200"}
    assert item["undo"] == "lifts itself after 1d"
    assert len(request["digest"]) == 64
    first = decide(server, request["id"], "ben", "approve")
    assert first.json()["status"] in ("asking", "asked")
    second = decide(server, request["id"], "cleo", "approve", "seen it")
    assert (second.json()["status"], second.json()["settled_by"]) == ("approved", "person:cleo")
    assert statuses(reached(server, execution, "succeeded")) == {"block": "succeeded"}
    trail = [entry["action"] for entry in server.all("/audit", subject=f"approval:{request['id']}")]
    assert trail == ["approval.approved", "approval.vote.approve", "approval.vote.approve", "approval.asked"]


def test_s28_one_no_settles_it_and_leaves_the_gateway_alone(server: Served) -> None:
    execution = opened(server, "guarded")
    request = asked(server, execution)
    assert "reason" in detail(decide(server, request["id"], "ben", "deny", "  "), 422)
    denied = decide(server, request["id"], "ben", "deny", "our own scanner")
    assert (denied.json()["status"], denied.json()["reason"]) == ("denied", "our own scanner")
    assert statuses(reached(server, execution, "succeeded")) == {"block": "rejected"}
    assert "it is denied already" in detail(decide(server, request["id"], "cleo", "approve"), 409)


def test_the_same_person_never_counts_twice(server: Served) -> None:
    request = asked(server, opened(server, "guarded"))
    assert decide(server, request["id"], "ben", "approve").status_code == 200
    assert "said 'approve' already" in detail(decide(server, request["id"], "ben", "approve"), 409)


@pytest.mark.parametrize(
    ("person", "why"), [("ana", "not among those who may answer: group leads"), ("dora", "no longer in `people`")]
)
def test_who_may_not_answer_is_refused(server: Served, person: str, why: str) -> None:
    request = asked(server, opened(server, "guarded"))
    assert why in detail(decide(server, request["id"], person, "approve"), 403)
    assert server.get(f"/approvals/{request['id']}")["votes"] == []


def test_a_refused_word_stands_in_the_audit_trail(server: Served) -> None:
    request = asked(server, opened(server, "guarded"))
    decide(server, request["id"], "ana", "approve")
    newest = server.get("/audit", subject=f"approval:{request['id']}")["items"][0]
    assert (newest["actor"], newest["action"]) == ("person:ana", "approval.vote.refused")


def test_a_programs_token_answers_nothing(server: Served) -> None:
    request = asked(server, opened(server, "guarded"))
    answer = server.ask("POST", f"/approvals/{request['id']}/decisions", json={"decision": "approve"})
    assert "by people" in detail(answer, 403)


def test_four_eyes_who_has_asked_does_not_answer(server: Served) -> None:
    execution = opened(server, "one-yes", token="token-of-cleo")
    request = asked(server, execution)
    assert request["requester"] == "person:cleo"
    assert "four eyes" in detail(decide(server, request["id"], "cleo", "approve"), 403)
    assert decide(server, request["id"], "ben", "approve").status_code == 200
    assert statuses(reached(server, execution, "succeeded")) == {"ask": "succeeded", "call": "succeeded"}


def test_people_act_by_their_roles_and_answer_without_one(server: Served) -> None:
    answer = server.ask("POST", "/playbooks/note/executions", json={}, token="token-of-ben")
    assert "none of the roles admin, analyst" in detail(answer, 403)
    assert server.ask("GET", "/alerts", token="token-of-ben").status_code == 200


def test_approve_against_deny_at_the_same_moment_gives_one_outcome(server: Served) -> None:
    for _ in range(10):
        request = asked(server, opened(server, "one-yes"))
        with ThreadPoolExecutor(2) as both:
            yes = both.submit(decide, server, request["id"], "ben", "approve")
            no = both.submit(decide, server, request["id"], "cleo", "deny", "no")
        assert sorted([yes.result().status_code, no.result().status_code]) == [200, 409]
        settled = server.get(f"/approvals/{request['id']}")
        assert settled["status"] == ("approved" if yes.result().status_code == 200 else "denied")


def test_settled_requests_are_found_by_their_state(server: Served) -> None:
    request = asked(server, opened(server, "one-yes"))
    assert request["id"] in {one["id"] for one in server.all("/approvals")}
    decide(server, request["id"], "ben", "deny", "no")
    assert request["id"] not in {one["id"] for one in server.all("/approvals")}
    assert request["id"] in {one["id"] for one in server.all("/approvals", status="denied")}


# Cancel, pause, resume


def test_s23_a_cancel_says_what_becomes_of_what_is_held(server: Served) -> None:
    execution = opened(server, "holds", alert={"src_ip": "198.51.100.7"})
    reached(server, execution, "event")
    answer = server.ask("POST", f"/executions/{execution}/cancel", json={"reason": "false alarm"})
    assert "undo" in detail(answer, 422)
    answer = server.ask("POST", f"/executions/{execution}/cancel", json={"reason": "false alarm", "undo": True})
    assert answer.status_code == 202
    ended = reached(server, execution, "cancelled")
    assert "call" not in statuses(ended)
    (held,) = server.all("/containments", target="198.51.100.7")
    until(lambda: server.get(f"/containments/{held['id']}")["status"] == "lifted", "the containment is lifted")
    told = server.get("/audit", subject=f"execution:{execution}")["items"]
    assert ("token:analyst", "execution.cancel") in [(one["actor"], one["action"]) for one in told]


def test_s23_without_undo_what_is_held_stays_until_it_expires(server: Served) -> None:
    execution = opened(server, "holds", alert={"src_ip": "198.51.100.8"})
    reached(server, execution, "event")
    server.ask("POST", f"/executions/{execution}/cancel", json={"reason": "by hand", "undo": False})
    reached(server, execution, "cancelled")
    (held,) = server.all("/containments", target="198.51.100.8")
    assert held["status"] == "held"
    assert held["expires_at"] is not None


def test_what_is_over_cannot_be_cancelled(server: Served) -> None:
    execution = opened(server, "note")
    reached(server, execution, "succeeded")
    answer = server.ask("POST", f"/executions/{execution}/cancel", json={"reason": "late", "undo": False})
    assert "succeeded already" in detail(answer, 409)
    answer = server.ask("POST", "/executions/none/cancel", json={"reason": "late", "undo": False})
    assert "there is none" in detail(answer, 404)


def test_s23_paused_it_starts_no_call_until_it_is_resumed(server: Served) -> None:
    execution = opened(server, "holds")
    reached(server, execution, "event")
    assert server.ask("POST", f"/executions/{execution}/pause", json={"reason": "wait"}).status_code == 202
    before = sum("/after" in one["path"] for one in server.echo.seen)
    tell(server, "case.closed", {})
    until(lambda: statuses(server.get(f"/executions/{execution}"))["wait"] == "succeeded", "the event is taken in")
    assert server.get(f"/executions/{execution}")["status"] == "parked"
    assert sum("/after" in one["path"] for one in server.echo.seen) == before
    assert server.ask("POST", f"/executions/{execution}/resume", json={"reason": "go"}).status_code == 202
    reached(server, execution, "succeeded")
    assert sum("/after" in one["path"] for one in server.echo.seen) == before + 1


# Events


def tell(server: Served, name: str, data: dict[str, Any], **more: Any) -> httpx.Response:
    answer = server.ask("POST", "/events", json={"name": name, "data": data, **more})
    assert answer.status_code == 202, answer.text
    return answer


def test_s14_an_event_wakes_who_waits_for_it_and_counts_once(server: Served) -> None:
    execution = opened(server, "holds")
    reached(server, execution, "event")
    first = tell(server, "case.closed", {"by": "ana"}, id="case-7")
    again = tell(server, "case.closed", {"by": "ana"}, id="case-7")
    assert first.json() == again.json()
    ended = reached(server, execution, "succeeded")
    (waited,) = [step for step in ended["steps"] if step["path"] == "wait"]
    assert waited["output"]["data"] == {"by": "ana"}


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({"name": "execution.failed"}, "engine's own"),
        ({"name": "no spaces"}, "name"),
        ({"name": "a", "data": []}, "data"),
        ({"nam": "a"}, "nam"),
        ([], "the body"),
    ],
)
def test_events_that_cannot_be_meant_are_refused(server: Served, body: Any, said: str) -> None:
    assert said in detail(server.ask("POST", "/events", json=body), 422)


# Runs by hand: inputs and dry run


def test_typed_inputs_of_a_run_by_hand(server: Served) -> None:
    execution = opened(server, "typed", inputs={"account": "acme", "limit": 9})
    ended = reached(server, execution, "succeeded")
    assert ended["inputs"] == {"account": "acme", "limit": 9}
    (step,) = ended["steps"]
    assert step["input"]["json"] == {"account": "acme", "limit": 9}


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ({}, "'account' is missing"),
        ({"account": "a", "limit": 0}, "less than 1"),
        ({"account": 5}, "does not fit"),
        ({"account": "a", "limt": 1}, "did you mean 'limit'"),
    ],
)
def test_inputs_that_do_not_fit_open_nothing(server: Served, inputs: dict[str, Any], said: str) -> None:
    before = len(server.all("/executions", playbook="typed"))
    answer = server.ask("POST", "/playbooks/typed/executions", json={"inputs": inputs})
    assert said in detail(answer, 422)
    assert len(server.all("/executions", playbook="typed")) == before


def test_s36_a_dry_run_lets_no_change_leave_the_process(server: Served) -> None:
    before = len(server.echo.seen)
    execution = opened(server, "note", dry_run=True)
    ended = reached(server, execution, "succeeded")
    assert ended["mode"] == "dry_run"
    assert len(server.echo.seen) == before


# Rerun


def test_s37_a_rerun_from_a_step_does_not_repeat_what_was_done(server: Served) -> None:
    execution = opened(server, "breaks")
    reached(server, execution, "failed")
    firsts = sum(one["path"] == "/first" for one in server.echo.seen)
    answer = server.ask("POST", f"/executions/{execution}/rerun", json={"from": "second"})
    assert answer.status_code == 202
    again = answer.json()["id"]
    assert answer.headers["location"] == f"/api/v1/executions/{again}"
    ended = reached(server, again, "failed")
    assert (ended["rerun_of"], ended["actor"]) == (execution, "token:analyst")
    assert statuses(ended) == {"first": "succeeded", "second": "failed"}
    assert sum(one["path"] == "/first" for one in server.echo.seen) == firsts
    assert [one["id"] for one in server.get(f"/executions/{execution}")["reruns"]] == [again]


def test_s37_a_rerun_of_the_start_repeats_what_was_done_only_when_told_to(server: Served) -> None:
    execution = opened(server, "breaks")
    reached(server, execution, "failed")
    firsts = sum(one["path"] == "/first" for one in server.echo.seen)
    plain = server.ask("POST", f"/executions/{execution}/rerun", json={}).json()["id"]
    reached(server, plain, "failed")
    assert sum(one["path"] == "/first" for one in server.echo.seen) == firsts
    again = server.ask("POST", f"/executions/{execution}/rerun", json={"again": True}).json()["id"]
    reached(server, again, "failed")
    assert sum(one["path"] == "/first" for one in server.echo.seen) == firsts + 1


def test_s37_a_rerun_on_the_current_version_takes_up_what_was_mended(server: Served) -> None:
    execution = opened(server, "breaks")
    reached(server, execution, "failed")
    path = server.folder / "playbooks" / "breaks.yaml"
    text = path.read_text()
    path.write_text(text.replace("/refused", "/mended"))
    try:
        assert server.ask("POST", "/playbooks/reload").status_code == 200
        body = {"from": "second", "version": "current"}
        again = server.ask("POST", f"/executions/{execution}/rerun", json=body).json()["id"]
        assert statuses(reached(server, again, "succeeded")) == {"first": "succeeded", "second": "succeeded"}
    finally:
        path.write_text(text)
        server.ask("POST", "/playbooks/reload")


@pytest.mark.parametrize(
    ("body", "status", "said"),
    [
        ({"from": "thrid"}, 409, "no step 'thrid'"),
        ({"failed_items": True}, 409, "name the loop"),
        ({"from": "first", "failed_items": True}, 409, "is no for_each"),
        ({"form": "first"}, 422, "form"),
        ({"version": "newest"}, 422, "version"),
    ],
)
def test_s37_reruns_that_cannot_be_begun(server: Served, body: dict[str, Any], status: int, said: str) -> None:
    execution = opened(server, "breaks")
    reached(server, execution, "failed")
    assert said in detail(server.ask("POST", f"/executions/{execution}/rerun", json=body), status)


def test_s37_what_still_runs_is_not_run_again(server: Served) -> None:
    execution = opened(server, "holds")
    reached(server, execution, "event")
    assert "only one that is over" in detail(server.ask("POST", f"/executions/{execution}/rerun", json={}), 409)


# Stop buttons


def test_s19_a_stopped_connection_holds_its_calls_until_it_is_released(server: Served) -> None:
    answer = server.ask("POST", "/switches", json={"scope": "connection:api", "reason": "maintenance"})
    assert answer.status_code == 201
    try:
        execution = opened(server, "note", alert={"source_ref": "held back"})
        reached(server, execution, "person", "parked")
        assert not any("held back" in one["body"] for one in server.echo.seen)
        (pressed,) = server.get("/switches")["items"]
        told = (pressed["scope"], pressed["by"], pressed["reason"])
        assert told == ("connection:api", "token:analyst", "maintenance")
    finally:
        released = server.ask("POST", "/switches/connection:api/release", json={"reason": "over"})
    assert released.status_code == 200
    reached(server, execution, "succeeded")
    assert sum("held back" in one["body"] for one in server.echo.seen) == 1
    assert server.get("/switches")["items"] == []


def test_m04_a_stopped_playbook_opens_nothing_and_the_alert_says_why(server: Served) -> None:
    body = {"scope": "playbook:note", "reason": "it floods us"}
    assert server.ask("POST", "/switches", json=body).status_code == 201
    try:
        (alert,) = server.deliver({"id": "while stopped", "rule_name": "Token replay"})
        assert server.processed(alert["id"])["state"] == "unmatched"
        traces = {one["playbook_id"]: one["trace"] for one in server.get(f"/alerts/{alert['id']}/matches")["items"]}
        assert traces["note"]["reason"] == "stopped by token:analyst: it floods us"
        refused = detail(server.ask("POST", "/playbooks/note/executions", json={}), 422)
        assert "playbook note: not run: stopped by token:analyst: it floods us" in refused
    finally:
        server.ask("POST", "/switches/playbook:note/release", json={"reason": "over"})
    (alert,) = server.deliver({"id": "after", "rule_name": "Token replay"})
    server.executions_of(alert["id"])


def test_a_person_runs_what_is_out_of_its_dates_and_nothing_that_is_disabled(server: Served) -> None:
    before = server.get("/alerts", source="manual")["items"]
    refused = detail(server.ask("POST", "/playbooks/off/executions", json={}), 422)
    assert "its mode is disabled" in refused
    assert server.get("/alerts", source="manual")["items"] == before
    reached(server, opened(server, "outdated"), "succeeded")


@pytest.mark.parametrize("scope", ["everything", "connection:apu", "playbook:none", "connection:"])
def test_a_stop_button_that_would_hold_nothing_is_refused(server: Served, scope: str) -> None:
    assert detail(server.ask("POST", "/switches", json={"scope": scope, "reason": "x"}), 422)
    assert server.get("/switches")["items"] == []


def test_a_stop_needs_a_reason_and_a_release_a_button_that_is_pressed(server: Served) -> None:
    assert server.ask("POST", "/switches", json={"scope": "all"}).status_code == 422
    assert server.ask("POST", "/switches", json={"scope": "all", "reason": " "}).status_code == 422
    assert detail(server.ask("POST", "/switches/all/release", json={"reason": "x"}), 404)


# Lists


def test_the_audit_trail_is_paged_newest_first(server: Served) -> None:
    entries = server.all("/audit", limit=3)
    assert len(entries) >= 3
    assert [one["at"] for one in entries] == sorted((one["at"] for one in entries), reverse=True)
    assert server.ask("GET", "/audit", params={"cursor": "x"}).status_code == 400


def test_viewers_read_all_of_it_and_change_none(server: Served) -> None:
    for path in ("/approvals", "/switches", "/audit", "/budgets"):
        assert server.ask("GET", path, token=server.token).status_code == 200
    for path in ("/switches", "/events", "/approvals/x/decisions", "/executions/x/cancel", "/executions/x/rerun"):
        assert server.ask("POST", path, token=server.token, json={}).status_code == 403
