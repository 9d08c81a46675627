"""A YAML file as plain data, with the place of every key and value kept beside it.

YAML 1.2 rules: only `true` and `false` are booleans, only decimal digits without a
leading zero are numbers, `12:30` and `no` are text.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import yaml

from soar.errors import ConfigError, Location, Problem

Path = tuple[str | int, ...]

MAX_NODES: Final = 100_000
MAX_DEPTH: Final = 64

_INTEGER: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_DECIMAL: Final = re.compile(r"[-+]?(0|[1-9][0-9]*)(\.[0-9]+)?([eE][-+]?[0-9]+)?")
_CONSTANTS: Final[Mapping[str, Any]] = {"": None, "~": None, "null": None, "true": True, "false": False}


@dataclass(slots=True)
class Document:
    """Plain data, and where each part of it stands."""

    file: str
    text: str
    content: Any = None
    keys: dict[Path, Location] = field(default_factory=dict)
    values: dict[Path, Location] = field(default_factory=dict)

    def place(self, path: Path, *, key: bool = False) -> Location:
        """The place of that path, or of the nearest part above it that stands in the file."""
        if key and path in self.keys:
            return self.keys[path]
        while path and path not in self.values:
            path = path[:-1]
        return self.values.get(path, Location(self.file))

    def line(self, location: Location) -> str:
        """The text of one line, as an error shows it."""
        lines = self.text.splitlines()
        return lines[location.line - 1].strip() if 0 < location.line <= len(lines) else ""


def read_document(text: str, file: str) -> Document:
    """Read YAML text.

    Raises:
        ConfigError: it is not YAML, or not the plain kind this package takes; with its place.
    """
    document = Document(file, text)
    try:
        node = yaml.compose(text, Loader=yaml.BaseLoader)
    except yaml.MarkedYAMLError as error:
        raise _refusal(document, error.problem_mark, f"not YAML: {error.problem}", _remedy(error)) from None
    except yaml.YAMLError:
        raise _refusal(document, None, "holds a character YAML does not allow", "save the file as UTF-8 text") from None
    if node is not None:
        document.content = _Builder(document).build(node, ())
    return document


def _remedy(error: yaml.MarkedYAMLError) -> str:
    return "indent with spaces, not tabs" if "\\t" in str(error.problem) else "mend the line or quote the value"


def _refusal(document: Document, mark: yaml.Mark | None, message: str, remedy: str) -> ConfigError:
    location = Location(document.file, mark.line + 1, mark.column + 1) if mark else Location(document.file)
    problem = Problem(location, message, remedy, document.line(location))
    return ConfigError(str(problem), [problem])


class _Builder:
    """Turns YAML nodes into data; counts them, so that aliases cannot blow a small file up."""

    def __init__(self, document: Document) -> None:
        self._document = document
        self._nodes = 0

    def build(self, node: yaml.Node, path: Path) -> Any:
        self._count(node, path)
        mark = node.start_mark
        self._document.values[path] = Location(self._document.file, mark.line + 1, mark.column + 1)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.build(item, (*path, index)) for index, item in enumerate(node.value)]
        if not node.tag.endswith(":str"):
            raise _refusal(self._document, mark, f"the tag {node.tag} is not taken here", "write the plain value")
        quoted = isinstance(node, yaml.ScalarNode) and node.style is not None
        return node.value if quoted else _plain(node.value)

    def _count(self, node: yaml.Node, path: Path) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES or len(path) > MAX_DEPTH:
            message = "the file is too deep or too large once its aliases are written out"
            raise _refusal(self._document, node.start_mark, message, "write the parts out, without aliases")

    def _mapping(self, node: yaml.MappingNode, path: Path) -> dict[str, Any]:
        content: dict[str, Any] = {}
        for key_node, value_node in node.value:
            if not isinstance(key_node, yaml.ScalarNode):
                raise _refusal(self._document, key_node.start_mark, "a key must be text", "quote it")
            key = str(key_node.value)
            place = (*path, key)
            if key in content:
                first = self._document.keys[place].line
                message = f"the key '{key}' stands here and in line {first}"
                raise _refusal(self._document, key_node.start_mark, message, "keep one of the two")
            mark = key_node.start_mark
            self._document.keys[place] = Location(self._document.file, mark.line + 1, mark.column + 1)
            content[key] = self.build(value_node, place)
        return content


def _plain(text: str) -> Any:
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if _INTEGER.fullmatch(text):
        return int(text) if len(text) < 100 else text
    if _DECIMAL.fullmatch(text):
        return float(text)
    return text
