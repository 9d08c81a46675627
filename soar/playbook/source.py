"""A YAML file as a tree that remembers its places.

Read from the parser's events, not through a loader: nothing is constructed,
nothing is guessed, and everything that is wrong is noted with its line.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import yaml

from soar.errors import Location, Problem
from soar.model.trigger import Scalar
from soar.playbook.scalars import Ambiguous, resolve
from soar.playbook.syntax import explain_syntax, rows, stray_tabs, unprintable

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
SIZE_LIMIT: Final = 1_048_576
_NODE_LIMIT: Final = 20_000
"""Values a file may hold, aliases written out (E05)."""
_DEPTH_LIMIT: Final = 48
_PROBLEM_LIMIT: Final = 200
_TOLD: Final = 1000
"""Characters of a message, and of an excerpt."""
_TEXT_TAGS = frozenset({"!", "tag:yaml.org,2002:str"})


@dataclass(frozen=True, slots=True)
class ScalarNode:
    """One word or text."""

    location: Location
    value: Scalar
    text: str
    """As it stands in the file."""
    block: bool = False
    """A `|` or `>` text, which begins on the line after its mark."""
    end: tuple[int, int] = (0, 0)
    """Line and column behind its last character."""


@dataclass(frozen=True, slots=True)
class ListNode:
    """A list."""

    location: Location
    items: tuple[Node, ...]


@dataclass(frozen=True, slots=True)
class Entry:
    """One key of a map with its value."""

    key: str
    location: Location
    value: Node


@dataclass(frozen=True, slots=True)
class MapNode:
    """A map; its keys are text and stand once."""

    location: Location
    entries: Mapping[str, Entry]

    def get(self, key: str) -> Node | None:
        entry = self.entries.get(key)
        return entry.value if entry else None


Node = ScalarNode | ListNode | MapNode


def plain_data(node: Node) -> Any:
    """The data of a node, without its places."""
    if isinstance(node, ScalarNode):
        return node.value
    if isinstance(node, ListNode):
        return [plain_data(item) for item in node.items]
    return {key: plain_data(entry.value) for key, entry in node.entries.items()}


def texts(node: Node, path: tuple[str | int, ...] = ()) -> Iterator[tuple[tuple[str | int, ...], ScalarNode]]:
    """Every word and text of a node, with the keys that lead to it."""
    if isinstance(node, ScalarNode):
        yield path, node
    elif isinstance(node, ListNode):
        for number, item in enumerate(node.items):
            yield from texts(item, (*path, number))
    else:
        for key, entry in node.entries.items():
            yield from texts(entry.value, (*path, key))


def below(node: Node, path: tuple[str | int, ...]) -> Node:
    """The node a path leads to, or the last one on the way."""
    for key in path:
        if isinstance(node, MapNode) and isinstance(key, str) and key in node.entries:
            node = node.entries[key].value
        elif isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
            node = node.items[key]
        else:
            break
    return node


class Unreadable(Exception):
    """The rest of the file makes no sense, or too much is wrong with it; the problem is noted."""


@dataclass(slots=True)
class Source:
    """One file's text, its tree and what is wrong with it."""

    file: str
    text: str
    problems: list[Problem] = field(default_factory=list)
    root: Node | None = None
    lines: list[str] = field(default_factory=list)
    _noted: set[Problem] = field(default_factory=set)

    def note(self, location: Location, message: str, remedy: str = "", *, warning: bool = False) -> None:
        """Write down one thing that is wrong.

        Raises:
            Unreadable: more is wrong than anybody would read.
        """
        if len(self.problems) > _PROBLEM_LIMIT:
            raise Unreadable
        if len(self.problems) == _PROBLEM_LIMIT:
            message, remedy = f"there is more; only the first {_PROBLEM_LIMIT} problems are told", "mend those first"
        severity: Any = "warning" if warning else "error"
        problem = Problem(location, _clipped(message), _clipped(remedy), self.excerpt(location), severity)
        if problem not in self._noted:
            self._noted.add(problem)
            self.problems.append(problem)

    def excerpt(self, location: Location) -> str:
        """The line of a place, as it stands in the file."""
        return self.lines[location.line - 1].rstrip()[:_TOLD] if location.line <= len(self.lines) else ""

    def find(self, node: Node, word: str, line: int = 1) -> Location:
        """Where a word stands in a text of this file; the text's own place when it cannot be told."""
        start = node.location
        number = start.line + line - (0 if isinstance(node, ScalarNode) and node.block else 1)
        if not isinstance(node, ScalarNode) or number > len(self.lines):
            return start
        row = self.lines[number - 1]
        found = self.search(node, as_word(word), number) if word else None
        if found is None and number != start.line:
            return Location(self.file, number, len(row) - len(row.lstrip()) + 1)
        return found or start

    def search(self, node: ScalarNode, pattern: str, first: int = 0) -> Location | None:
        """Where a pattern is found in a text of this file; a folded text has more lines here than by itself."""
        start, (last, behind) = node.location, node.end
        for number in (*range(max(first, start.line), last + 1), *range(start.line, first)):
            low = start.column - 1 if number == start.line else 0
            high = behind - 1 if number == last else len(self.lines[number - 1])
            found = re.compile(pattern).search(self.lines[number - 1], low, high)
            if found is not None:
                return Location(self.file, number, found.start() + 1)
        return None


def _clipped(text: str) -> str:
    return text if len(text) <= _TOLD else f"{text[: _TOLD - 3]}..."


def as_word(word: str) -> str:
    """A pattern for a word that is no part of a longer one."""
    before, after = (r"\b" if edge.isalnum() or edge == "_" else "" for edge in (word[0], word[-1]))
    return f"{before}{re.escape(word)}{after}"


def read_source(text: str, file: str) -> Source:
    """Read a YAML file; its tree is None when nothing could be made of it."""
    source = Source(file, text.removeprefix("\ufeff"))
    source.lines = rows(source.text[:SIZE_LIMIT])
    with suppress(Unreadable):
        _read(source)
    source.problems.sort(key=lambda problem: problem.location)
    return source


def _read(source: Source) -> None:
    file = source.file
    if len(source.text) > SIZE_LIMIT:
        source.note(Location(file), f"the file is larger than {SIZE_LIMIT:,} characters", "split it")
        return
    if odd := unprintable(source.text):
        line, column, message, remedy = odd
        source.note(Location(file, line, column), message, remedy)
        return
    if "\t" in source.text:
        for line, column in stray_tabs(source.text, _Loader):
            source.note(Location(file, line, column), "a tab stands where YAML wants spaces", "replace it with spaces")
    try:
        source.root = _Composer(source).compose()
    except yaml.YAMLError as error:
        _note_syntax(source, error)


def _note_syntax(source: Source, error: yaml.YAMLError) -> None:
    line, column, message, remedy = explain_syntax(error, source.text)
    if not any(problem.location.line == line for problem in source.problems):
        source.note(Location(source.file, line, column), message, remedy)


class _Composer:
    """Turns events into the tree."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._events: Iterator[Any] = yaml.parse(source.text, Loader=_Loader)
        self._anchors: dict[str, tuple[Node, int]] = {}
        self._count = 0

    def compose(self) -> Node | None:
        root: Node | None = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents == 2:
                    self._note(event, "a second document begins here", "one file holds one document: remove the `---`")
                    break
                root = self._node(next(self._events), 0)
        empty = root is None or (isinstance(root, ScalarNode) and root.value is None)
        if empty and not self._source.problems:
            self._source.note(Location(self._source.file), "the file is empty", "write at least id, trigger and steps")
        return None if empty else root

    def _node(self, event: Any, depth: int) -> Node:
        before = self._count
        self._grow(event, 1)
        if depth > _DEPTH_LIMIT:
            self._stop(event, f"values are nested deeper than {_DEPTH_LIMIT} levels", "flatten them")
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        self._check_tag(event)
        if isinstance(event, yaml.ScalarEvent):
            node: Node = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self._list(event, depth)
        else:
            node = self._map(event, depth)
        if event.anchor:
            self._anchors[event.anchor] = (node, self._count - before)
        return node

    def _grow(self, event: Any, count: int) -> None:
        self._count += count
        if self._count > _NODE_LIMIT:
            self._stop(
                event,
                f"with its aliases written out the file holds more than {_NODE_LIMIT:,} values",
                "write the values out instead of repeating them by alias",
            )

    def _alias(self, event: Any) -> Node:
        if event.anchor not in self._anchors:
            self._stop(event, f"the alias *{event.anchor} stands for nothing before it", f"write &{event.anchor} first")
        node, size = self._anchors[event.anchor]
        self._grow(event, size)
        return node

    def _check_tag(self, event: Any) -> None:
        if event.tag is not None and event.tag not in _TEXT_TAGS:
            self._note(event, f"the tag {event.tag!r} is not used here", "remove it; quotes make a text")

    def _scalar(self, event: Any) -> ScalarNode:
        location = self._location(event)
        block = event.style in ("|", ">")
        end = (event.end_mark.line + 1, event.end_mark.column + 1)
        value: Scalar = event.value
        if not event.style and event.tag not in _TEXT_TAGS:
            try:
                value = resolve(event.value)
            except Ambiguous as error:
                self._note(event, str(error), error.remedy)
        return ScalarNode(location, value, event.value, block, end)

    def _list(self, event: Any, depth: int) -> ListNode:
        items = []
        while not isinstance(below_event := next(self._events), yaml.SequenceEndEvent):
            items.append(self._node(below_event, depth + 1))
        return ListNode(self._location(event), tuple(items))

    def _map(self, event: Any, depth: int) -> MapNode:
        entries: dict[str, Entry] = {}
        while not isinstance(key_event := next(self._events), yaml.MappingEndEvent):
            key_node = self._node(key_event, depth + 1)
            value = self._node(next(self._events), depth + 1)
            key = self._key(key_node)
            if key is None:
                continue
            if key in entries:
                self._note_twice(key, entries[key].location, key_node.location)
            else:
                entries[key] = Entry(key, key_node.location, value)
        return MapNode(self._location(event), entries)

    def _key(self, node: Node) -> str | None:
        note = self._source.note
        if not isinstance(node, ScalarNode):
            row = self._source.lines[node.location.line - 1]
            remedy = 'put the template in quotes: "{{ ... }}"' if "{{" in row else "write a word"
            note(node.location, "a key must be a word, not a list or a map", remedy)
            return None
        if node.text == "<<" and not node.block:
            note(node.location, "merge keys (<<) are not part of YAML 1.2", "write the keys out")
            return None
        if not isinstance(node.value, str):
            shown = node.text or "null"
            note(node.location, f"the key {shown} is not text", f"write '{node.text}' in quotes")
        return node.text

    def _note_twice(self, key: str, first: Location, second: Location) -> None:
        self._source.note(
            second,
            f"the key {key!r} stands twice in this map: in line {first.line} and in line {second.line}",
            "keep one of them",
        )

    def _location(self, event: Any) -> Location:
        mark = event.start_mark
        return Location(self._source.file, mark.line + 1, mark.column + 1)

    def _note(self, event: Any, message: str, remedy: str) -> None:
        self._source.note(self._location(event), message, remedy)

    def _stop(self, event: Any, message: str, remedy: str) -> NoReturn:
        self._note(event, message, remedy)
        raise Unreadable
