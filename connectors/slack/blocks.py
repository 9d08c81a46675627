"""A request as a Slack message, and the form that asks for a denial's reason. Nothing here sends anything.

Slack refuses a message that is over any of its limits, so everything is cut to measure, and the buttons are set aside
first. Besides the limits of single texts there is one for all blocks together, which Slack does not document: about
13,200 characters with what is around them (github.com/slackapi/bolt-js/issues/2509).
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from connectors.slack.items import Block, Pen, laid_out, plain, size
from connectors.slack.text import cut, escaped, line, lines, local
from soar.sdk import Notice

APPROVE: Final = "soar_approve"
DENY: Final = "soar_deny"
OPEN: Final = "soar_open"
"""Slack tells also of buttons that only open a page; nothing is done then."""
REASON: Final = "soar_reason"
"""The form, its one block and that block's input."""

BLOCKS: Final = 50
ROOM: Final = 12_000
"""Characters of all blocks together; below what Slack takes."""
FALLBACK: Final = 500
"""Characters of the text in notifications. `chat.update` takes no more than 4,000 bytes of it."""
REASON_LIMIT: Final = 2_000
_TITLE: Final = 2_000
_FACT: Final = 300
_LINK: Final = 1_000
_NONCE: Final = 255
_CONFIRM: Final = 300
_HEADLINES: Final[Mapping[str, str]] = {
    "approved": "Approved",
    "denied": "Denied",
    "expired": "Expired: nobody answered in time",
    "voided": "Void: what it was about has changed",
    "withdrawn": "Withdrawn: no answer is needed any more",
}


@dataclass(frozen=True, slots=True)
class Message:
    """What chat.postMessage and chat.update take."""

    text: str
    """For notifications and screen readers."""
    blocks: list[Block]


def message(notice: Notice, *, buttons: bool, elsewhere: bool = False) -> Message:
    """The request as it stands: with buttons while it is open and they are wanted, without them after.

    `elsewhere`: no answer comes back from here, so the message says where one is given.
    """
    pen = Pen()
    headline = _headline(notice)
    head = [{"type": "header", "text": plain(headline)}]
    if notice.repeated and notice.open:
        head.append(_context(plain("The answer to an earlier post was lost: it may stand here too, without buttons.")))
    head += [pen.section(lines(notice.title, _TITLE), _TITLE), pen.fields(list(_facts(pen, notice)))]
    if notice.reason:
        head.append(pen.section(f"Reason: {lines(notice.reason, REASON_LIMIT)}", REASON_LIMIT + 50))
    answers = [_actions(notice)] if buttons and notice.open else []
    if elsewhere and notice.open:
        head.append(_context(plain(f"Answer it on its page, or by: soar approve {line(notice.approval_id, 60)}")))
    foot = [_more(notice), *answers, _digest(notice)]
    room, blocks = ROOM - size(head) - size(foot), BLOCKS - len(head) - len(foot)
    items, left_out = laid_out(notice.items, room, blocks)
    if not (pen.shortened or left_out):
        foot[0:1] = [] if answers or not _link(notice) else [_page(notice, "Open in browser")]
    return Message(escaped(cut(f"{headline}: {lines(notice.title, FALLBACK)}", FALLBACK)), [*head, *items, *foot])


def _headline(notice: Notice) -> str:
    if not notice.open:
        return _HEADLINES[notice.state]
    return "Approval needed (escalated)" if notice.stage else "Approval needed"


def _facts(pen: Pen, notice: Notice) -> Iterator[Block]:
    def fact(name: str, text: str) -> Block:
        return plain(f"{name}\n{pen.cut(text, _FACT)}")

    yield fact("Playbook", line(notice.playbook_id, _FACT))
    yield fact("Asked by", line(notice.requester, _FACT))
    yield fact("Yeses", _yeses(notice))
    if notice.open:
        yield fact("Who may answer", line(notice.approvers, _FACT))
        yield {
            "type": "mrkdwn",
            "text": "Until\n" + ("no end is set" if notice.due_at is None else local(notice.due_at)),
        }
        yield fact("No answer", "counts as a yes" if notice.on_timeout == "approve" else "counts as a no")
        return
    yield fact("Decided by", _decider(notice))
    yield {"type": "mrkdwn", "text": "When\n" + ("-" if notice.settled_at is None else local(notice.settled_at))}


def _decider(notice: Notice) -> str:
    if notice.settled_by == "policy":
        return "policy, as nobody had answered in time"
    return line((notice.settled_by or "-").removeprefix("person:"))


def _yeses(notice: Notice) -> str:
    who = [line(vote.person) for vote in notice.votes if vote.decision == "approve"]
    return f"{len(who)} of {notice.required}" + (f": {', '.join(who)}" if who else "")


def _actions(notice: Notice) -> Block:
    """The buttons. They carry nothing but the nonce: what is approved is what is stored, not what a client sends."""
    if not 0 < len(notice.nonce) <= _NONCE:
        raise ValueError("a button cannot carry this nonce")
    approve = {**_button("Approve", APPROVE), "value": notice.nonce, "style": "primary"}
    if any(item.risk == "high" for item in notice.items):
        approve["confirm"] = _confirm(notice)
    elements = [approve, {**_button("Deny", DENY), "value": notice.nonce, "style": "danger"}]
    link = _link(notice)
    return {
        "type": "actions",
        "elements": elements + ([{**_button("Open in browser", OPEN), "url": link}] if link else []),
    }


def _button(text: str, action: str) -> Block:
    return {"type": "button", "text": plain(text), "action_id": action}


def _confirm(notice: Notice) -> Block:
    risky = [item.action for item in notice.items if item.risk == "high"]
    count = f"{len(risky)} of {len(notice.items)} actions" if len(notice.items) > 1 else "This action"
    text = f"{count} can do great harm: {', '.join(line(action, _CONFIRM) for action in risky[:_CONFIRM])}"
    return {
        "title": plain("Approve a high risk?"),
        "text": plain(cut(text, _CONFIRM)),
        "confirm": plain("Approve"),
        "deny": plain("Go back"),
    }


def _more(notice: Notice) -> Block:
    """Where the rest of a shortened request can be read."""
    if _link(notice):
        return _page(notice, "Shortened to fit into Slack: read all of it")
    command = f"soar approvals show {line(notice.approval_id)}"
    return _context(plain(cut(f"Shortened to fit into Slack: `{command}` shows all of it.", _FACT)))


def _page(notice: Notice, words: str) -> Block:
    return _context({"type": "mrkdwn", "text": f"<{_link(notice)}|{words}>"})


def _link(notice: Notice) -> str | None:
    """The page as Slack takes it inside `<...>`; one that would end the mark, or is no page, is left out."""
    link = notice.link or ""
    sound = link.startswith(("https://", "http://")) and link.isascii() and link.isprintable() and len(link) <= _LINK
    return link if sound and set(link).isdisjoint('<>|&" ') else None


def _digest(notice: Notice) -> Block:
    text = f"Execution {line(notice.execution_id)}; what is shown has the digest {line(notice.digest)[:12]}"
    return _context(plain(cut(text, _FACT)))


def _context(element: Block) -> Block:
    return {"type": "context", "elements": [element]}


def reason_form(private: Mapping[str, str]) -> Block:
    """The form in which a denial's reason is asked for; `private` comes back with it, and no client can change it."""
    wanted = {"type": "plain_text_input", "action_id": REASON, "multiline": True, "min_length": 1}
    return {
        "type": "modal",
        "callback_id": REASON,
        "private_metadata": json.dumps(private, separators=(",", ":")),
        "title": plain("Deny the request"),
        "submit": plain("Deny"),
        "close": plain("Go back"),
        "blocks": [
            {
                "type": "input",
                "block_id": REASON,
                "optional": False,
                "label": plain("Why?"),
                "hint": plain("It is kept with the request, for whoever reads its history."),
                "element": {**wanted, "max_length": REASON_LIMIT},
            }
        ],
    }


def said(text: str, limit: int) -> Block:
    """A line for one person, shown as it is."""
    return {"type": "section", "text": plain(cut(lines(text), limit) or "-")}
