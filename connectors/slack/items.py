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
_EFFECTS: Final = (80, 30, 0)
"""How much is said of what an action does where even their list is long."""


class Pen:
    """Writes texts to measure, and remembers whether it had to cut any."""

    def __init__(self) -> None:
        self.shortened = False

    def cut(self, text: str, limit: int) -> str:
        """The text within that limit; Slack refuses an empty one."""
        shown = cut(text, limit)
        self.shortened |= shown != text
        return shown or "-"

    def line(self, value: object, limit: int) -> str:
        """Any value as one line within that limit."""
        return self.cut(line(value, limit), limit)

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
        made = _within(_items(pen, items, limit), room, blocks)
        if made is not None:
            return made, pen.shortened
    pen = Pen()
    made = _within(_sections(_lines(pen, items), room), room, blocks)
    if made is not None:
        return made, pen.shortened
    return _list(items, room, blocks), True


def _within(made: Iterable[Block], room: int, blocks: int) -> list[Block] | None:
    """The blocks when they fit; no more of them are made than that takes to tell."""
    kept: list[Block] = []
    used = 0
    for block in made:
        used += size([block])
        kept.append(block)
        if used > room or len(kept) > blocks:
            return None
    return kept


def _items(pen: Pen, items: Sequence[NoticeItem], limit: int) -> Iterator[Block]:
    """An action as a section, its values as fields below."""
    for number, item in enumerate(items, 1):
        yield pen.section("\n".join([_name(pen, number, item), *_told(pen, item, max(limit, _HEAD))]))
        fields = [plain(f"{name}\n{value}") for name, value in _values(pen, item, limit)]
        for start in range(0, len(fields), FIELDS):
            yield pen.fields(fields[start : start + FIELDS])


def _lines(pen: Pen, items: Sequence[NoticeItem]) -> Iterator[str]:
    """An action as one line, its values as lines below."""
    for number, item in enumerate(items, 1):
        yield f"{_name(pen, number, item)}: {'; '.join(_told(pen, item, _PACKED))}"
        for name, value in _values(pen, item, _PACKED):
            yield f"    {name}: {value}"


def _name(pen: Pen, number: int, item: NoticeItem) -> str:
    risk = f" ({pen.line(item.risk, _PACKED)} risk)" if item.risk else ""
    return f"{number}. {pen.line(item.action, _NAME)}{risk}"


def _told(pen: Pen, item: NoticeItem, limit: int) -> Iterator[str]:
    """What there is to say of an action."""
    said = (
        ("", item.effect),
        ("Where: ", item.where),
        ("Taken back: ", item.undo),
        ("Held already: ", item.held),
        ("Step: ", item.path),
    )
    for lead, text in said:
        if text:
            yield f"{lead}{pen.line(text, limit)}"


def _values(pen: Pen, item: NoticeItem, limit: int) -> Iterator[tuple[str, str]]:
    most = min(limit, _NAME)
    for name, value in item.values.items():
        yield pen.line(name, most), pen.line(value, limit)
    for name, expression in item.open.items():
        yield pen.line(name, most), pen.cut(f"known only later: {line(expression, limit)}", limit)


def _sections(texts: Iterable[str], room: int) -> Iterator[Block]:
    """Lines, as many to a block as it takes; no more than `room` and one block more."""
    part: list[str] = []
    used = total = 0
    for text in texts:
        long = weight(text) + 2
        if part and used + long > SECTION:
            yield _block(part)
            part, used = [], 0
        part.append(text)
        used, total = used + long, total + long
        if total > room:
            break
    if part:
        yield _block(part)


def _block(part: Sequence[str]) -> Block:
    return {"type": "section", "text": plain("\n".join(part))}


def _list(items: Sequence[NoticeItem], room: int, blocks: int) -> list[Block]:
    """What would be done comes before with which values, and every action before what it does."""
    for limit in _EFFECTS:
        names = [*(_brief(number, item, limit) for number, item in enumerate(items, 1)), "… their values are left out"]
        made = _within(_sections(names, room), room, blocks)
        if made is not None:
            return made
    last = f"… and {len(items):>6} more actions, {len(items)} in all"
    kept: list[str] = []
    left = room - weight(last) - size([_block([])]) * (1 + room // SECTION)
    for name in names:
        left -= weight(name) + 2
        if left < 0:
            break
        kept.append(name)
    kept.append(f"… and {len(items) - len(kept)} more actions, {len(items)} in all")
    return list(_sections(kept, room))


def _brief(number: int, item: NoticeItem, limit: int) -> str:
    pen = Pen()
    count = len(item.values) + len(item.open)
    values = f" ({count} value{'s' if count != 1 else ''})" if count else ""
    effect = f": {pen.line(item.effect, limit)}" if limit else ""
    risk = f" ({pen.line(item.risk, _PACKED)} risk)" if item.risk else ""
    return f"{number}. {pen.line(item.action, _PACKED)}{risk}{values}{effect}"
