"""Breaking the glass on its page, and the review that somebody else closes."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator

import httpx
import pytest

from tests.web.pages.browsing import PEOPLE, PLAYBOOKS, asked, signed_in, standing, token_in
from tests.web.pages.conftest import with_tokens
from tests.web.serving import Served, served

POLICY = "break_glass: {roles: [analyst]}\n"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("glass")
    (folder / "policy.yaml").write_text(POLICY)
    with served(folder, more=f"{PEOPLE}policy: policy.yaml\n", playbooks=PLAYBOOKS) as one:
        with_tokens(one)
        yield one


def break_glass(client: httpx.Client, approval: str, reason: str = "the lead is on a plane") -> httpx.Response:
    form = {"form_token": token_in(client.get(f"/approvals/{approval}")), "decision": "break_glass", "reason": reason}
    return client.post(f"/approvals/{approval}/decision", data=form)


def test_who_may_break_the_glass_approves_alone_and_is_reviewed_by_somebody_else(server: Served) -> None:
    approval = asked(server, "two")
    with signed_in(server, "ana") as ana, signed_in(server, "ben") as ben:
        assert "Break the glass" not in ben.get(f"/approvals/{approval}").text
        page = ana.get(f"/approvals/{approval}").text
        assert "You cannot answer" in page
        assert "Break the glass" in page
        assert break_glass(ana, approval, " ").status_code == 422
        assert break_glass(ana, approval).status_code == 303
        found = standing(server, approval)
        assert (found["status"], found["settled_by"]) == ("approved", "person:ana")
        assert "glass broken" in ana.get(f"/approvals/{approval}").text
        assert "somebody else looks at it" in ana.get("/reviews").text
        review = re.search(r'action="(/reviews/[0-9a-z]+/close)"', ben.get("/reviews").text)
        assert review is not None
        token = re.search(r'name="form_token" value="([^"]+)"', ben.get("/reviews").text)
        assert token is not None
        form = {"form_token": html.unescape(token[1]), "finding": " "}
        assert ben.post(review[1], data=form).status_code == 422
        assert ben.post(review[1], data=form | {"finding": "it was right"}).status_code == 303
        assert ben.post(review[1], data=form | {"finding": "again"}).status_code == 409
        assert "None waits" in ben.get("/reviews").text
        closed = ben.get("/reviews?status=closed").text
        assert "the lead is on a plane" in closed
        assert "it was right" in closed


def test_who_may_not_break_it_cannot_by_a_form_of_their_own(server: Served) -> None:
    approval = asked(server, "two")
    with signed_in(server, "ben") as ben:
        assert break_glass(ben, approval).status_code == 403
    assert standing(server, approval)["votes"] == []
