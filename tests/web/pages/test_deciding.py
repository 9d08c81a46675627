"""A form counts once, for its own request and person, and says what stands (D05, D06)."""

from __future__ import annotations

import hashlib
from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest

from soar.clock import SystemClock
from soar.model.approval import Vote
from soar.web.pages.forms import form_token
from tests.web.pages.browsing import answer, asked, signed_in, standing, token_in
from tests.web.serving import Served


def test_a_yes_is_stored_with_its_session_and_what_was_shown(server: Served, ben: httpx.Client) -> None:
    approval = asked(server)
    done = answer(ben, approval, reason="seen it")
    assert (done.status_code, done.headers["location"]) == (303, f"/approvals/{approval}")
    [vote] = server.run(server.runtime.store.approvals.get(approval)).votes
    digest = standing(server, approval)["digest"]
    assert (vote.person, vote.decision, vote.channel, vote.reason) == ("ben", "approve", "web", "seen it")
    assert vote.evidence == {
        "session": hashlib.sha256(ben.cookies["soar_session"].encode()).hexdigest()[:16],
        "digest": digest,
    }
    assert "approved" in ben.get(done.headers["location"]).text


def test_a_no_needs_a_reason_and_the_form_stays_good(server: Served, ben: httpx.Client) -> None:
    approval = asked(server)
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "deny", "reason": " "}
    refused = ben.post(f"/approvals/{approval}/decision", data=form)
    assert refused.status_code == 422
    assert "needs a reason" in refused.text
    assert ben.post(f"/approvals/{approval}/decision", data=form | {"reason": "ours"}).status_code == 303
    assert standing(server, approval)["status"] == "denied"


def test_d05_a_form_sent_twice_at_once_counts_once(server: Served, ben: httpx.Client) -> None:
    approval = asked(server, "two")
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "approve"}
    with ThreadPoolExecutor(4) as pool:
        sent = list(pool.map(lambda _: ben.post(f"/approvals/{approval}/decision", data=form), range(4)))
    assert sorted(one.status_code for one in sent) == [303, 409, 409, 409]
    for loser in (one for one in sent if one.status_code == 409):
        assert "<strong>ben</strong>: approve" in loser.text, "it shows what came of the first"
        assert "form_token" not in loser.text
    again = ben.post(f"/approvals/{approval}/decision", data=form)
    assert (again.status_code, "it counts once" in again.text) == (409, True)
    assert [vote["person"] for vote in standing(server, approval)["votes"]] == ["ben"]


def test_d05_who_comes_second_is_shown_who_decided_and_when(server: Served, ben: httpx.Client) -> None:
    approval = asked(server)
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "approve"}
    with signed_in(server, "cleo") as cleo:
        assert answer(cleo, approval, "deny", reason="a partner").status_code == 303
    late = ben.post(f"/approvals/{approval}/decision", data=form)
    assert late.status_code == 409
    assert "denied" in late.text
    assert "by cleo" in late.text
    assert "a partner" in late.text


def test_d06_who_may_not_answer_has_no_form_and_a_made_up_one_counts_for_nothing(server: Served) -> None:
    approval = asked(server)
    with signed_in(server, "ana") as ana:
        page = ana.get(f"/approvals/{approval}")
        assert "You cannot answer: &#39;ana&#39; is not among those who may answer: group leads." in page.text
        assert "form_token" not in page.text
        sent = ana.post(f"/approvals/{approval}/decision", data={"decision": "approve", "form_token": "made.1.up"})
    assert sent.status_code == 422
    assert standing(server, approval)["votes"] == []


def test_d06_who_may_answer_no_longer_when_the_form_comes_is_refused_and_recorded(server: Served) -> None:
    approval = asked(server)
    about = f"{approval} {standing(server, approval)['digest']}"
    with signed_in(server, "ana") as ana:
        token = form_token(ana.cookies["soar_session"], about, SystemClock().now())
        sent = ana.post(f"/approvals/{approval}/decision", data={"decision": "approve", "form_token": token})
    assert sent.status_code == 403
    assert "not among those who may answer" in sent.text
    newest = server.get("/audit", subject=f"approval:{approval}")["items"][0]
    assert (newest["actor"], newest["action"]) == ("person:ana", "approval.vote.refused")
    assert newest["data"]["evidence"]["digest"] == standing(server, approval)["digest"]
    assert standing(server, approval)["votes"] == []


def test_a_form_is_good_for_its_own_request_and_person_only(server: Served, ben: httpx.Client) -> None:
    first, second = asked(server), asked(server)
    theirs = token_in(ben.get(f"/approvals/{first}"))
    with signed_in(server, "cleo") as cleo:
        for client, approval in ((ben, second), (cleo, first)):
            sent = client.post(f"/approvals/{approval}/decision", data={"decision": "approve", "form_token": theirs})
            assert sent.status_code == 422
            assert "open the page again" in sent.text
    assert standing(server, first)["votes"] == standing(server, second)["votes"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "http://["},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
        {"Origin": "null"},
    ],
)
def test_a_form_from_another_site_is_refused(server: Served, ben: httpx.Client, headers: dict[str, str]) -> None:
    approval = asked(server)
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "approve"}
    sent = ben.post(f"/approvals/{approval}/decision", data=form, headers=headers)
    assert sent.status_code == 403
    assert "another site" in sent.text
    assert standing(server, approval)["votes"] == []


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"Sec-Fetch-Site": "same-origin", "Origin": "https://soar.example.com"},
        {"Origin": "https://soar.example.com", "Host": "soar.example.com"},
    ],
)
def test_a_form_of_the_page_is_taken_also_where_a_proxy_names_another_host(
    server: Served, ben: httpx.Client, headers: dict[str, str]
) -> None:
    approval = asked(server)
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "approve"}
    assert ben.post(f"/approvals/{approval}/decision", data=form, headers=headers).status_code == 303


@pytest.mark.parametrize(
    ("content", "kind", "status"),
    [
        (b'{"decision": "approve"}', "application/json", 422),
        (b"\xff\xfe=1", "application/x-www-form-urlencoded", 422),
        (b"&".join(b"a=1" for _ in range(50)), "application/x-www-form-urlencoded", 422),
        (b"decision=perhaps&form_token=x", "application/x-www-form-urlencoded", 422),
        (b"decision=approve&form_token=a.99999999999999999999.b", "application/x-www-form-urlencoded", 422),
        ("decision=approve&form_token=a.١٢.é".encode(), "application/x-www-form-urlencoded", 422),
        (b"x" * (2 << 20), "application/x-www-form-urlencoded", 413),
    ],
)
def test_what_is_no_form_of_ours_is_refused_with_words(
    server: Served, ben: httpx.Client, content: bytes, kind: str, status: int
) -> None:
    approval = asked(server)
    sent = ben.post(f"/approvals/{approval}/decision", content=content, headers={"Content-Type": kind})
    assert sent.status_code == status
    assert sent.headers["content-type"].startswith("text/html")
    assert standing(server, approval)["votes"] == []


def test_a_form_sent_after_the_session_is_told_so(server: Served, ben: httpx.Client) -> None:
    approval = asked(server)
    form = {"form_token": token_in(ben.get(f"/approvals/{approval}")), "decision": "approve"}
    ben.cookies.clear()
    sent = ben.post(f"/approvals/{approval}/decision", data=form)
    assert (sent.status_code, "not signed in" in sent.text) == (401, True)
    assert standing(server, approval)["votes"] == []


def test_a_request_settled_elsewhere_shows_its_final_state(server: Served, ben: httpx.Client) -> None:
    approval = asked(server)
    now = SystemClock().now()
    server.run(server.runtime.store.approvals.vote(approval, Vote("cleo", "deny", now, "slack", "no"), now))
    page = ben.get(f"/approvals/{approval}").text
    assert "denied" in page
    assert "by cleo" in page
    assert "form_token" not in page
