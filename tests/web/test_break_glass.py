"""Breaking the glass through the API, and the reviews that follow: by people, in their own name, once."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from soar.clock import SystemClock
from tests.web.serving import Served, served
from tests.web.test_control import PLAYBOOKS, asked, detail, opened, reached, statuses

POLICY = 'break_glass: {roles: [incident-commander], notify: ["pager:night"]}\n'
MORE = """\
policy: policy.yaml
people:
  ana: {roles: [analyst]}
  ben: {roles: [lead]}
  cleo: {roles: [lead, analyst]}
  kim: {roles: [incident-commander]}
  lou: {roles: [incident-commander, analyst]}
groups: {leads: [ben, cleo]}
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder: Path = tmp_path_factory.mktemp("glass")
    (folder / "policy.yaml").write_text(POLICY)
    with served(folder, more=MORE, playbooks=PLAYBOOKS) as one:
        for name in ("ana", "ben", "cleo", "kim", "lou"):
            digest = hashlib.sha256(f"token-of-{name}".encode()).hexdigest()
            one.run(one.runtime.store.tokens.create(name, "person", digest, SystemClock().now(), person=name))
        yield one


def break_glass(server: Served, approval: str, person: str | None = "kim", **more: Any) -> httpx.Response:
    body = {"decision": "approve", "reason": "nobody else answers", "break_glass": True, **more}
    token = server.analyst if person is None else f"token-of-{person}"
    return server.ask("POST", f"/approvals/{approval}/decisions", json=body, token=token)


def close(server: Served, review: str, person: str | None, finding: str = "it was right") -> httpx.Response:
    token = server.analyst if person is None else f"token-of-{person}"
    return server.ask("POST", f"/reviews/{review}/close", json={"finding": finding}, token=token)


def reviewed(server: Served, playbook: str = "guarded", person: str = "kim") -> dict[str, Any]:
    """The review of a request that was just approved alone."""
    request = asked(server, opened(server, playbook))
    assert break_glass(server, request["id"], person).status_code == 200
    (one,) = [one for one in server.get("/reviews")["items"] if one["approval_id"] == request["id"]]
    return dict(one)


def test_it_approves_at_once_what_two_leads_were_to_and_stands_up_for_review(server: Served) -> None:
    execution = opened(server, "guarded")
    request = asked(server, execution)
    settled = break_glass(server, request["id"]).json()
    assert (settled["status"], settled["settled_by"], settled["reason"]) == (
        "approved",
        "person:kim",
        "nobody else answers",
    )
    assert [(vote["person"], vote["break_glass"]) for vote in settled["votes"]] == [("kim", True)]
    assert statuses(reached(server, execution, "succeeded")) == {"block": "succeeded"}
    (review,) = [one for one in server.get("/reviews")["items"] if one["approval_id"] == request["id"]]
    assert server.get(f"/reviews/{review['id']}") == review
    told = {name: review[name] for name in ("status", "by", "reason", "execution_id", "closed_by", "finding")}
    assert told == {
        "status": "open",
        "by": "person:kim",
        "reason": "nobody else answers",
        "execution_id": execution,
        "closed_by": None,
        "finding": None,
    }
    trail = [one["action"] for one in server.get("/audit", subject=f"approval:{request['id']}")["items"]]
    assert trail[0] == "approval.break_glass"
    messages = server.get(f"/approvals/{request['id']}")["messages"]
    assert [(one["kind"], one["channel"]) for one in messages] == [("announcement", "pager:night")]


@pytest.mark.parametrize("person", ["ana", "ben", None])
def test_d06_nobody_else_may_and_it_is_recorded(server: Served, person: str | None) -> None:
    request = asked(server, opened(server, "guarded"))
    why = detail(break_glass(server, request["id"], person), 403)
    assert ("by people" if person is None else "none of the roles that may break the glass") in why
    assert server.get(f"/approvals/{request['id']}")["votes"] == []
    trail = [one["action"] for one in server.get("/audit", subject=f"approval:{request['id']}")["items"]]
    assert trail == (["approval.asked"] if person is None else ["approval.vote.refused", "approval.asked"])
    assert [one for one in server.get("/reviews")["items"] if one["approval_id"] == request["id"]] == []


@pytest.mark.parametrize("wrong", [{"reason": " "}, {"decision": "deny"}, {"break_glass": "please"}])
def test_what_cannot_be_meant_is_told(server: Served, wrong: dict[str, Any]) -> None:
    request = asked(server, opened(server, "guarded"))
    assert break_glass(server, request["id"], **wrong).status_code == 422
    assert server.get(f"/approvals/{request['id']}")["votes"] == []


def test_d05_at_the_same_moment_one_has_broken_it(server: Served) -> None:
    for _ in range(5):
        request = asked(server, opened(server, "guarded"))
        with ThreadPoolExecutor(2) as both:
            codes = [
                one.status_code for one in both.map(break_glass, [server] * 2, [request["id"]] * 2, ["kim", "lou"])
            ]
        assert sorted(codes) == [200, 409]
        assert len([one for one in server.get("/reviews")["items"] if one["approval_id"] == request["id"]]) == 1


def test_somebody_else_closes_it_with_a_finding_and_only_once(server: Served) -> None:
    review = reviewed(server)
    closed = close(server, review["id"], "ana").json()
    assert (closed["status"], closed["closed_by"], closed["finding"]) == ("closed", "person:ana", "it was right")
    assert "closed already, by person:ana" in detail(close(server, review["id"], "cleo"), 409)
    assert review["id"] not in [one["id"] for one in server.get("/reviews")["items"]]
    assert review["id"] in [one["id"] for one in server.get("/reviews", status="closed")["items"]]
    (entry,) = server.get("/audit", subject=f"review:{review['id']}")["items"]
    assert (entry["actor"], entry["action"], entry["data"]["finding"]) == (
        "person:ana",
        "review.closed",
        "it was right",
    )


def test_who_broke_the_glass_does_not_review_it(server: Served) -> None:
    review = reviewed(server, person="lou")
    assert "four eyes" in detail(close(server, review["id"], "lou"), 403)
    assert server.get(f"/reviews/{review['id']}")["status"] == "open"
    (entry,) = server.get("/audit", subject=f"review:{review['id']}")["items"]
    assert (entry["actor"], entry["action"]) == ("person:lou", "review.close.refused")


@pytest.mark.parametrize(("person", "why"), [(None, "by people"), ("ben", "none of the roles")])
def test_programs_and_people_who_only_read_close_nothing(server: Served, person: str | None, why: str) -> None:
    review = reviewed(server)
    assert why in detail(close(server, review["id"], person), 403)
    assert server.get(f"/reviews/{review['id']}")["status"] == "open"


@pytest.mark.parametrize("body", [{}, {"finding": "  "}, {"finding": "x", "by": "ben"}])
def test_a_review_needs_a_finding_and_nothing_else(server: Served, body: dict[str, str]) -> None:
    review = reviewed(server)
    answer = server.ask("POST", f"/reviews/{review['id']}/close", json=body, token="token-of-ana")
    assert answer.status_code == 422
    assert server.ask("GET", "/reviews/nothing").status_code == 404
