"""The condition that joins selections: `a and not (b or 1 of c*)`."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from typing import Final

from soar.expression import near
from soar.model.trigger import And, Condition, Name, Not, Or
from soar.playbook.reading import Reading, said
from soar.playbook.source import Node, ScalarNode

_TOKEN = re.compile(r"\s*([()]|[^\s()]+)")
_KEYWORDS: Final = frozenset({"and", "or", "not", "of", "them", "all", "any", "1"})
_DEPTH: Final = 50


class _Wrong(Exception):
    """The condition cannot be read at one of its words."""

    def __init__(self, message: str, remedy: str, word: str = "") -> None:
        super().__init__(message)
        self.remedy = remedy
        self.word = word


def read_condition(reading: Reading, node: Node, names: list[str]) -> Condition | None:
    """The condition over these selections; what is wrong with it is noted."""
    if not isinstance(node, ScalarNode) or not isinstance(node.value, str):
        reading.note(node, f"condition must be a text, not {said(node)}", "write such as: selection and not internal")
        return None
    if "|" in node.value:
        reading.note(
            node, "a condition has no '|' aggregation", "count with the sender's own rule, and match its alert"
        )
        return None
    try:
        return _Parser(_TOKEN.findall(node.value), names).whole()
    except _Wrong as error:
        reading.source.note(reading.source.find(node, error.word), f"condition: {error}", error.remedy)
        return None


class _Parser:
    """`not` binds before `and`, `and` before `or`."""

    def __init__(self, words: list[str], names: list[str]) -> None:
        self._words = words
        self._names = names
        self._at = 0
        self._depth = 0

    def whole(self) -> Condition:
        found = self._either()
        if self._at < len(self._words):
            word = self._words[self._at]
            raise _Wrong(f"{word!r} cannot stand there", self._remedy(word), word)
        return found

    def _either(self) -> Condition:
        operands = [self._both()]
        while self._take("or"):
            operands.append(self._both())
        return operands[0] if len(operands) == 1 else Or(tuple(operands))

    def _both(self) -> Condition:
        operands = [self._single()]
        while self._take("and"):
            operands.append(self._single())
        return operands[0] if len(operands) == 1 else And(tuple(operands))

    def _single(self) -> Condition:
        self._depth += 1
        if self._depth > _DEPTH:
            raise _Wrong(f"it is nested deeper than {_DEPTH} levels", "split the playbook")
        try:
            if self._take("not"):
                return Not(self._single())
            if self._take("("):
                inner = self._either()
                if not self._take(")"):
                    raise _Wrong("a ')' is missing", "close the bracket")
                return inner
            return self._named()
        finally:
            self._depth -= 1

    def _named(self) -> Condition:
        word = self._next()
        if word in ("1", "all", "any") and self._take("of"):
            return self._several(word)
        if word in self._names:
            return Name(word)
        raise _Wrong(f"there is no selection {word!r}", self._remedy(word), word)

    def _several(self, quantity: str) -> Condition:
        pattern = self._next()
        if pattern == "them":
            found = [name for name in self._names if not name.startswith("_")]
        else:
            hidden = pattern.startswith("_")
            found = [name for name in self._names if _fits(name, pattern) and (hidden or not name.startswith("_"))]
        if not found:
            raise _Wrong(
                f"{quantity} of {pattern}: no selection fits", f"the selections are {', '.join(self._names)}", pattern
            )
        parts = tuple(Name(name) for name in found)
        if len(parts) == 1:
            return parts[0]
        return And(parts) if quantity == "all" else Or(parts)

    def _next(self) -> str:
        if self._at >= len(self._words):
            raise _Wrong("it ends too early", "write such as: selection and not internal")
        self._at += 1
        return self._words[self._at - 1]

    def _take(self, word: str) -> bool:
        if self._at < len(self._words) and self._words[self._at] == word:
            self._at += 1
            return True
        return False

    def _remedy(self, word: str) -> str:
        if word.lower() in _KEYWORDS and word != word.lower():
            return f"write {word.lower()!r}"
        return near(word, [*self._names, "and", "or", "not"]) or f"the selections are {', '.join(self._names)}"


def _fits(name: str, pattern: str) -> bool:
    """Only `*` is a wildcard in the name of a selection."""
    return fnmatchcase(name, pattern.replace("[", "[[]").replace("?", "[?]"))
