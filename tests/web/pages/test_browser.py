"""The pages in a real Chromium: at phone width, by keyboard, with double clicks, with alerts that would run."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import httpx
import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, sync_playwright

from soar.rehearsal.programs import find_program
from tests.web.pages.browsing import HOSTILE, answer, asked, standing
from tests.web.serving import Served, until

pytestmark = pytest.mark.parts

CHROMIUM = find_program("chromium")
ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PHONE = {"width": 390, "height": 844}
CONTRAST = """() => {
  const shade = text => { const [r, g, b] = text.match(/[\\d.]+/g).slice(0, 3).map(Number).map(v => v / 255)
    .map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const behind = node => { for (let at = node; at; at = at.parentElement) {
      const color = getComputedStyle(at).backgroundColor;
      const parts = color.match(/[\\d.]+/g).map(Number);
      if (parts.length < 4 || parts[3] === 1) return color; } return 'rgb(255, 255, 255)'; };
  return [...document.querySelectorAll('h1, p, dt, dd, a, button, label, summary')].map(node => {
    const [one, other] = [shade(getComputedStyle(node).color), shade(behind(node))];
    return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05); });
}"""
"""The contrast of every text with what is behind it, as WCAG 2 reckons it."""
UNNAMED = """() => [...document.querySelectorAll('input:not([type=hidden]), textarea, button, a')]
  .filter(node => !(node.labels && node.labels.length) && !node.innerText.trim()).map(node => node.outerHTML)"""
"""What can be operated and has neither a label nor a text."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("chromium is missing: apt install chromium (tests/parts/install.sh)")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium: Browser, server: Served) -> Iterator[Page]:
    """A phone, signed in as ben; whatever a page tries against its rules fails the test."""
    context = chromium.new_context(viewport=PHONE, base_url=server.base)
    one = context.new_page()
    complaints: list[str] = []

    def told(message: ConsoleMessage) -> None:
        if message.type in ("error", "warning") and "Failed to load resource" not in message.text:
            complaints.append(message.text)

    one.on("console", told)
    one.on("dialog", lambda dialog: complaints.append(f"dialog: {dialog.message}"))
    one.goto("/approvals")
    one.get_by_label("Your own token").fill("token-of-ben")
    one.keyboard.press("Enter")
    one.wait_for_url("**/approvals")
    yield one
    context.close()
    assert complaints == []


def fits(page: Page) -> bool:
    """Nothing stands out to the right."""
    return bool(page.evaluate("document.documentElement.scrollWidth <= window.innerWidth"))


def test_pages_fit_a_phone_and_can_be_read(server: Served, page: Page, ben: httpx.Client) -> None:
    answer(ben, asked(server))
    answer(ben, asked(server), "deny", reason="ours")
    approval = asked(server, title="a-word-without-an-end-" * 30)
    for path in (
        "/approvals",
        "/approvals?view=waiting",
        "/approvals?view=decided",
        f"/approvals/{approval}",
        "/reviews",
    ):
        page.goto(path)
        assert fits(page), path
        assert page.evaluate(UNNAMED) == [], path
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            assert min(page.evaluate(CONTRAST)) >= 4.5, (path, scheme)
    page.goto(f"/approvals/{approval}")
    buttons = page.get_by_role("button", name="Approve").bounding_box()
    assert buttons is not None
    assert buttons["height"] >= 44, "large enough for a thumb"


def test_a_double_click_on_approve_is_one_vote(server: Served, page: Page) -> None:
    approval = asked(server, "two")
    page.goto(f"/approvals/{approval}")
    page.get_by_role("button", name="Approve").dblclick(no_wait_after=True)
    page.get_by_text("You have said 'approve' already").wait_for()
    assert [vote["person"] for vote in standing(server, approval)["votes"]] == ["ben"]


def test_a_denial_is_sent_back_for_its_reason_and_then_stands(server: Served, page: Page) -> None:
    approval = asked(server)
    page.goto(f"/approvals/{approval}")
    page.get_by_role("button", name="Deny").click()
    assert "A denial needs a reason" in page.get_by_role("alert").inner_text()
    page.get_by_label("Reason").fill("a partner's address")
    page.get_by_role("button", name="Deny").click()
    page.wait_for_url(f"**/approvals/{approval}")
    assert "a partner's address" in page.inner_text("main")
    assert standing(server, approval)["status"] == "denied"


def test_an_alert_that_would_run_is_text(server: Served, page: Page) -> None:
    page.goto(f"/approvals/{asked(server, title=HOSTILE)}")
    assert HOSTILE in page.inner_text("h1")
    assert page.locator("script, img, iframe").count() == 0


def test_all_of_it_works_by_keyboard(server: Served, page: Page) -> None:
    approval = asked(server)
    page.goto(f"/approvals/{approval}")
    for _ in range(30):
        page.keyboard.press("Tab")
        if page.evaluate("document.activeElement.innerText") == "Approve":
            break
    assert page.evaluate("getComputedStyle(document.activeElement).outlineStyle") == "solid"
    page.keyboard.press("Enter")
    until(lambda: standing(server, approval)["status"] == "approved", "the yes")


def test_the_back_button_after_deciding_sends_nothing_again(server: Served, page: Page) -> None:
    approval = asked(server, "two")
    page.goto(f"/approvals/{approval}")
    page.get_by_role("button", name="Approve").click()
    page.wait_for_url(f"**/approvals/{approval}")
    page.go_back()
    page.reload()
    assert len(standing(server, approval)["votes"]) == 1
