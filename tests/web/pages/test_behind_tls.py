"""Where people come by HTTPS through a proxy: the cookie is bound to it, and our own forms are known as ours."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.web.pages.browsing import PEOPLE, PLAYBOOKS, asked, standing, token_in
from tests.web.pages.conftest import with_tokens
from tests.web.serving import Served, served

PUBLIC = "https://soar.example.com"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    more = f"{PEOPLE}public_url: {PUBLIC}\nsign_in: {{session: 10m}}\n"
    with served(tmp_path_factory.mktemp("tls"), more=more, playbooks=PLAYBOOKS) as one:
        with_tokens(one)
        yield one


def test_the_cookie_is_bound_to_https_and_to_this_host(browser: httpx.Client) -> None:
    name, _, rest = browser.post("/sign-in", data={"token": "token-of-ben"}).headers["set-cookie"].partition("=")
    assert name == "__Host-soar_session"
    value, *words = rest.split("; ")
    assert len(value) >= 43
    assert {word.lower() for word in words} == {"httponly", "max-age=600", "path=/", "samesite=lax", "secure"}


def test_a_cookie_without_the_prefix_is_nobodys(browser: httpx.Client) -> None:
    cookie = browser.post("/sign-in", data={"token": "token-of-ben"}).headers["set-cookie"].partition(";")[0]
    assert browser.get("/approvals", headers={"Cookie": cookie}).status_code == 200
    bare = cookie.removeprefix("__Host-")
    assert browser.get("/approvals", headers={"Cookie": bare}).status_code == 303


@pytest.mark.parametrize(
    ("origin", "status"), [(PUBLIC, 303), ("https://evil.example", 403), ("https://soar.example.com.evil.example", 403)]
)
def test_a_form_is_ours_by_the_address_people_see_whatever_host_the_proxy_names(
    server: Served, browser: httpx.Client, origin: str, status: int
) -> None:
    cookie = browser.post("/sign-in", data={"token": "token-of-ben"}).headers["set-cookie"].partition(";")[0]
    headers = {"Cookie": cookie, "Host": "10.0.0.7:8080"}
    approval = asked(server)
    form = {"form_token": token_in(browser.get(f"/approvals/{approval}", headers=headers)), "decision": "approve"}
    sent = browser.post(f"/approvals/{approval}/decision", data=form, headers={**headers, "Origin": origin})
    assert sent.status_code == status
    assert len(standing(server, approval)["votes"]) == (status == 303)
