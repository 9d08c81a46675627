"""The `roundup` connector against a real Roundup tracker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx
import pytest
from aiohttp import web

from soar.connector.connections import ConnectionSet
from soar.rehearsal.process import free_port
from soar.rehearsal.tracker import Tracker
from tests.connectors.contract import Change, ConnectorContract, Subject, call, connected
from tests.connectors.faults import FaultProxy, serving
from tests.connectors.gate import gate_proxy

PASSWORD = "tracker+passw0rd/9"
OURS = {"username": "soar", "password": PASSWORD}
TICKET = {"title": "Token replay from 203.0.113.9", "body": "Three requests with one token.\nSeen at 10:02."}
WRITES = "POST PUT PATCH DELETE"


@pytest.fixture(scope="module")
def tracker() -> Iterator[Tracker]:
    with Tracker(username="soar", password=PASSWORD) as part:
        yield part


@pytest.fixture
async def connections(tracker: Tracker) -> AsyncIterator[ConnectionSet]:
    async with connected("roundup", {"base_url": tracker.base_url}, OURS) as connections:
        yield connections


@pytest.fixture
def issue(tracker: Tracker) -> str:
    """The number of a fresh issue that somebody opened by hand."""
    return str(write(tracker, "POST", "issue", {"title": "opened by hand"})["id"])


def write(tracker: Tracker, method: str, resource: str, body: dict[str, Any], etag: str = "") -> dict[str, Any]:
    """One change as a person with a REST client makes it."""
    answer = httpx.request(
        method,
        f"{tracker.base_url}/rest/data/{resource}",
        json=body,
        auth=(tracker.username, PASSWORD),
        headers={
            "X-Requested-With": "rest",
            "Origin": tracker.base_url,
            "Referer": f"{tracker.base_url}/",
            **({"If-Match": etag} if etag else {}),
        },
        timeout=10,
    )
    return dict(answer.raise_for_status().json()["data"])


def retitle(tracker: Tracker, issue: str, title: str) -> None:
    write(tracker, "PATCH", f"issue/{issue}", {"title": title}, tracker.read(f"issue/{issue}")["@etag"])


def listed(tracker: Tracker) -> list[dict[str, Any]]:
    return list(tracker.read("issue", **{"@fields": "title"})["collection"])


def attributes(tracker: Tracker, issue: str) -> dict[str, Any]:
    return dict(tracker.read(f"issue/{issue}")["attributes"])


def comments(tracker: Tracker, issue: str) -> list[str]:
    return [tracker.message(message["id"]) for message in attributes(tracker, issue)["messages"]]


def status(tracker: Tracker, issue: str) -> str:
    return str(tracker.read(f"issue/{issue}", **{"@fields": "status.name"})["attributes"]["status.name"])


class TestRoundup(ConnectorContract):
    @pytest.fixture
    async def subject(self, tracker: Tracker, issue: str) -> AsyncIterator[Subject]:
        async def tickets() -> int:
            return [entry["title"] for entry in listed(tracker)].count(title)

        async def written() -> int:
            return len(comments(tracker, issue))

        async def closed() -> int:
            return int(status(tracker, issue) == "resolved")

        title = f"{TICKET['title']} for issue{issue}"
        new = {**TICKET, "title": title}
        comment = {"ticket": f"issue{issue}", "body": "seen"}
        bad_tickets = [{"ticket": value} for value in ("", "issue", "msg1", "1; drop", "../user/1", "-1", "1.5", None)]
        bad_comments = [{**bad, "body": "x"} for bad in bad_tickets] + [{"ticket": issue, "body": ""}]
        bad_new: list[dict[str, Any]] = [{"title": "", "body": "x"}, {"title": "x"}, {"title": "x", "body": ""}]
        async with (
            gate_proxy(tracker.base_url, r"data/issue") as proxy,
            connected("roundup", {"base_url": proxy.url, "web_url": tracker.base_url}, OURS) as connections,
        ):
            yield Subject(
                connections,
                changes=[
                    Change("subject.create_ticket", new, tickets, bad_new, f"create-{issue}"),
                    Change("subject.add_comment", comment, written, bad_comments, f"say-{issue}"),
                    Change("subject.close_ticket", {"ticket": issue}, closed, bad_tickets, f"close-{issue}"),
                ],
                faults=proxy,
                secrets=[PASSWORD],
                patience=1,
            )


async def test_a_ticket_is_opened_said_more_about_and_closed(connections: ConnectionSet, tracker: Tracker) -> None:
    opened = await connections.perform(call("subject.create_ticket", TICKET, "life-1"))
    assert opened.output is not None, opened.message
    key = opened.output["key"]
    number = key.removeprefix("issue")
    assert opened.output["url"] == f"{tracker.base_url}/{key}"
    said = await connections.perform(
        call("subject.add_comment", {"ticket": key, "body": "<b>ünïcode</b> & 漢字"}, "life-2")
    )
    assert said.kind == "done", said.message
    again = await connections.perform(call("subject.close_ticket", {"ticket": key}, "life-3"))
    assert again.output == {"key": key, "status": "resolved"}
    assert attributes(tracker, number)["title"] == TICKET["title"]
    assert comments(tracker, number) == [TICKET["body"], "<b>ünïcode</b> & 漢字"]
    assert status(tracker, number) == "resolved"


async def test_two_calls_are_two_tickets_and_one_call_is_one(connections: ConnectionSet, tracker: Tracker) -> None:
    before = len(listed(tracker))
    for key in ("pair-1", "pair-2", "pair-1", "pair-2", "PAIR-1"):  # Roundup searches without regard to case, we do not
        assert (await connections.perform(call("subject.create_ticket", TICKET, key))).kind == "done"
    assert len(listed(tracker)) == before + 3


@pytest.mark.parametrize("action", ["create_ticket", "add_comment", "close_ticket"])
async def test_h01_a_lost_answer_is_found_and_never_doubled(
    connections: ConnectionSet, tracker: Tracker, issue: str, action: str
) -> None:  # H01
    inputs = {"add_comment": {"ticket": issue, "body": "once"}, "close_ticket": {"ticket": issue}}
    asked = call(f"subject.{action}", inputs.get(action, TICKET), f"lost-{action}-{issue}")
    before = len(listed(tracker))
    async with (
        gate_proxy(tracker.base_url, r"data/issue") as proxy,
        connected("roundup", {"base_url": proxy.url, "web_url": tracker.base_url}, OURS) as behind,
    ):
        proxy.set("lost", only=WRITES)
        assert (await behind.perform(asked)).kind == "unknown"
        proxy.clear()
        told = await behind.verify(asked)
        assert told.kind == "done"
        repeated = await behind.perform(asked)
        assert repeated.output == told.output
    assert len(listed(tracker)) == before + (action == "create_ticket")
    assert comments(tracker, issue) == (["once"] if action == "add_comment" else [])


async def test_a_draft_whose_ticket_never_came_is_used_by_the_repeat(tracker: Tracker, issue: str) -> None:
    """The message was written, the ticket was not: nothing is there yet, and the repeat writes no second message."""
    asked = call("subject.create_ticket", {**TICKET, "body": f"draft of {issue}"}, f"draft-{issue}")
    before = len(listed(tracker))
    messages = len(tracker.read("msg")["collection"])
    async with (
        gate_proxy(tracker.base_url, r"data/issue") as proxy,
        connected("roundup", {"base_url": proxy.url, "web_url": tracker.base_url}, OURS) as connections,
    ):
        proxy.set("cut", only=WRITES)
        assert (await connections.perform(asked)).kind == "unknown"
        proxy.clear()
        assert (await connections.verify(asked)).kind == "absent"
        assert len(listed(tracker)) == before
        done = await connections.perform(asked)
    assert done.output is not None
    assert comments(tracker, done.output["key"].removeprefix("issue")) == [f"draft of {issue}"]
    assert len(tracker.read("msg")["collection"]) == messages + 1


@pytest.mark.parametrize("action", ["add_comment", "close_ticket"])
async def test_a_ticket_changed_meanwhile_is_read_again(tracker: Tracker, issue: str, action: str) -> None:
    """Between our read and our write somebody else writes: the stale tag is refused (412), both changes stand."""
    others = iter(["changed once", "changed twice"])
    outcome, patches = await among_others(tracker, issue, action, lambda: next(others, None))
    assert (outcome.kind, patches) == ("done", 3)
    assert attributes(tracker, issue)["title"] == "changed twice"
    assert (comments(tracker, issue), status(tracker, issue)) == (
        (["seen"], "chatting") if action == "add_comment" else ([], "resolved")
    )


@pytest.mark.parametrize("action", ["add_comment", "close_ticket"])
async def test_a_ticket_that_never_rests_is_left_for_later(tracker: Tracker, issue: str, action: str) -> None:
    numbers = iter(range(100))
    outcome, patches = await among_others(tracker, issue, action, lambda: f"change {next(numbers)}")
    assert (outcome.kind, patches) == ("unavailable", 5)
    assert "changed by others 5 times" in outcome.message
    assert (comments(tracker, issue), status(tracker, issue)) == ([], "unread")


async def among_others(tracker: Tracker, issue: str, action: str, other: Callable[[], str | None]) -> tuple[Any, int]:
    """One call while somebody else retitles the ticket before each of our writes; how it ended, and our writes."""

    class Meddling(FaultProxy):
        async def handle(self, request: web.Request) -> web.StreamResponse:
            if request.method == "PATCH" and (title := other()):
                await asyncio.to_thread(retitle, tracker, issue, title)
            return await super().handle(request)

    inputs = {"ticket": issue, **({"body": "seen"} if action == "add_comment" else {})}
    proxy = Meddling(tracker.base_url)
    settings = {"web_url": tracker.base_url}
    async with serving(proxy.handle) as url, connected("roundup", {"base_url": url, **settings}, OURS) as connections:
        outcome = await connections.perform(call(f"subject.{action}", inputs, f"among-{action}-{issue}"))
    return outcome, [request.method for request in proxy.seen].count("PATCH")


async def test_comments_of_two_calls_at_once_both_stand(
    connections: ConnectionSet, tracker: Tracker, issue: str
) -> None:
    calls = [call("subject.add_comment", {"ticket": issue, "body": f"c{n}"}, f"both-{n}-{issue}") for n in range(3)]
    assert {done.kind for done in await asyncio.gather(*map(connections.perform, calls))} == {"done"}
    assert sorted(comments(tracker, issue)) == ["c0", "c1", "c2"]


# What Roundup refuses.


async def test_a_ticket_that_is_not_there_is_refused(connections: ConnectionSet, tracker: Tracker) -> None:
    messages = len(tracker.read("msg")["collection"])
    for action, more in (("add_comment", {"body": "x"}), ("close_ticket", {})):
        asked = call(f"subject.{action}", {"ticket": "issue999999", **more}, f"none-{action}")
        done, told = await connections.perform(asked), await connections.verify(asked)
        assert (done.kind, "no issue999999" in done.message) == ("refused", True)
        assert told.kind in ("unknown", "absent")
    assert len(tracker.read("msg")["collection"]) == messages


async def test_a_priority_the_tracker_does_not_have_is_refused_with_its_words(
    connections: ConnectionSet, tracker: Tracker
) -> None:
    before = len(listed(tracker))
    done = await connections.perform(call("subject.create_ticket", {**TICKET, "priority": "galactic"}, "priority-1"))
    assert (done.kind, "galactic" in done.message) == ("refused", True)
    assert len(listed(tracker)) == before
    good = await connections.perform(call("subject.create_ticket", {**TICKET, "priority": "critical"}, "priority-2"))
    assert good.kind == "done", good.message


async def test_a_closing_status_the_tracker_does_not_have_is_unhealthy_and_refused(
    tracker: Tracker, issue: str
) -> None:
    settings = {"base_url": tracker.base_url, "closed_status": "gone"}
    async with connected("roundup", settings, OURS) as connections:
        health = await connections.health("subject")
        done = await connections.perform(call("subject.close_ticket", {"ticket": issue}, f"gone-{issue}"))
    assert (health.ok, "'gone'" in health.detail, "resolved" in health.detail) == (False, True, True)
    assert (done.kind, "gone" in done.message) == ("refused", True)
    assert status(tracker, issue) == "unread"


async def test_a_wrong_password_is_refused_and_not_shown(tracker: Tracker, issue: str) -> None:
    wrong = {**OURS, "password": "wrong-passw0rd"}
    async with connected("roundup", {"base_url": tracker.base_url}, wrong) as connections:
        health = await connections.health("subject")
        done = [
            await connections.perform(call("subject.create_ticket", TICKET, f"wrong-{issue}")),
            await connections.perform(call("subject.close_ticket", {"ticket": issue}, f"wrong-{issue}")),
        ]
    assert not health.ok
    assert {outcome.kind for outcome in done} == {"refused"}
    assert "wrong-passw0rd" not in repr((health, done))
    assert status(tracker, issue) == "unread"


async def test_a_right_that_is_missing_is_refused(tracker: Tracker, issue: str) -> None:
    """`anonymous` may look and not write; without a user of ours the tracker takes us for it."""
    async with connected(
        "roundup", {"base_url": tracker.base_url}, {"username": "anonymous", "password": "none-at-all"}
    ) as connections:
        done = await connections.perform(call("subject.close_ticket", {"ticket": issue}, f"right-{issue}"))
    assert done.kind == "refused", done
    assert status(tracker, issue) == "unread"


async def test_a_tracker_that_is_down_is_unavailable() -> None:
    async with connected("roundup", {"base_url": f"http://127.0.0.1:{free_port()}"}, OURS) as connections:
        done = await connections.perform(call("subject.create_ticket", TICKET, "down-1"))
    assert (done.kind, "nothing was sent" in done.message) == ("unavailable", True)


@pytest.mark.parametrize(
    ("given", "kept"),
    [("one\ntwo\r\n three\t", "one two three"), ("x" * 500, "x" * 199 + "…"), ("[status=resolved] help", None)],
)
async def test_a_title_from_an_alert_is_one_plain_line(
    connections: ConnectionSet, tracker: Tracker, given: str, kept: str | None
) -> None:
    done = await connections.perform(call("subject.create_ticket", {**TICKET, "title": given}, f"title-{given[:3]}"))
    assert done.output is not None, done.message
    number = done.output["key"].removeprefix("issue")
    assert attributes(tracker, number)["title"] == (kept or given)
    assert status(tracker, number) == "unread"
