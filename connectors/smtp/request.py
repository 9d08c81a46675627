"""A request as a mail: what would be done, until when, who may answer, and the link to where that is done.

It carries no power: nothing in it decides anything by being opened, fetched ahead, forwarded or answered. What came out
of alerts stands on lines that begin with words of ours, so that no alert can write a line of its own.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from html import escape
from typing import Final

from connectors.smtp.text import instant, one_line
from soar.sdk import Notice, NoticeItem

_ITEMS: Final = 40
_VALUES: Final = 40
_SIZE: Final = 60_000
"""Characters of all actions together; nobody reads more of them in a mail."""
_LONG: Final = 500
_NAME: Final = 80

Fact = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Page:
    """What a mail says, before it is text or HTML."""

    title: str
    link: str | None
    instead: str
    """How to answer where there is no link."""
    facts: tuple[Fact, ...]
    items: tuple[tuple[str, tuple[Fact, ...]], ...]
    notes: tuple[str, ...]


def subject(notice: Notice) -> str:
    """What a list of mails shows."""
    asked = "Approval asked" if notice.stage == 0 else "Approval still wanted"
    return f"{asked}: {one_line(notice.title, 120)}"


def page(notice: Notice) -> Page:
    """The request as it stands."""
    items = _items(notice)
    return Page(
        title=one_line(notice.title, _LONG * 4),
        link=notice.link,
        instead=f"Answer with: soar approve {notice.approval_id}, or soar deny {notice.approval_id} --reason ...",
        facts=tuple(_facts(notice)),
        items=items,
        notes=tuple(_notes(notice, len(notice.items) - len(items))),
    )


def as_text(shown: Page) -> str:
    """For programs that show letters."""
    way = [f"Look at it, and answer, here: {shown.link}"] if shown.link else [shown.instead]
    body = [f"Asked: {shown.title}", "", *way, "", *_told(shown.facts), "", "What would be done:"]
    for heading, facts in shown.items:
        body += [f"  {heading}", *_told(facts, "     ")]
    return "\n".join([*body, "", *shown.notes])


def as_html(shown: Page) -> str:
    """For programs that show pages; no picture, no script, no form, and one link."""
    way = escape(shown.instead)
    if shown.link:
        way = f'<a href="{escape(shown.link)}">Look at it, and answer</a>'
    items = "".join(f"<li>{escape(heading)}{_list(facts)}</li>" for heading, facts in shown.items)
    notes = "".join(f"<p>{escape(note)}</p>" for note in shown.notes)
    return (
        f'<!DOCTYPE html><html><head><meta charset="utf-8"></head><body><p><strong>{escape(shown.title)}</strong></p>'
        f"<p>{way}</p>{_list(shown.facts)}<p>What would be done:</p><ul>{items}</ul>{notes}</body></html>"
    )


def _facts(notice: Notice) -> Iterator[Fact]:
    yes = "1 yes is needed" if notice.required == 1 else f"{notice.required} yeses are needed"
    yield "Who may answer", f"{one_line(notice.approvers, _LONG)}; {yes}"
    counts = "counts as a yes" if notice.on_timeout == "approve" else "counts as a no"
    yield "Until", f"{instant(notice.due_at)}; no answer by then {counts}, or goes to whoever is asked next"
    yield "Asked at", instant(notice.asked_at)
    yield "Asked by", one_line(notice.requester, _LONG)
    yield "Playbook", one_line(notice.playbook_id, _LONG)
    yield "Execution", one_line(notice.execution_id, _LONG)
    yield "Request", notice.approval_id
    for vote in notice.votes:
        said = "yes" if vote.decision == "approve" else "no"
        yield "Said already", f"{one_line(vote.person, _NAME)}: {said} {one_line(vote.reason, _LONG)}".rstrip()


def _items(notice: Notice) -> tuple[tuple[str, tuple[Fact, ...]], ...]:
    shown: list[tuple[str, tuple[Fact, ...]]] = []
    size = 0
    for at, item in enumerate(notice.items[:_ITEMS], 1):
        facts = tuple(_of_item(item))
        size += sum(len(name) + len(text) for name, text in facts)
        if shown and size > _SIZE:
            break
        shown.append((f"{at}. {one_line(item.action, 200)}", facts))
    return tuple(shown)


def _of_item(item: NoticeItem) -> Iterator[Fact]:
    told = [
        ("does", item.effect),
        ("where", item.where),
        ("taken back", item.undo),
        ("risk", item.risk),
        ("held already", item.held),
    ]
    yield from ((name, one_line(text, _LONG)) for name, text in told if text)
    values = [(f"with {one_line(name, _NAME)}", one_line(value, _LONG)) for name, value in item.values.items()]
    known_later = [
        (f"with {one_line(name, _NAME)}", f"known only later: {one_line(source, _LONG)}")
        for name, source in item.open.items()
    ]
    yield from (values + known_later)[:_VALUES]
    if len(values) + len(known_later) > _VALUES:
        yield "and", f"{len(values) + len(known_later) - _VALUES} more values, which the request's page shows"


def _notes(notice: Notice, missing: int) -> Iterator[str]:
    if missing:
        yield f"And {missing} more actions, which the request's page shows."
    if notice.repeated:
        yield "This mail may have come twice: the mail server's answer to the first one was lost."
    yield "Opening the link decides nothing. Answers to this mail are read by nobody."
    yield f"What is shown has the SHA-256 {notice.digest}; an answer is bound to it."


def _told(facts: Iterable[Fact], indent: str = "") -> list[str]:
    return [f"{indent}{name}: {text}" for name, text in facts]


def _list(facts: Iterable[Fact]) -> str:
    return "<ul>" + "".join(f"<li>{escape(name)}: {escape(text)}</li>" for name, text in facts) + "</ul>"
