"""People sign in with a token of their own, for a short while; no link does it."""

from __future__ import annotations

import hashlib

import httpx
import pytest

from soar.clock import SystemClock
from soar.store import Session
from tests.web.pages.browsing import asked
from tests.web.serving import Served


def test_without_a_session_one_is_led_to_the_form_and_back(server: Served, browser: httpx.Client) -> None:
    approval = asked(server)
    led = browser.get(f"/approvals/{approval}")
    assert (led.status_code, led.headers["location"]) == (303, f"/sign-in?next=%2Fapprovals%2F{approval}")
    form = browser.get(led.headers["location"])
    assert f'name="next" value="/approvals/{approval}"' in form.text
    back = browser.post("/sign-in", data={"token": "token-of-ben", "next": f"/approvals/{approval}"})
    assert (back.status_code, back.headers["location"]) == (303, f"/approvals/{approval}")
    cookie = back.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=lax" in cookie
    assert "token-of-ben" not in cookie
    assert browser.get(back.headers["location"]).status_code == 200


@pytest.mark.parametrize(
    ("token", "why"),
    [
        ("wrong", "unknown or was revoked"),
        ("", "unknown or was revoked"),
        ("soar_viewer_QmX2f7ZkVb91", "program&#39;s token"),
        ("token-of-dora", "no longer in `people`"),
    ],
)
def test_who_is_nobody_is_told_why(browser: httpx.Client, token: str, why: str) -> None:
    refused = browser.post("/sign-in", data={"token": token})
    assert refused.status_code == 403
    assert why in refused.text
    assert "set-cookie" not in refused.headers


@pytest.mark.parametrize(
    "wanted",
    [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/",
        "javascript:alert(1)",
        "/%0d%0aSet-Cookie:x",
        "\t//x",
        "%2f%2fevil.example",
        "/.//evil.example",
        "https:evil.example",
    ],
)
def test_after_signing_in_one_stays_on_this_site(browser: httpx.Client, wanted: str) -> None:
    led = browser.post("/sign-in", data={"token": "token-of-ben", "next": wanted})
    target = led.headers["location"]
    assert led.status_code == 303
    assert target == "/approvals" or (target.startswith("/") and not target.startswith(("//", "/\\")))


def test_no_link_signs_in(browser: httpx.Client) -> None:
    page = browser.get("/sign-in", params={"token": "token-of-ben"})
    assert page.status_code == 200
    assert "set-cookie" not in page.headers
    assert browser.get("/approvals").status_code == 303


def test_signing_out_ends_the_session_for_good(server: Served, ben: httpx.Client) -> None:
    cookie = ben.cookies["soar_session"]
    assert ben.post("/sign-out", data={}).status_code == 303
    ben.cookies.set("soar_session", cookie)
    assert ben.get("/approvals").status_code == 303


def test_a_session_ends_with_its_token(server: Served) -> None:
    store, now = server.runtime.store, SystemClock().now()
    digest = hashlib.sha256(b"token-of-a-guest-chair").hexdigest()
    server.run(store.tokens.create("chair", "person", digest, now, person="cleo"))
    with httpx.Client(base_url=server.base) as client:
        client.post("/sign-in", data={"token": "token-of-a-guest-chair"})
        assert client.get("/approvals").url.path == "/approvals"
        server.run(store.tokens.revoke("chair", now))
        assert client.get("/approvals", follow_redirects=False).status_code == 303


def test_a_session_ends_with_its_time(server: Served, ben: httpx.Client, monkeypatch: pytest.MonkeyPatch) -> None:
    assert ben.get("/approvals").status_code == 200
    later = SystemClock().now() + 3_600_001
    monkeypatch.setattr(server.runtime.clock, "now", lambda: later)
    assert ben.get("/approvals").status_code == 303


def test_a_session_ends_when_its_person_is_no_longer_in_the_file(server: Served, browser: httpx.Client) -> None:
    store, now = server.runtime.store, SystemClock().now()
    [token] = [one for one in server.run(store.tokens.list()) if one.name == "dora"]
    session = Session("dora", token.id, now, now + 60_000)
    server.run(store.sessions.open(hashlib.sha256(b"of-dora").hexdigest(), session))
    led = browser.get("/approvals", headers={"Cookie": "soar_session=of-dora"})
    assert (led.status_code, led.headers["location"]) == (303, "/sign-in?next=%2Fapprovals")


def test_signing_in_again_ends_the_session_before(browser: httpx.Client) -> None:
    browser.post("/sign-in", data={"token": "token-of-ben"})
    first = browser.cookies["soar_session"]
    browser.post("/sign-in", data={"token": "token-of-ben"})
    assert browser.get("/approvals").status_code == 200
    browser.cookies.clear()
    assert browser.get("/approvals", headers={"Cookie": f"soar_session={first}"}).status_code == 303
