"""Names of clients, users and hosts: wildcards, one spelling, and the words that name nobody."""

from __future__ import annotations

import unicodedata
from fnmatch import translate
from functools import lru_cache
from re import Pattern
from re import compile as compiled
from typing import Final, Generic, TypeVar

T = TypeVar("T")

PLACEHOLDERS: Final = frozenset(
    {"", "-", "--", "?", "*", "unknown", "null", "none", "nil", "undefined", "n/a", "na", "not available", "(null)"}
)
"""What systems write where they have no value; aimed at, any of them is nobody or everybody."""


def plain(name: str) -> str:
    """One spelling of a name: case, width and outer space make no difference."""
    if name.isascii():  # its only spelling but for case: nearly every name
        return name.lower().strip()
    return unicodedata.normalize("NFKC", name).casefold().strip()


def names_nobody(value: object) -> bool:
    """Whether a value stands for none."""
    return value is None or (isinstance(value, str) and plain(value) in PLACEHOLDERS)


def is_pattern(name: str) -> bool:
    """Whether a name has a wildcard."""
    return "*" in name or "?" in name


@lru_cache(maxsize=4096)
def pattern(text: str) -> Pattern[str]:
    """`*` and `?` as wildcards, all else as it stands. The standard library's form of it does not backtrack."""
    return compiled(translate(text.replace("[", "[[]")))


class NameIndex(Generic[T]):
    """Protected names, each with what is known of it."""

    def __init__(self) -> None:
        self._literal: dict[str, T] = {}
        self._patterns: list[tuple[str, Pattern[str], T]] = []

    def add(self, name: str, entry: T) -> None:
        """Add a name or a pattern; the first entry of a name stays."""
        spelled = plain(name)
        if is_pattern(spelled):
            self._patterns.append((spelled, pattern(spelled), entry))
        else:
            self._literal.setdefault(spelled, entry)

    def find(self, name: str) -> T | None:
        """The entry of a protected name that this one is."""
        spelled = plain(name)
        found = self._literal.get(spelled)
        if found is not None:
            return found
        for _, matcher, entry in self._patterns:
            if matcher.fullmatch(spelled):
                return entry
        return None

    def find_in(self, name: str) -> T | None:
        """As `find`; of a name with wildcards, also the entry of a protected name that it would take in."""
        found = self.find(name)
        spelled = plain(name)
        if found is not None or not is_pattern(spelled):
            return found
        taken = pattern(spelled)
        for literal, entry in self._literal.items():
            if taken.fullmatch(literal):
                return entry
        return next((entry for text, _, entry in self._patterns if taken.fullmatch(text)), None)
