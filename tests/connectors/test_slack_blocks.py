"""Whatever a request holds, its message is one that Slack takes, says everything in plain text, and has its buttons."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.slack.blocks import Message, message, reason_form
from soar.model.approval import Vote
from soar.model.notice import Notice, NoticeItem
from soar.rehearsal.servers.slack_limits import SlackRefused, check_content, check_view
from tests.connectors.slack_stage import NONCE, buttons, item, notice, texts

TIME = r"<!date\^\d+\^\{date_num\} \{time_secs\}\|[0-9: UTC-]+>"
OURS = re.compile(rf"(Until|When)\n(no end is set|-|{TIME})|<https?://[^<>|]+\|[A-Za-z: ]+>")
"""All that is not plain text: our own times, and the link to our own page."""
ACTING = [
    "@here",
    "<!channel>",
    "<!here|x>",
    "<@U01>",
    "<https://evil.example|bank>",
    "*bold* _it_ `code`",
    ":fire:",
    "&lt;",
]


def content(made: Message) -> dict[str, Any]:
    return {"text": made.text, "blocks": made.blocks}


def every_text(value: Any) -> list[dict[str, Any]]:
    if isinstance(value, dict):
        own = [value] if value.get("type") in ("plain_text", "mrkdwn") else []
        return own + [found for inner in value.values() for found in every_text(inner)]
    return [found for inner in value for found in every_text(inner)] if isinstance(value, list) else []


def is_sound(made: Message, *, pressed: bool) -> None:
    check_content(content(made), updated=True)
    assert buttons(content(made)) == (["soar_approve", "soar_deny"] if pressed else [])
    for text in every_text(made.blocks):
        assert text["emoji"] is False if text["type"] == "plain_text" else OURS.fullmatch(text["text"])
    assert set("<>").isdisjoint(made.text)


class Long(str):
    """A long text with a short name, for what Hypothesis tells of a failure."""

    __slots__ = ("told",)

    @classmethod
    def of(cls, part: str, times: int) -> Long:
        made = cls(part * times)
        made.told = f"{part!r} * {times}"
        return made

    def __repr__(self) -> str:
        return str(self.told)


ANY = st.one_of(
    st.text(max_size=60),
    st.sampled_from(ACTING),
    st.builds(Long.of, st.text(min_size=1, max_size=6), st.integers(1, 4_000)),
)
VALUES = st.one_of(
    ANY, st.none(), st.integers(), st.booleans(), st.lists(ANY, max_size=3), st.dictionaries(ANY, ANY, max_size=2)
)
ITEMS = st.builds(
    NoticeItem,
    path=ANY,
    action=ANY,
    where=ANY,
    effect=ANY,
    undo=ANY,
    risk=st.sampled_from(["low", "medium", "high", ""]),
    values=st.dictionaries(ANY, VALUES, max_size=4),
    open=st.dictionaries(ANY, ANY, max_size=2),
    held=ANY,
)
INSTANTS = st.integers(0, 4_000_000_000_000)
NOTICES = st.builds(
    Notice,
    approval_id=ANY,
    nonce=st.just(NONCE),
    state=st.sampled_from(["asking", "asked", "approved", "denied", "expired", "voided", "withdrawn"]),
    title=ANY,
    playbook_id=ANY,
    execution_id=ANY,
    requester=ANY,
    approvers=ANY,
    required=st.integers(1, 9),
    asked_at=INSTANTS,
    due_at=st.none() | INSTANTS,
    on_timeout=st.sampled_from(["reject", "approve"]),
    digest=ANY,
    items=st.lists(ITEMS, max_size=4).map(tuple),
    votes=st.lists(
        st.builds(Vote, person=ANY, decision=st.sampled_from(["approve", "deny"]), at=INSTANTS, channel=st.just("cli")),
        max_size=4,
    ).map(tuple),
    stage=st.integers(0, 2),
    settled_at=st.none() | INSTANTS,
    settled_by=st.none() | ANY,
    reason=st.none() | ANY,
    link=st.none() | ANY | ANY.map("https://soar.example.com/{}".format),
    repeated=st.booleans(),
)


@settings(deadline=None, max_examples=100, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(NOTICES, st.sampled_from([1, 1, 7, 100]))
def test_d09_d11_any_request_is_a_message_that_slack_takes_with_both_buttons(asked: Notice, times: int) -> None:
    asked = replace(asked, items=asked.items * times)  # D09 D11
    is_sound(message(asked, buttons=True), pressed=asked.open)
    is_sound(message(asked, buttons=False), pressed=False)


def test_what_there_is_to_know_is_shown() -> None:
    votes = (Vote("ana", "approve", 1_767_225_700_000, "slack"),)
    held = item(
        held="held since 2026-01-01", open={"zone": "steps.look.output.zone"}, values={"ip": "203.0.113.9", "n": 7}
    )
    shown = texts(content(message(notice(votes=votes, items=(held,), stage=1, repeated=True), buttons=True)))
    for part in (
        "Approval needed (escalated)",
        "Block 203.0.113.9?",
        "Playbook\nstolen-token",
        "Asked by\nalert:01JALERT",
        "Who may answer\ngroup soc-analysts",
        "Yeses\n1 of 2: ana",
        "Until\n<!date^1767226500^{date_num} {time_secs}|2026-01-01 00:15:00 UTC>",
        "No answer\ncounts as a no",
        "1. gateway.block_ip (medium risk)",
        "Deny every request from one client address: 203.0.113.9",
        "Where: gateway (caddy, zone dmz)",
        "Taken back: lifts itself after 24h",
        "Held already: held since 2026-01-01",
        "ip\n203.0.113.9",
        "n\n7",
        "zone\nknown only later: steps.look.output.zone",
        "digest abababababab",
        "may stand here too, without buttons",
    ):
        assert part in shown
    assert "Shortened" not in shown


def test_silence_that_counts_as_a_yes_says_so() -> None:
    assert "No answer\ncounts as a yes" in texts(content(message(notice(on_timeout="approve"), buttons=True)))


@pytest.mark.parametrize(
    ("state", "headline"),
    [
        ("approved", "Approved"),
        ("denied", "Denied"),
        ("expired", "Expired: nobody answered in time"),
        ("voided", "Void: what it was about has changed"),
        ("withdrawn", "Withdrawn: no answer is needed any more"),
    ],
)
def test_a_settled_request_says_how_it_was_settled(state: str, headline: str) -> None:
    settled = notice(state=state, settled_at=1_767_226_000_000, settled_by="person:ana", reason="seen\nby hand")
    made = message(settled, buttons=True)
    is_sound(made, pressed=False)
    shown = texts(content(made))
    assert shown.startswith(headline)
    assert "Decided by\nana" in shown
    assert "Reason: seen\nby hand" in shown
    assert "Until" not in shown


def test_a_silence_that_decided_is_not_a_person() -> None:
    settled = notice(state="approved", settled_at=1_767_226_000_000, settled_by="policy", on_timeout="approve")
    assert "Decided by\npolicy, as nobody had answered in time" in texts(content(message(settled, buttons=True)))


def test_the_buttons_carry_the_nonce_and_nothing_else() -> None:
    [row] = [block for block in message(notice(), buttons=True).blocks if block["type"] == "actions"]
    approve, deny, page = row["elements"]
    assert (approve["value"], deny["value"], "value" in page) == (NONCE, NONCE, False)
    assert (approve["style"], deny["style"]) == ("primary", "danger")
    assert page["url"] == "https://soar.example.com/approvals/01JAPPROVAL"
    assert "confirm" not in approve


def test_a_high_risk_is_confirmed_by_name() -> None:
    risky = notice(items=(item(risk="high"), item(action="identity.disable_user", risk="high"), item(risk="low")))
    [row] = [block for block in message(risky, buttons=True).blocks if block["type"] == "actions"]
    asked = row["elements"][0]["confirm"]["text"]["text"]
    assert asked == "2 of 3 actions can do great harm: gateway.block_ip, identity.disable_user"
    assert "confirm" not in row["elements"][1]


def test_without_buttons_the_page_is_still_linked() -> None:
    shown = texts(content(message(notice(), buttons=False)))
    assert "<https://soar.example.com/approvals/01JAPPROVAL|Open in browser>" in shown


def test_d09_a_question_of_20000_characters_is_shortened_and_says_where_all_of_it_stands() -> None:  # D09
    log = "".join(f"{number:05d} GET /accounts 200 <&>\n" for number in range(1_000))[:20_000]
    made = message(notice(title=f"Block?\n{log}"), buttons=True)
    is_sound(made, pressed=True)
    link = "<https://soar.example.com/approvals/01JAPPROVAL|Shortened to fit into Slack: read all of it>"
    assert link in texts(content(made))
    assert "ip\n203.0.113.9" in texts(content(made))
    without = texts(content(message(notice(title=log, link=None), buttons=True)))
    assert "`soar approvals show 01JAPPROVAL` shows all of it" in without


@pytest.mark.parametrize("letter", ["x", "д", "語", "é", "e\u0301", "👩‍💻", "🇩🇪", "&", "<", '"', "\n"])
def test_d11_120_fields_around_every_limit(letter: str) -> None:  # D11
    """Each field is shown, or it is said that something is missing; ten at most to a section."""
    for length in (1, 20, 79, 80, 81, 300, 1_999, 2_000, 2_001):
        fields = {f"field_{number:03d}": letter * length for number in range(120)}
        made = message(notice(items=(item(values=fields),)), buttons=True)
        is_sound(made, pressed=True)
        shown = texts(content(made))
        assert all(name in shown for name in fields) or "Shortened" in shown
        for part in shown.splitlines():
            assert not part.endswith(("\u200d…", "🇩…"))
        if length <= 20 and letter in "xд":
            assert shown.count(letter * length) >= 120
            assert "Shortened" not in shown


def test_many_actions_are_all_named_before_their_values_are() -> None:
    for count in (12, 40, 120):
        many = tuple(
            item(action=f"gateway.block_{number}", values={"ip": f"203.0.113.{number}"}) for number in range(count)
        )
        made = message(notice(items=many), buttons=True)
        is_sound(made, pressed=True)
        shown = texts(content(made))
        assert all(f"gateway.block_{number} " in shown for number in range(count))
    for count in range(40, 70):
        bare = tuple(
            NoticeItem(path="", action=f"a.b{number}", where="", effect="", undo="", risk="") for number in range(count)
        )
        made = message(notice(items=bare, link=None), buttons=True)
        is_sound(made, pressed=True)
        assert all(f"{number + 1}. a.b{number}" in texts(content(made)) for number in range(count))
    made = message(notice(items=tuple(item(action=f"gateway.block_{number}") for number in range(2_000))), buttons=True)
    is_sound(made, pressed=True)
    assert re.search(r"… and 1\d\d\d more actions, 2000 in all", texts(content(made)))


@pytest.mark.parametrize("text", ACTING)
def test_nothing_from_an_alert_acts(text: str) -> None:
    asked = notice(
        title=text, items=(item(effect=text, values={text: text}, open={text: text}, held=text),), approvers=text
    )
    made = message(asked, buttons=True)
    is_sound(made, pressed=True)
    assert texts(content(made)).count(text) >= 7


@pytest.mark.parametrize(
    "link",
    [
        "javascript:alert(1)",
        "https://x|y>",
        "https://x/ö",
        "https://x/" + "a" * 4_000,
        "https://x/<!channel>",
        "https://x/ <",
    ],
)
def test_a_link_that_is_none_is_left_out(link: str) -> None:
    for asked in (notice(link=link), notice(link=link, title="x" * 9_000)):
        made = message(asked, buttons=True)
        is_sound(made, pressed=True)
        assert link[:20] not in str(made.blocks)


def test_a_nonce_that_no_button_carries_is_an_error_not_a_dead_button() -> None:
    for nonce in ("", "n" * 256):
        with pytest.raises(ValueError, match="cannot carry"):
            message(notice(nonce=nonce), buttons=True)
    assert message(notice(nonce=""), buttons=False).blocks


def test_the_form_is_one_that_slack_takes_and_asks_for_a_reason() -> None:
    form = reason_form({"nonce": NONCE, "channel": "C01", "ts": "1.000001"})
    check_view(form)
    [block] = form["blocks"]
    assert (block["optional"], block["element"]["multiline"]) == (False, True)
    assert (block["element"]["min_length"], block["element"]["max_length"]) == (1, 2_000)


@pytest.mark.parametrize(
    ("blocks", "word"),
    [
        ([{"type": "divider"}] * 51, "invalid_blocks"),
        ([{"type": "header", "text": {"type": "plain_text", "text": "x" * 151}}], "invalid_blocks"),
        ([{"type": "header", "text": {"type": "mrkdwn", "text": "x"}}], "invalid_blocks"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x" * 3_001}}], "invalid_blocks"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "👍" * 1_501}}], "invalid_blocks"),
        ([{"type": "section", "text": {"type": "plain_text", "text": ""}}], "invalid_blocks"),
        ([{"type": "section", "fields": [{"type": "plain_text", "text": "x"}] * 11}], "invalid_blocks"),
        ([{"type": "section", "fields": [{"type": "plain_text", "text": "x" * 2_001}]}], "invalid_blocks"),
        ([{"type": "context", "elements": [{"type": "plain_text", "text": "x"}] * 11}], "invalid_blocks"),
        ([{"type": "divider", "block_id": "a"}] * 2, "invalid_blocks"),
        ([{"type": "section", "text": {"type": "plain_text", "text": "x" * 2_900}}] * 5, "msg_blocks_too_long"),
        ({"type": "divider"}, "invalid_blocks_format"),
    ],
)
def test_the_double_refuses_what_slack_refuses(blocks: Any, word: str) -> None:
    with pytest.raises(SlackRefused, match=f"^{word}$"):
        check_content({"text": "x", "blocks": blocks})


@pytest.mark.parametrize(
    "button",
    [
        {"text": {"type": "plain_text", "text": "x" * 76}},
        {"text": {"type": "mrkdwn", "text": "x"}},
        {"value": "x" * 2_001},
        {"action_id": "x" * 256},
        {"action_id": ""},
        {"url": "x" * 3_001},
        {"style": "blue"},
        {"confirm": {"title": {"type": "plain_text", "text": "x" * 101}}},
    ],
)
def test_the_double_refuses_buttons_that_slack_refuses(button: dict[str, Any]) -> None:
    sound = {"type": "button", "action_id": "a", "text": {"type": "plain_text", "text": "x"}}
    check_content({"text": "x", "blocks": [{"type": "actions", "elements": [sound]}]})
    for elements in ([{**sound, **button}], [sound, sound], [{**sound, "action_id": str(n)} for n in range(26)]):
        with pytest.raises(SlackRefused, match="invalid_blocks"):
            check_content({"text": "x", "blocks": [{"type": "actions", "elements": elements}]})
