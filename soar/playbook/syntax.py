"""What the YAML parser stumbled over, in words an author can act on."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

import yaml

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
    ("maximum nesting depth", "values are nested too deeply", "flatten them"),
    ("expected <document start>", "something stands after the end of the document", "remove it"),
)  # fmt: skip
_BREAK = re.compile("\r\n|[\n\r\x85\u2028\u2029]")
"""What ends a line for the parser, whose line numbers these are."""
_UNPRINTABLE = re.compile("[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]")
_TABS_TOLD: Final = 20
_UNQUOTED_TEMPLATE = re.compile(r"(:|-|,|\[)\s+\{\{|^\s*\{\{|\[\{\{")


def rows(text: str) -> list[str]:
    """The lines of a text, as the parser counts them."""
    return _BREAK.split(text)


def explain_syntax(error: yaml.YAMLError, text: str) -> tuple[int, int, str, str]:
    """Line, column, cause and remedy of what made the parser stop."""
    mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
    problem = str(getattr(error, "problem", None) or error)
    line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
    lines = rows(text)
    for number in (line, line - 1):
        if 1 <= number <= len(lines) and (found := _UNQUOTED_TEMPLATE.search(lines[number - 1])):
            place = lines[number - 1].index("{{", found.start()) + 1
            return number, place, "a template without quotes is no YAML", 'put the whole value in quotes: "{{ ... }}"'
    context = getattr(error, "context_mark", None)
    opened = f" (it began in line {context.line + 1})" if context and context.line + 1 != line else ""
    for words, cause, remedy in _REMEDIES:
        if words in problem:
            return line, column, cause + opened, remedy
    return line, column, f"the file is no YAML here: {problem}{opened}", "check indentation, quotes and brackets"


def unprintable(text: str) -> tuple[int, int, str, str] | None:
    """Line, column, cause and remedy of the first character that no YAML file may hold."""
    found = _UNPRINTABLE.search(text)
    if found is None:
        return None
    before = rows(text[: found.start()])
    return len(before), len(before[-1]) + 1, f"the character U+{ord(found[0]):04X} cannot stand in YAML", "remove it"


def stray_tabs(text: str, loader: Any) -> Iterator[tuple[int, int]]:
    """Line and column of the first tab of each line that is part of no text and no comment."""
    spans, end = _scalar_spans(text, loader)
    inside = bytearray(len(text) + 1)
    for first, last in spans:
        inside[first:last] = b"\x01" * (last - first)
    told, begin = 0, 0
    for number, line in enumerate(rows(text), start=1):
        column = _stray_tab(line, inside, begin) if "\t" in line else None
        if begin >= end or told == _TABS_TOLD:
            return
        if column is not None and begin + column < end:
            told += 1
            yield number, column + 1
        begin += len(line) + (2 if text[begin + len(line) : begin + len(line) + 2] == "\r\n" else 1)


def _stray_tab(line: str, inside: bytearray, begin: int) -> int | None:
    """Where in a line the first tab stands outside of texts, and before a comment."""
    for column, character in enumerate(line):
        if character in "#\t" and not inside[begin + column]:
            return column if character == "\t" else None
    return None


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
