"""The `slack` connector: slack-sdk's own client against a double that speaks Slack's protocol."""

from __future__ import annotations

import html
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from aiohttp import web

from connectors.slack.connector import TEXT_LIMIT
from soar.connector.connections import ConnectionSet
from soar.rehearsal.inbox import SlackInbox
from soar.rehearsal.process import free_port
from tests.connectors.contract import Change, ConnectorContract, Subject, call, connected
from tests.connectors.faults import fault_proxy, serving

TOKEN = "xoxb-0123456789-s3cret-of-the-bot"
SOC = "C0000000001"
POST = {"to": "#soc", "text": "203.0.113.9 blocked"}


@pytest.fixture(scope="module")
def inbox() -> Iterator[SlackInbox]:
    with SlackInbox(token=TOKEN, channels={"soc": SOC}, faults=True) as part:
        yield part


@pytest.fixture
async def connections(inbox: SlackInbox) -> AsyncIterator[ConnectionSet]:
    async with connected("slack", {"base_url": inbox.api_url}, {"token": TOKEN}) as connections:
        yield connections


async def posted(connections: ConnectionSet, text: str, **more: str) -> dict[str, Any]:
    done = await connections.perform(call("subject.post_message", {"to": "#soc", "text": text, **more}))
    assert done.output is not None, done.message
    return dict(done.output)


def update(message: dict[str, Any], text: str = "lifted") -> dict[str, Any]:
    return {"channel": message["channel"], "ts": message["ts"], "text": text}


def last(inbox: SlackInbox) -> dict[str, Any]:
    return inbox.messages()[-1]


class TestSlack(ConnectorContract):
    @pytest.fixture
    async def subject(self, inbox: SlackInbox, connections: ConnectionSet) -> AsyncIterator[Subject]:
        message = await posted(connections, "to be changed")

        async def messages() -> int:
            return len(inbox.messages())

        async def edited() -> int:
            return sum(entry["ts"] == message["ts"] and "edited" in entry for entry in inbox.messages())

        async with (
            fault_proxy(inbox.base_url) as proxy,
            connected("slack", {"base_url": f"{proxy.url}/api/"}, {"token": TOKEN}) as behind,
        ):
            bad_posts: list[dict[str, Any]] = [{"to": "", "text": "x"}, {"to": "#soc", "text": ""}, {"to": "#soc"}]
            bad_updates = [{**update(message), "ts": ""}, {**update(message), "text": ""}, {"text": "x"}]
            yield Subject(
                behind,
                changes=[
                    Change("subject.post_message", POST, messages, bad_posts),
                    Change("subject.update_message", update(message), edited, bad_updates),
                ],
                faults=proxy,
                secrets=[TOKEN],
            )


async def test_a_message_is_posted_answered_and_changed(connections: ConnectionSet, inbox: SlackInbox) -> None:
    first = await posted(connections, "contained")
    reply = await posted(connections, "by whom?", thread=first["ts"])
    assert (first["channel"], last(inbox)["thread_ts"]) == (SOC, first["ts"])
    changed = await connections.perform(call("subject.update_message", update(first)))
    assert changed.output == first
    texts = {message["ts"]: message["text"] for message in inbox.messages()}
    assert (texts[first["ts"]], texts[reply["ts"]]) == ("lifted", "by whom?")


@pytest.mark.parametrize(
    "text",
    [
        "@here @channel @everyone @ana #soc",
        "<!here> <!channel> <!everyone> <!subteam^S012345>",
        "<@U012345> wrote in <#C012345>",
        "<https://evil.example/login|https://bank.example>",
        "&lt;!here&gt; &amp;lt;!here&amp;gt;",
        "*bold* _italic_ ~struck~ `code` ```block```",
        "> quoted\n>>> and more",
        "• one\n1. two :rotating_light: [x](https://evil.example)",
        "https://evil.example?a=1&b=<2>",
        '{"json": "<\u202e\ud7ff>"}',
    ],
)
async def test_text_from_an_alert_reaches_slack_as_plain_text(
    connections: ConnectionSet, inbox: SlackInbox, text: str
) -> None:
    """Slack acts on what stands in `<...>`, on bare names when told to link them, and on formatting unless told not."""
    message = await posted(connections, text)
    sent = last(inbox)
    await connections.perform(call("subject.update_message", update(message, text)))
    for shown in (sent, last(inbox)):
        assert set("<>").isdisjoint(shown["text"])
        assert html.unescape(shown["text"]) == text
        assert (shown["parse"], shown["link_names"], shown["mrkdwn"]) == ("none", False, False)
    assert (sent["unfurl_links"], sent["unfurl_media"]) == (False, False)


async def test_formatting_works_where_the_operator_wants_it_and_mentions_never(inbox: SlackInbox) -> None:
    settings = {"base_url": inbox.api_url, "formatting": True}
    async with connected("slack", settings, {"token": TOKEN}) as connections:
        await posted(connections, "*bold* <!here>")
    assert (last(inbox)["mrkdwn"], last(inbox)["text"]) == (True, "*bold* &lt;!here&gt;")


async def test_a_long_text_is_cut_before_it_is_escaped(connections: ConnectionSet, inbox: SlackInbox) -> None:
    await posted(connections, "<" * (TEXT_LIMIT + 1))
    assert last(inbox)["text"] == "&lt;" * (TEXT_LIMIT - 1) + "…"


@pytest.mark.parametrize("letter", ["x", "<", "語", "👩‍💻"])
async def test_what_a_message_is_changed_to_is_cut_to_the_bytes_that_slack_takes(
    connections: ConnectionSet, inbox: SlackInbox, letter: str
) -> None:
    """The double refuses more than 4,000 of them."""
    message = await posted(connections, "before")
    changed = await connections.perform(call("subject.update_message", update(message, letter * 5_000)))
    assert changed.kind == "done", changed.message
    shown = html.unescape(last(inbox)["text"])
    assert shown == letter * ((len(shown) - 1) // len(letter)) + "…"
    assert len(last(inbox)["text"].encode()) > 3_900


@pytest.mark.parametrize(
    ("fault", "kind", "said"),
    [
        ({"error": "channel_not_found"}, "refused", "invite the bot"),
        ({"error": "not_in_channel"}, "refused", "invite the bot"),
        ({"error": "is_archived"}, "refused", "in use"),
        ({"error": "invalid_auth"}, "refused", "check the secret 'token'"),
        ({"error": "missing_scope"}, "refused", "chat:write"),
        ({"error": "msg_too_long"}, "refused", "msg_too_long"),
        ({"error": "ratelimited"}, "unavailable", "ratelimited"),
        ({"error": "service_unavailable"}, "unavailable", "service_unavailable"),
        ({"error": "internal_error"}, "unknown", "internal_error"),
        ({"error": "fatal_error"}, "unknown", "fatal_error"),
        ({"status": 500, "body": {"ok": False, "error": "boom"}}, "unknown", "500 boom"),
        ({"status": 502, "body": "<html>"}, "unknown", "502"),
        ({"status": 429, "headers": {"Retry-After": "901"}}, "refused", "longer than the 900 s"),
        ({"drop": True}, "unknown", "lost"),
    ],
)
async def test_slacks_errors_are_sorted(
    connections: ConnectionSet, inbox: SlackInbox, fault: dict[str, Any], kind: str, said: str
) -> None:
    message = await posted(connections, "before")
    for name, inputs in (("post_message", POST), ("update_message", update(message))):
        inbox.fail_next(**fault)
        done = await connections.perform(call(f"subject.{name}", inputs))
        assert (done.kind, said in done.message) == (kind, True), done
        assert TOKEN not in repr(done)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize(("header", "wait"), [("3", 3.0), ("soon", None), (None, None), ("²", None)])
async def test_retry_after_is_handed_on(inbox: SlackInbox, status: int, header: str | None, wait: float | None) -> None:
    async def busy(_: web.Request) -> web.Response:
        headers = {"Retry-After": header} if header else {}
        return web.json_response({"ok": False, "error": "busy"}, status=status, headers=headers)

    async with serving(busy) as url, connected("slack", {"base_url": url}, {"token": TOKEN}) as connections:
        done = await connections.perform(call("subject.post_message", POST))
    assert (done.kind, done.retry_after) == ("unavailable", wait)


async def test_a_wrong_token_is_refused_by_slack_itself_and_not_shown(inbox: SlackInbox) -> None:
    async with connected("slack", {"base_url": inbox.api_url}, {"token": "xoxb-wrong-token-1"}) as connections:
        health = await connections.health("subject")
        done = await connections.perform(call("subject.post_message", POST))
    assert (health.ok, done.kind) == (False, "refused")
    assert "invalid_auth" in health.detail
    assert "xoxb-wrong" not in repr((health, done))


async def test_a_channel_or_message_that_is_not_there_is_refused(connections: ConnectionSet) -> None:
    post = await connections.perform(call("subject.post_message", {**POST, "to": "#nowhere"}))
    gone = {"channel": SOC, "ts": "1.000001", "text": "x"}
    changed = await connections.perform(call("subject.update_message", gone))
    assert (post.kind, "channel_not_found" in post.message) == ("refused", True)
    assert (changed.kind, "message_not_found" in changed.message) == ("refused", True)


async def test_slack_that_is_down_is_unavailable() -> None:
    url = f"http://127.0.0.1:{free_port()}/api/"
    async with connected("slack", {"base_url": url}, {"token": TOKEN}) as connections:
        done = await connections.perform(call("subject.post_message", POST))
    assert (done.kind, "nothing was sent" in done.message) == ("unavailable", True)


async def test_h01_a_lost_post_is_not_repeated_unless_wanted_and_then_says_so(inbox: SlackInbox) -> None:  # H01
    """The client itself must not repeat either: slack-sdk does by default."""
    for repeat in (False, True):
        settings = {"base_url": inbox.api_url, "repeat_lost_posts": repeat}
        async with connected("slack", settings, {"token": TOKEN}) as connections:
            assert connections.spec("subject.post_message").idempotent is repeat
            before = len(inbox.messages())
            inbox.fail_next(drop=True)
            lost = await connections.perform(call("subject.post_message", POST))
            assert (lost.kind, len(inbox.messages())) == ("unknown", before + 1)
            assert (await connections.verify(call("subject.post_message", POST))).kind == "unknown"
    async with connected("slack", settings, {"token": TOKEN}) as connections:
        second = call("subject.post_message", POST)
        await connections.perform(type(second)(*(second.name, POST, second.key, "execution-1", "tell", 2, 10.0)))
    assert last(inbox)["text"] == f"{POST['text']}\n(try 2: this may stand here twice)"
