"""What the YAML parser stumbled over, in words an author can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml
from yaml.reader import ReaderError

_REMEDIES: Final = (
    ("mapping values are not allowed", "a ':' stands where no key can begin", "put the value in quotes, or check the indentation"),
    ("did not find expected key", "this line does not fit what is above it", "check indentation, quotes and brackets here and in the line above"),
    ("did not find expected '-'", "this line is no item of the list above it", "begin it with '- ', or check the indentation"),
    ("could not find expected ':'", "a key without ':'", "write 'key: value', or check quotes and indentation"),
    ("cannot start any token", "a value cannot begin with this character", "put the value in quotes"),
    ("did not find expected ',' or", "a list or map in brackets is not closed", "close the bracket, or put a ',' between its items"),
    ("unexpected end of stream", "a quote is not closed", "close the quote"),
    ("unexpected document indicator", "a quote is not closed before `---`", "close the quote"),
    ("unknown escape character", "a backslash in double quotes begins an unknown escape", "use single quotes, or write the backslash twice"),
    ("did not find expected hexdecimal", "a \\x or \\u escape without its digits", "use single quotes, or write the backslash twice"),
    ("did not find expected alphabetic", "a '*' or '&' begins an alias or anchor without a name", "put the value in quotes"),
    ("block sequence entries are not allowed", "a '-' stands where no list can begin", "begin the list on a line of its own, or quote the value"),
    ("expected <document start>", "something stands after the end of the document", "remove it"),
)  # fmt: skip
_UNQUOTED_TEMPLATE = re.compile(r"(:|-|,|\[)\s+\{\{|^\s*\{\{|\[\{\{")


def explain_syntax(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line, column, cause and remedy of what made the parser stop."""
    if isinstance(error, ReaderError):
        return _unprintable(text)
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    rows = text.split("\n")
    for number in (line, line - 1):
        if 1 <= number <= len(rows) and (found := _UNQUOTED_TEMPLATE.search(rows[number - 1])):
            place = rows[number - 1].index("{{", found.start()) + 1
            return number, place, "a template without quotes is no YAML", 'put the whole value in quotes: "{{ ... }}"'
    context = getattr(error, "context_mark", None)
    opened = f" (it began in line {context.line + 1})" if context and context.line + 1 != line else ""
    for words, cause, remedy in _REMEDIES:
        if words in problem:
            return line, column, cause + opened, remedy
    return line, column, f"the file is no YAML here: {problem}{opened}", "check indentation, quotes and brackets"


def _unprintable(text: str) -> tuple[int, int, str, str]:
    allowed = "\t\n\r\x85"
    for row, line in enumerate(text.split("\n"), start=1):
        for column, character in enumerate(line, start=1):
            if character not in allowed and not _printable(character):
                return row, column, f"the character U+{ord(character):04X} cannot stand in YAML", "remove it"
    return 1, 1, "a character cannot stand in YAML", "save the file as UTF-8 text"


def _printable(character: str) -> bool:
    code = ord(character)
    return 0x20 <= code <= 0x7E or 0xA0 <= code <= 0xD7FF or 0xE000 <= code <= 0xFFFD or code >= 0x10000


def stray_tabs(text: str, loader: Any) -> Iterator[tuple[int, int]]:
    """Line and column of every tab that is part of no text and no comment."""
    spans, end = _scalar_spans(text, loader)
    inside = bytearray(len(text) + 1)
    for first, last in spans:
        inside[first:last] = b"\x01" * (last - first)
    position = -1
    while 0 <= (position := text.find("\t", position + 1)) < end:
        begin = text.rfind("\n", 0, position) + 1
        comment = any(text[place] == "#" and not inside[place] for place in range(begin, position))
        if not inside[position] and not comment:
            yield text.count("\n", 0, position) + 1, position - begin + 1


def _scalar_spans(text: str, loader: Any) -> tuple[list[tuple[int, int]], int]:
    """Where the texts of a file stand, and how far it could be scanned."""
    spans: list[tuple[int, int]] = []
    try:
        spans.extend(
            (token.start_mark.index, token.end_mark.index)
            for token in yaml.scan(text, Loader=loader)
            if isinstance(token, yaml.ScalarToken)
        )
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        return spans, (mark.index + 1 if mark else len(text))
    return spans, len(text)
