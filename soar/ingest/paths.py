"""Paths into a sender's body: `a.b` finds nested objects and keys that hold dots alike."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final


class _Missing:
    """Not there at all, which is not the same as null."""

    def __repr__(self) -> str:
        return "missing"

    def __bool__(self) -> bool:
        return False


MISSING: Final = _Missing()


@dataclass(frozen=True, slots=True)
class Path:
    """`kibana.alert.rule.threat[].technique[].id`: `[]` goes into every item of a list, a number into one."""

    text: str
    groups: tuple[tuple[str, ...], ...]

    @classmethod
    def parse(cls, text: str) -> Path:
        """A path from its text.

        Raises:
            ValueError: a part of it is empty.
        """
        groups = tuple(tuple(group.removeprefix(".").split(".")) for group in text.split("[]") if group)
        if not groups or not all(all(group) for group in groups):
            raise ValueError(f"'{text}' is no path; write keys with dots between them")
        return cls(text, groups + (() if not text.endswith("[]") else ((),)))

    def find(self, content: Any) -> Any:
        """What stands there: MISSING, one value, or for a path with `[]` the list of all."""
        if len(self.groups) == 1:
            return _walk(content, self.groups[0])
        return list(self._each(content, 0)) or MISSING

    def _each(self, content: Any, group: int) -> Iterator[Any]:
        found = _walk(content, self.groups[group])
        if group == len(self.groups) - 1:
            if found is not MISSING:
                yield found
            return
        for item in found if isinstance(found, list) else [] if found is MISSING else [found]:
            yield from self._each(item, group + 1)


def _walk(content: Any, keys: tuple[str, ...]) -> Any:
    """The longest key first, so that a key with dots wins over a nested object of the same spelling."""
    if not keys:
        return content
    if isinstance(content, Mapping):
        for taken in range(len(keys), 0, -1):
            key = keys[0] if taken == 1 else ".".join(keys[:taken])
            if key in content:
                found = _walk(content[key], keys[taken:])
                if found is not MISSING:
                    return found
    elif isinstance(content, list) and keys[0].isdecimal() and int(keys[0]) < len(content):
        return _walk(content[int(keys[0])], keys[1:])
    return MISSING
