"""The actions of a request as blocks, in the room there is: all of it where it fits, else ever shorter."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final

from connectors.slack.text import cut, line, weight
from soar.sdk import NoticeItem

Block = dict[str, Any]

SECTION: Final = 3_000
FIELD: Final = 2_000
FIELDS: Final = 10
_NAME: Final = 200
_LIMITS: Final = (FIELD - _NAME - 2, 300, 80)
"""How much of a value is shown, tried one after the other."""
_PACKED: Final = 80
_HEAD: Final = 400


class Pen:
    """Cuts texts to measure, and remembers whether it had to."""

    def __init__(self) -> None:
        self.shortened = False

    def cut(self, text: str, limit: int) -> str:
        """The text within that limit; Slack refuses an empty one."""
        shown = cut(text, limit)
        self.shortened |= shown != text
        return shown or "-"

    def section(self, text: str, limit: int = SECTION) -> Block:
        return {"type": "section", "text": plain(self.cut(text, limit))}

    def fields(self, texts: Sequence[Block]) -> Block:
        return {"type": "section", "fields": list(texts)}


def plain(text: str) -> Block:
    """A text in which Slack finds nothing: no mention, no link, no formatting, no emoji by name."""
    return {"type": "plain_text", "text": text, "emoji": False}


def size(blocks: Iterable[Block]) -> int:
    """What blocks cost of the room in a message, at most."""
    return sum(len(json.dumps(block, ensure_ascii=False)) + _more(block) + 2 for block in blocks)


def _more(value: Any) -> int:
    """By how much texts may count more than JSON writes of them."""
    if isinstance(value, str):
        return 0 if value.isascii() and value.isalnum() else weight(value) - len(value)
    if isinstance(value, dict):
        return sum(map(_more, value.values()))
    return sum(map(_more, value)) if isinstance(value, list) else 0


def laid_out(items: Sequence[NoticeItem], room: int, blocks: int) -> tuple[list[Block], bool]:
    """The actions within `room` and that many blocks, and whether something of them was left out."""
    for limit in _LIMITS:
        pen = Pen()
        made = [block for number, item in enumerate(items, 1) for block in _item(pen, number, item, limit)]
        if len(made) <= blocks and size(made) <= room:
            return made, pen.shortened
    pen = Pen()
    everything = [text for number, item in enumerate(items, 1) for text in _packed(pen, number, item)]
    made = _sections(everything)
    if len(made) <= blocks and size(made) <= room:
        return made, pen.shortened
    return _as_many_as_fit(items, room, blocks), True


def _item(pen: Pen, number: int, item: NoticeItem, limit: int) -> Iterator[Block]:
    told = [text for _, text in _told(item)]
    head = "\n".join([_head(number, item), *(pen.cut(text, max(limit, _HEAD)) for text in told)])
    yield pen.section(head)
    fields = [plain(f"{pen.cut(name, _NAME)}\n{pen.cut(value, limit)}") for name, value in _values(item)]
    for start in range(0, len(fields), FIELDS):
        yield pen.fields(fields[start : start + FIELDS])


def _head(number: int, item: NoticeItem) -> str:
    risk = f" ({line(item.risk)} risk)" if item.risk else ""
    return f"{number}. {line(item.action)}{risk}"


def _told(item: NoticeItem) -> Iterator[tuple[str, str]]:
    """What there is to say of an action, by what it is."""
    said = {
        "effect": ("", item.effect),
        "where": ("Where: ", item.where),
        "undo": ("Taken back: ", item.undo),
        "held": ("Held already: ", item.held),
        "path": ("Step: ", item.path),
    }
    for kind, (lead, text) in said.items():
        if text:
            yield kind, f"{lead}{line(text)}"


def _values(item: NoticeItem) -> Iterator[tuple[str, str]]:
    for name, value in item.values.items():
        yield line(name), line(value)
    for name, expression in item.open.items():
        yield line(name), f"known only later: {line(expression)}"


def _packed(pen: Pen, number: int, item: NoticeItem) -> Iterator[str]:
    told = "; ".join(pen.cut(text, _PACKED) for _, text in _told(item))
    yield f"{pen.cut(_head(number, item), _NAME)}: {told}"
    for name, value in _values(item):
        yield f"    {pen.cut(name, _PACKED)}: {pen.cut(value, _PACKED)}"


def _sections(texts: Iterable[str]) -> list[Block]:
    """Lines, as many to a block as it takes."""
    made: list[list[str]] = [[]]
    used = 0
    for text in texts:
        if made[-1] and used + weight(text) + 2 > SECTION:
            made.append([])
            used = 0
        made[-1].append(text)
        used += weight(text) + 2
    return [{"type": "section", "text": plain("\n".join(part))} for part in made if part]


def _as_many_as_fit(items: Sequence[NoticeItem], room: int, blocks: int) -> list[Block]:
    """What would be done comes before with which values; how much is missing is said."""
    heads = [_short_head(number, item) for number, item in enumerate(items, 1)]
    least = _sections(_counted(heads, 0))
    for shown in range(len(heads), 0, -max(1, len(heads) // 50)):
        made = _sections(_counted(heads, shown))
        if len(made) <= blocks and size(made) <= room:
            return made
    return least


def _short_head(number: int, item: NoticeItem) -> str:
    effect = next((text for kind, text in _told(item) if kind == "effect"), "")
    count = len(item.values) + len(item.open)
    values = f" ({count} values)" if count else ""
    return f"{cut(_head(number, item), _PACKED)}{values}: {cut(effect, _PACKED)}"


def _counted(heads: Sequence[str], shown: int) -> list[str]:
    left = len(heads) - shown
    return [
        *heads[:shown],
        f"… and {left} more actions, {len(heads)} in all" if left else "… their values are left out",
    ]
