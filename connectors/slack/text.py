"""Texts as Slack takes them: cut on whole characters, with nothing in them that acts or hides."""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

_ZERO_WIDTH_JOINER: Final = "\u200d"
_JOINERS: Final = frozenset({"\u200c", _ZERO_WIDTH_JOINER})
"""Parts of ordinary words in Persian and Hindi, and of many emoji."""
_UNSEEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
"""Unicode categories that are not seen, or turn the direction of what is: they are written out."""
_TAGS: Final = range(0xE0020, 0xE0080)
"""Parts of the flags of regions; they are not seen by themselves."""
_BLACK_FLAG: Final = "\U0001f3f4"
_WEIGHTS: Final[Mapping[str, int]] = {"&": 5, "<": 4, ">": 4, '"': 2, "\\": 2, "\n": 2, "\r": 2, "\t": 2}
_LOOK_BACK: Final = 64
"""A character made of more parts than this was written by nobody; it may be cut."""
_REGIONAL: Final = range(0x1F1E6, 0x1F200)
_SKIN_TONES: Final = range(0x1F3FB, 0x1F400)
_TRAILING: Final = frozenset("\u0e33\u0eb3\uff9e\uff9f")
_VOWELS_AND_FINALS: Final = (range(0x1160, 0x1200), range(0xD7B0, 0xD7FC))
_INITIALS: Final = (range(0x1100, 0x1160), range(0xA960, 0xA97D))
_SYLLABLES: Final = range(0xAC00, 0xD7A4)
_VIRAMA: Final = 9


def at_most(char: str) -> int:
    """What a character counts at most, however Slack counts it: escaped, in UTF-16, inside JSON."""
    return _WEIGHTS.get(char) or (2 if char > "\uffff" else 1)


def as_one(_: str) -> int:
    """Each character counts one."""
    return 1


def in_bytes(char: str) -> int:
    """What a character counts where Slack counts the bytes of what it is sent."""
    return len(escaped(char).encode("utf-8", "replace"))


def weight(text: str) -> int:
    """How long a text is at most."""
    if text.isascii() and text.isalnum():
        return len(text)
    return sum(map(at_most, text))


def cut(text: str, limit: int, count: Callable[[str], int] = at_most) -> str:
    """The text when it is no longer than `limit`, else its beginning and `…`; whole characters only."""
    total = room = 0
    mark = count("…")
    for at, char in enumerate(text):
        total += count(char)
        if total > limit:
            return f"{text[: _boundary(text, room)]}…"
        if total <= limit - mark:
            room = at + 1
    return text


def _boundary(text: str, at: int) -> int:
    """The last place at or before `at` where no character is split."""
    for place in range(at, max(at - _LOOK_BACK, 0), -1):
        if not _joined(text, place):
            return place
    return 0 if at <= _LOOK_BACK else at


def _joined(text: str, at: int) -> bool:
    """Whether what stands before and after `at` is one character to a reader (after UAX #29, rather too often)."""
    before, after = text[at - 1], text[at]
    if before == _ZERO_WIDTH_JOINER or after in _JOINERS or after in _TRAILING or (before, after) == ("\r", "\n"):
        return True
    code = ord(after)
    if code in _SKIN_TONES or code in _TAGS or unicodedata.category(after) in ("Mn", "Me", "Mc"):
        return True
    if unicodedata.combining(before) == _VIRAMA and unicodedata.category(after) == "Lo":
        return True
    return _in_flag(text, at) if code in _REGIONAL else _in_syllable(ord(before), code)


def _in_flag(text: str, at: int) -> bool:
    """Regional indicators go in pairs, counted from the first of a row."""
    start = at
    while start and ord(text[start - 1]) in _REGIONAL:
        start -= 1
    return (at - start) % 2 == 1


def _in_syllable(before: int, after: int) -> bool:
    if any(after in part for part in _VOWELS_AND_FINALS):
        return before in _SYLLABLES or any(before in part for part in (*_VOWELS_AND_FINALS, *_INITIALS))
    return any(before in part for part in _INITIALS) and (
        after in _SYLLABLES or any(after in part for part in _INITIALS)
    )


def line(value: object, limit: int | None = None) -> str:
    r"""A value as one line in which everything can be seen: line ends, controls and direction marks as `\n`, `\u202e`.

    Otherwise an alert could show one target and mean another. With a `limit`, no more than `cut` to it needs.
    """
    text = value if isinstance(value, str) else json.dumps(_plain(value), ensure_ascii=False, sort_keys=True)
    text = text if limit is None else text[: limit + _LOOK_BACK]
    return text if text.isascii() and text.isprintable() else "".join(map(_visible, text, f" {text}"))


def lines(text: str, limit: int | None = None) -> str:
    """As `line`, but lines stay lines."""
    return "\n".join(map(line, (text if limit is None else text[: limit + _LOOK_BACK]).splitlines()))


def _plain(value: Any) -> Any:
    """What JSON cannot write by itself, as text."""
    if isinstance(value, Mapping):
        return {str(key): _plain(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(inner) for inner in value]
    return value if value is None or isinstance(value, str | int | float | bool) else str(value)


def _visible(char: str, before: str) -> str:
    if unicodedata.category(char) not in _UNSEEN:
        return char
    if char in _JOINERS and not before.isascii():
        return char
    if ord(char) in _TAGS and (before == _BLACK_FLAG or ord(before) in _TAGS):
        return char
    return char.encode("unicode_escape").decode("ascii")


def escaped(text: str) -> str:
    """The three characters with which Slack marks mentions, channels and links, made literal."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def utc(at: int) -> str:
    """An instant in milliseconds, for people: absolute, in UTC, to the second."""
    return f"{datetime.fromtimestamp(at / 1000, tz=UTC):%Y-%m-%d %H:%M:%S} UTC"


def local(at: int) -> str:
    """The same instant as mrkdwn that Slack shows in each reader's own time zone."""
    return f"<!date^{at // 1000}^{{date_num}} {{time_secs}}|{utc(at)}>"
