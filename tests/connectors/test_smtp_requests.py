"""Requests by e-mail: what a mail says and never carries, and that no alert writes a header or a line of it."""

from __future__ import annotations

import re
from dataclasses import replace
from email.message import EmailMessage
from html.parser import HTMLParser
from typing import Any

import pytest

from connectors.smtp.text import lines, one_line
from soar.connector.connections import ConnectionSet
from soar.model.approval import Vote
from soar.model.notice import Notice, NoticeItem, Place
from tests.connectors.contract import connected
from tests.connectors.smtp_part import MailPart, mail_server

LINK = "https://soar.example.com/approvals/appr-1"
ITEM = NoticeItem(
    path="contain/block",
    action="gateway.block_ip",
    where="gateway (haproxy, zone dmz)",
    effect="Refuse every request from one client address or network: 203.0.113.9",
    undo="lifts itself after 24h",
    risk="medium",
    values={"ip": "203.0.113.9", "reason": "Token replay"},
    open={"zone": "steps.look.output.zone"},
    held="held since 2026-01-01T00:00:00Z",
)
NOTICE = Notice(
    approval_id="appr-1",
    nonce="nonce-1",
    state="asking",
    title="Contain c-42?",
    playbook_id="stolen-token",
    execution_id="exec-1",
    requester="source:siem",
    approvers="group soc",
    required=2,
    asked_at=1_767_225_600_000,
    due_at=1_767_226_500_000,
    on_timeout="reject",
    digest="d" * 64,
    items=(ITEM,),
    votes=(Vote("ana", "approve", 1_767_225_601_000, "web"),),
    link=LINK,
)


async def posted(connections: ConnectionSet, notice: Notice, thread: Place | None = None) -> Place:
    channel = connections.channel("subject")
    return await connections.carry("subject", lambda: channel.post(notice, "soc@example.com", thread), changes=True)


async def told(connections: ConnectionSet, text: str, thread: Place | None = None) -> Place:
    channel = connections.channel("subject")
    return await connections.carry("subject", lambda: channel.tell(text, "soc@example.com", thread), changes=True)


def settings(part: MailPart, **more: Any) -> dict[str, Any]:
    return {"host": "127.0.0.1", "port": part.port, "sender": "soar@example.com", "security": "none", **more}


async def mailed(notice: Notice, **more: Any) -> EmailMessage:
    async with mail_server() as part, connected("smtp", settings(part, **more)) as connections:
        await posted(connections, notice)
        (mail,) = part.mails
        assert part.taken[0].rcpt_tos == ["soc@example.com"]
        return mail


def text_of(mail: EmailMessage) -> str:
    body = mail.get_body(("plain",))
    assert body is not None
    return str(body.get_content()).replace("\r\n", "\n")


def html_of(mail: EmailMessage) -> str:
    body = mail.get_body(("html",))
    assert body is not None
    return str(body.get_content())


class Tags(HTMLParser):
    """Which elements a page has, and where its links lead."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.names: list[str] = []
        self.links: list[str | None] = []
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.names.append(tag)
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]


async def test_a_mail_says_what_would_be_done_until_when_and_who_may_answer() -> None:
    mail = await mailed(NOTICE)
    assert mail["Subject"] == "Approval asked: Contain c-42?"
    shown = [text_of(mail), html_of(mail)]
    facts = ["gateway.block_ip", "203.0.113.9", "lifts itself after 24h", "medium", "gateway (haproxy, zone dmz)"]
    facts += ["2026-01-01 00:15:00 UTC", "counts as a no", "group soc", "2 yeses are needed", "ana: yes"]
    facts += ["steps.look.output.zone", "held since", "stolen-token", "exec-1", "appr-1", "d" * 64]
    for fact in facts:
        assert all(fact in text for text in shown), fact


async def test_d01_a_mail_carries_the_link_and_never_the_power() -> None:
    mail = await mailed(NOTICE)
    page = Tags(html_of(mail))
    assert page.links == [LINK]
    assert set(page.names) == {"html", "head", "meta", "body", "p", "strong", "a", "ul", "li"}
    whole = text_of(mail) + html_of(mail) + str(mail.items())
    assert "nonce-1" not in whole and set(re.findall(r"https?://[^\s\"<]+", whole)) == {LINK}


async def test_without_a_public_address_the_mail_says_how_to_answer() -> None:
    mail = await mailed(replace(NOTICE, link=None))
    assert "soar approve appr-1" in text_of(mail) and Tags(html_of(mail)).links == []


async def test_an_escalated_and_a_repeated_request_say_so() -> None:
    mail = await mailed(replace(NOTICE, stage=1, repeated=True))
    assert str(mail["Subject"]).startswith("Approval still wanted") and "may have come twice" in text_of(mail)


HEADERS = {b"From", b"To", b"Subject", b"Date", b"Message-ID", b"Auto-Submitted", b"X-Auto-Response-Suppress"}
HEADERS |= {b"MIME-Version", b"Content-Type", b"Content-Transfer-Encoding"}
ATTACKS = [
    "Contain?\r\nBcc: attacker@example.net\r\n\r\nLook here: https://evil.example",
    "Contain?\n.\nMAIL FROM:<x@example.net>\nRCPT TO:<y@example.net>\nDATA\nhello",
    "Contain?\x00\x0b\x0c\x1b[31m\x85\u2028\u2029Look at it, and answer, here: https://evil.example",
    "=?utf-8?q?Contain=0D=0ABcc=3A_x=40example.net?=",
    "\u202eniatnoC \u2066\u200f",
    "lone \ud800 half",
]


@pytest.mark.parametrize("attack", ATTACKS)
async def test_no_alert_writes_a_header_a_command_or_a_line_of_its_own(attack: str) -> None:
    item = replace(ITEM, effect=attack, action=attack, values={attack: attack}, held=attack, open={attack: attack})
    vote = Vote("ana", "approve", 0, "web", attack)
    notice = replace(NOTICE, title=attack, requester=attack, approvers=attack, items=(item,), votes=(vote,))
    async with mail_server() as part, connected("smtp", settings(part)) as connections:
        await posted(connections, notice)
        await told(connections, attack)
        calm, _ = part.mails
        for mail, envelope in zip(part.mails, part.taken, strict=True):
            assert envelope.rcpt_tos == ["soc@example.com"] and envelope.mail_from == "soar@example.com"
            assert mail["Bcc"] is None and mail.get_all("To") == ["soc@example.com"]
            assert not re.search(r"[\r\n\u202e\u2066]", str(mail["Subject"]))
            head = (envelope.original_content or b"").partition(b"\r\n\r\n")[0]
            assert {line.partition(b":")[0] for line in head.split(b"\r\n") if line[:1] not in b" \t"} <= HEADERS
    plain = await mailed(replace(NOTICE, title="x", items=(replace(item, action="x", effect="x", held="x"),)))
    first_words = {line.partition(":")[0].strip() for line in text_of(plain).splitlines()}
    for line in text_of(calm).splitlines():
        words = line.strip().partition(":")[0]
        assert words in first_words or words.startswith(("with ", "1. ", "Said already")), line


async def test_html_of_an_alert_is_text() -> None:
    attack = '</li></ul><a href="https://evil.example">Look</a><img src=x onerror=alert(1)><script>1</script>'
    item = replace(ITEM, effect=attack, values={attack: attack})
    page = html_of(await mailed(replace(NOTICE, title=attack, items=(item,))))
    tags = Tags(page)
    assert tags.links == [LINK] and not {"img", "script"} & set(tags.names)
    assert "&lt;script&gt;" in page


async def test_d09_d11_long_and_many_values_are_cut_on_whole_characters() -> None:
    values = {f"field{number}": "👩‍💻é" * 400 for number in range(120)}
    notice = replace(NOTICE, title="💥" * 20_000, items=(replace(ITEM, values=values),) * 60)
    mail = await mailed(notice)
    text = text_of(mail)
    assert len(str(mail["Subject"])) <= 150 and "💥" in str(mail["Subject"])
    assert LINK in text and "more values, which the request's page shows" in text and "And 58 more actions" in text
    assert "\ufffd" not in text and "…" in text
    assert len(bytes(mail)) < 10_000_000


async def test_d12_the_same_request_to_the_same_address_has_the_same_message_id() -> None:
    async with mail_server() as part, connected("smtp", settings(part)) as connections:
        places = [
            await posted(connections, NOTICE),
            await posted(connections, replace(NOTICE, repeated=True)),
            await posted(connections, replace(NOTICE, approval_id="appr-2")),
        ]
        identities = [str(mail["Message-ID"]) for mail in part.mails]
        assert identities[0] == identities[1] != identities[2]
        assert [place["message_id"] for place in places] == identities
        assert identities[0].endswith("@example.com>")


async def test_lines_stand_below_their_request_and_are_each_a_mail_of_its_own() -> None:
    async with mail_server() as part, connected("smtp", settings(part)) as connections:
        place = await posted(connections, NOTICE)
        again = [await told(connections, "Still waiting for an answer.", place) for _ in range(2)]
        await posted(connections, replace(NOTICE, approval_id="appr-2"), place)
        root, *below, second = part.mails
        for mail in [*below, second]:
            assert mail["In-Reply-To"] == mail["References"] == root["Message-ID"]
        assert [str(mail["Subject"]) for mail in below] == ["Re: Approval asked: Contain c-42?"] * 2
        assert again[0]["message_id"] != again[1]["message_id"]
        assert "Still waiting" in below[0].get_content()


async def test_references_stay_whole_with_a_long_domain() -> None:
    domain = ".".join(["department" * 3] * 4) + ".example.com"
    async with mail_server() as part, connected("smtp", settings(part, sender=f"soar@{domain}")) as connections:
        place = await posted(connections, NOTICE)
        await told(connections, "A line", place)
        raw = (part.taken[1].original_content or b"").decode()
        assert f"In-Reply-To: {place['message_id']}\r\n" in raw


async def test_a_line_without_a_request_takes_its_first_line_as_subject() -> None:
    async with mail_server() as part, connected("smtp", settings(part)) as connections:
        await told(connections, "Break glass by ana\nRequest appr-1")
        (mail,) = part.mails
        assert mail["Subject"] == "Break glass by ana" and mail["In-Reply-To"] is None


def test_it_reaches_whoever_has_an_address() -> None:
    from connectors.smtp.connector import Smtp

    reach = Smtp.__new__(Smtp)
    assert reach.address("ana@example.com", "T01/U02") == "ana@example.com"
    assert reach.address(None, "T01/U02") is None


def test_words_are_cleaned_and_cut() -> None:
    assert one_line("a\r\nb\tc \u202ed", 100) == "a b c d"
    assert one_line({"x": ["é", None]}, 100) == '{"x": ["é", null]}'
    assert one_line("abcdef", 4) == "abc…"
    assert lines("a\r\nb\rc\x00", 100) == "a\nb\nc "
