"""Looking decides nothing, shows everything, and runs nothing of an alert's text (D01)."""

from __future__ import annotations

import html
import re

import httpx
import pytest
from starlette.routing import Route

from soar.clock import SystemClock
from soar.ids import derived_id
from soar.model.approval import Approval, Approvers, Stage, Vote
from soar.store.approvals import insert_approvals
from soar.web.pages import router
from tests.web.pages.browsing import HOSTILE, addresses, answer, asked, signed_in, standing, token_in
from tests.web.serving import Served, until


@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_d01_opening_any_address_decides_nothing(server: Served, ben: httpx.Client, method: str) -> None:
    approval = asked(server)
    page = ben.get(f"/approvals/{approval}")
    query = {"decision": "approve", "form_token": token_in(page), "reason": "preview"}
    paths = [route.path for route in router.routes if isinstance(route, Route)]
    assert len(paths) > 8
    for path in paths:
        reply = ben.request(method, path.replace("{approval_id}", approval), params=query)
        assert reply.status_code in (200, 303, 405), path
        assert "set-cookie" not in reply.headers, path
    found = standing(server, approval)
    assert (found["status"], found["votes"]) == ("asking", [])
    assert answer(ben, approval).status_code == 303, "its token was not spent by looking"


def test_d01_a_preview_without_a_session_is_led_to_the_sign_in_form(server: Served, browser: httpx.Client) -> None:
    approval = asked(server)
    for method in ("GET", "HEAD"):
        seen = browser.request(method, f"/approvals/{approval}?decision=approve&form_token=x")
        assert (seen.status_code, seen.headers["cache-control"]) == (303, "no-store")
        assert seen.headers["location"].startswith("/sign-in?next=")
        assert seen.text == "", "nothing of the request is told to whoever is not signed in"
    assert standing(server, approval)["votes"] == []


def test_the_page_shows_what_would_be_done_and_what_is_held_already(server: Served, ben: httpx.Client) -> None:
    address = next(addresses)
    first = asked(server, src_ip=address)
    assert answer(ben, first).status_code == 303
    until(lambda: server.get("/containments", target=address)["items"] or None, "the block")
    page = ben.get(f"/approvals/{asked(server, src_ip=address)}").text
    for text in (
        f"Block {address}?",
        "door.block_ip",
        "door (door)",
        "lifts itself after 1d",
        "Held already",
        "held since",
    ):
        assert text in page
    assert "group leads" in page
    assert "Asked</dt><dd>nobody in particular, for 1h (now)" in page
    assert re.search(r"SHA-256 [0-9a-f]{64}", page)
    assert re.search(r"Until</dt><dd>\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC", page)


def test_every_value_open_expression_and_stage_stands_on_the_page(server: Served, ben: httpx.Client) -> None:
    now = SystemClock().now()
    item = {
        "path": "both/block",
        "action": "gone.block_ip",
        "values": {"deep": {"list": ["<b>", 2, None]}, "text": "one\ntwo", "number": 5, "yes": True},
        "open": {"ticket": "{{ steps.ticket.output.key }}"},
        "effect": "Deny <i>one</i>",
        "risk": "high",
    }
    stages = (Stage(("slack:#soc", "ana"), 900.0), Stage(("leads",), 5_400.0))
    one = Approval(
        derived_id("shown"), "e1", "both", 1, "asked", "Both?", (item,), "d" * 64,
        Approvers(groups=("leads",), required=2, excluded=("requester",)), "source:siem", now, stages,
        due_at=now + 5_400_000, stage=1, on_timeout="approve",
    )  # fmt: skip
    store = server.runtime.store

    async def kept() -> None:
        await store._writer.run(lambda db: insert_approvals(db, [one]))
        await store._writer.run(lambda db: db.execute("UPDATE approvals SET told = 2 WHERE id = ?", (one.id,)).rowcount)
        await store.approvals.vote(one.id, Vote("cleo", "approve", now, "slack", "seen <it>"), now)

    server.run(kept())
    page = html.unescape(ben.get(f"/approvals/{one.id}").text)
    for text in (
        '"<b>",\n    2,\n    null',
        "one\ntwo",
        "<dt>number</dt><dd>5</dd>",
        "<dt>yes</dt><dd>true</dd>",
        "<dt>ticket (known later)</dt><dd><code>{{ steps.ticket.output.key }}</code></dd>",
        "Deny <i>one</i>",
        "gone (no longer in soar.yaml)",
        "2 yes; one no settles it",
        "group leads, not the requester",
        "no answer is a yes",
        "<dt>Asked</dt><dd>slack:#soc, ana, for 15m</dd>",
        "<dt>Then</dt><dd>leads, for 90m (now)</dd>",
        "<strong>cleo</strong>: approve, by slack, ",
        "seen <it>",
    ):
        assert text in page, text


def test_alert_text_stays_text(server: Served, ben: httpx.Client) -> None:
    page = ben.get(f"/approvals/{asked(server, title=HOSTILE)}")
    assert html.escape(HOSTILE, quote=False).split(" ")[0] in page.text
    assert "<script" not in page.text
    assert "<img" not in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "<script" not in ben.get("/approvals?view=waiting").text


def test_text_that_turns_around_or_cannot_be_seen_is_written_out(server: Served, ben: httpx.Client) -> None:
    approval = asked(server, title="a\u202eb\x07c\u200bd")
    page = ben.get(f"/approvals/{approval}").text
    assert r"a\u202eb\u0007c\u200bd" in page
    assert "\u202e" not in page


def test_pages_allow_no_scripts_no_frames_and_no_caching(server: Served, ben: httpx.Client) -> None:
    for path in ("/", "/sign-in", "/approvals", f"/approvals/{asked(server)}", "/approvals/none", "/reviews"):
        headers = ben.get(path).headers
        policy = headers["content-security-policy"]
        for rule in ("default-src 'none'", "style-src 'self'", "form-action 'self'", "frame-ancestors 'none'"):
            assert rule in policy
        assert headers["cache-control"] == "no-store"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "same-origin"


def test_the_inbox_tells_mine_from_all_and_from_what_was_decided(server: Served, ben: httpx.Client) -> None:
    two, other = asked(server, "two"), asked(server)
    assert answer(ben, two).status_code == 303
    with signed_in(server, "ana") as ana:
        nothing = ana.get("/approvals")
    assert "Nothing waits for you" in nothing.text
    mine, waiting = ben.get("/approvals").text, ben.get("/approvals?view=waiting").text
    assert (other in mine, two in mine) == (True, False), "what I have answered waits for others"
    assert two in waiting
    assert answer(ben, other, "deny", reason="ours").status_code == 303
    decided = ben.get("/approvals?view=decided").text
    assert other in decided
    assert "denied" in decided
    assert "by ben" in decided
    assert two not in decided


def test_the_inbox_is_paged(server: Served, ben: httpx.Client) -> None:
    made = {asked(server) for _ in range(27)}
    seen: set[str] = set()
    page = ben.get("/approvals?view=waiting")
    while True:
        seen |= set(re.findall(r'href="/approvals/([0-9a-z]{26})"', page.text))
        older = re.search(r'rel="next" href="([^"]+)"', page.text)
        if older is None:
            break
        page = ben.get(html.unescape(older[1]))
    assert made <= seen


@pytest.mark.parametrize(
    ("path", "status"),
    [("/approvals/none", 404), ("/approvals?view=all", 400), ("/approvals?view=waiting&cursor=x", 400)],
)
def test_what_is_not_there_is_a_page_that_says_so(ben: httpx.Client, path: str, status: int) -> None:
    page = ben.get(path)
    assert page.status_code == status
    assert page.headers["content-type"].startswith("text/html")
    assert "Traceback" not in page.text
