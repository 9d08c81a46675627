"""What an unquoted word means: YAML 1.2, and where that could surprise, an error instead (E01-E03)."""

from __future__ import annotations

import math
import re
from typing import Final

from soar.model.trigger import Scalar

_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOLEANS: Final = {"true": True, "True": True, "TRUE": True, "false": False, "False": False, "FALSE": False}
_WHOLE = re.compile(r"0|-?[1-9][0-9]*")
_DECIMAL = re.compile(r"-?(0|[1-9][0-9]*)\.[0-9]+")
_LIKE_NUMBER = re.compile(r"[-+]?([0-9][0-9_]*(\.[0-9_]*)?|\.[0-9_]+)([eE][-+]?[0-9]+)?")
_LIKE_BASE = re.compile(r"[-+]?0[xob][0-9a-fA-F_]+")
_LIKE_TIME = re.compile(r"[-+]?[0-9]+(:[0-5]?[0-9])+(\.[0-9]*)?")
_LIKE_SPECIAL = re.compile(r"[-+]?\.(inf|Inf|INF|nan|NaN|NAN)")
_DIGITS = 300


class Ambiguous(Exception):
    """An unquoted word that different readers take for different things."""

    def __init__(self, message: str, remedy: str) -> None:
        super().__init__(message)
        self.remedy = remedy


def resolve(word: str) -> Scalar:
    """An unquoted word as null, true, false, a number, or the text it is."""
    if word in _NULLS:
        return None
    if word in _BOOLEANS:
        return _BOOLEANS[word]
    if not word[0].isdigit() and word[0] not in "+-.":
        return word
    if _WHOLE.fullmatch(word) and len(word) <= _DIGITS:
        return int(word)
    if _DECIMAL.fullmatch(word) and repr(float(word)) == word:
        return float(word)
    _refuse_ambiguous(word)
    return word


def _refuse_ambiguous(word: str) -> None:
    quote = f"write '{word}' in quotes for text"
    shown = word if len(word) <= 40 else f"{word[:37]}..."
    if _LIKE_TIME.fullmatch(word):
        raise Ambiguous(f"the unquoted {shown} is read as a time by some and as a number by others", quote)
    if _LIKE_BASE.fullmatch(word) or _LIKE_SPECIAL.fullmatch(word):
        raise Ambiguous(f"the unquoted {shown} is read as a number by some and as text by others", quote)
    if not _LIKE_NUMBER.fullmatch(word):
        return
    if re.match(r"[-+]?0[0-9]", word):
        raise Ambiguous(f"the unquoted {shown} begins with a zero, which a number would lose", quote)
    if len(word) > _DIGITS:
        raise Ambiguous(f"the unquoted {shown} is too long for a number", "write it in quotes")
    raise Ambiguous(
        f"the unquoted {shown} would not keep its form as a number", f"{quote}, or {_canonical(word)} for a number"
    )


def _canonical(word: str) -> str:
    number = float(word.replace("_", ""))
    if not math.isfinite(number):
        return "a smaller one"
    if number.is_integer() and "." not in word:
        return str(int(number)) if abs(number) < 1e16 else "its digits"
    return repr(number)
