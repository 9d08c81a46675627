"""Where a loaded playbook says something: its text read once more, for the places of what is wrong."""

from __future__ import annotations

import re
from functools import cached_property
from typing import Final

from soar.errors import ExpressionSyntax, Location
from soar.expression import compile_expression, compile_value
from soar.model.playbook import ForEach, Playbook
from soar.playbook.source import ListNode, MapNode, Node, ScalarNode, Source, as_word, read_source, texts
from soar.playbook.tree import everywhere

_BARE: Final = frozenset({"when", "if", "while", "for_each", "until"})
"""Keys that take an expression without braces."""
Key = str | int
Reference = tuple[str, ...]
Reading = tuple[tuple[Key, ...], Location]
"""A place inside a value, and in the file."""


class Places:
    """Looks places up in a playbook's own text; a step's place stands in for what cannot be found."""

    def __init__(self, playbook: Playbook) -> None:
        self._playbook = playbook

    @cached_property
    def source(self) -> Source:
        return read_source(self._playbook.source, self._playbook.location.file)

    @cached_property
    def _maps(self) -> dict[tuple[int, int], MapNode]:
        """Every map of the file by where it begins."""
        found: dict[tuple[int, int], MapNode] = {}
        waiting: list[Node] = [self.source.root] if self.source.root is not None else []
        while waiting:
            node = waiting.pop()
            if isinstance(node, ListNode):
                waiting += node.items
            elif isinstance(node, MapNode):
                found[node.location.line, node.location.column] = node
                waiting += [entry.value for entry in node.entries.values()]
        return found

    def _node(self, location: Location, path: tuple[Key, ...]) -> Node | None:
        node: Node | None = self._maps.get((location.line, location.column))
        for key in path:
            if isinstance(node, MapNode) and isinstance(key, str):
                node = node.get(key)
            elif isinstance(node, ListNode) and isinstance(key, int) and key < len(node.items):
                node = node.items[key]
            else:
                return None
        return node

    def key(self, at: Location, *path: Key) -> Location:
        """The place of a key below the map that begins at `at`; of the nearest one above when there is none."""
        *above, last = path
        node = self._node(at, tuple(above))
        if isinstance(node, MapNode) and isinstance(last, str) and last in node.entries:
            return node.entries[last].location
        return self.key(at, *above) if above else at

    def value(self, at: Location, *path: Key) -> Location:
        """The place of a value."""
        node = self._node(at, path)
        return node.location if node is not None else self.key(at, *path)

    def word(self, at: Location, word: str, *path: Key) -> Location:
        """The place of a word within a value."""
        node = self._node(at, path)
        for _, text in texts(node) if node is not None else ():
            if found := self.source.search(text, as_word(word)):
                return found
        return self.value(at, *path)

    def readings(self, at: Location, keys: tuple[Key, ...], reference: Reference, known: int) -> list[Reading]:
        """Every text below these keys of the map at `at` that reads this path.

        `known` is how many parts of the path name what is wrong.
        """
        node = self._node(at, keys)
        found: list[Reading] = []
        for path, text in texts(node) if node is not None else ():
            if reference in self._references(text, bare=keys[-1] in _BARE):
                place = self.source.search(text, _spelled(reference[:known]))
                found.append((path, place or text.location))
        return found or [((), self.key(at, *keys))]

    def _references(self, text: ScalarNode, *, bare: bool) -> frozenset[Reference]:
        try:
            if bare:
                return compile_expression(text.text, any_name=True).references
            return compile_value(text.value, names=self._aliases).references
        except ExpressionSyntax:
            return frozenset()

    @cached_property
    def _aliases(self) -> frozenset[str]:
        """What the loops of the playbook call their items."""
        return frozenset(
            placed.step.body.alias for placed in everywhere(self._playbook) if isinstance(placed.step.body, ForEach)
        )


def _spelled(reference: Reference) -> str:
    """A pattern for a path as an author may write it: `steps.x`, `steps['x']`."""
    head, *rest = map(re.escape, reference)
    return rf"\b{head}" + "".join(rf"\s*(?:\.\s*{key}\b|\[\s*['\"\\]*{key}['\"\\]*\s*\])" for key in rest)
