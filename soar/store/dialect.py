"""What PostgreSQL calls the few things that SQLite calls otherwise.

The store's statements are written once, for SQLite; each is put into PostgreSQL's words when it is first used, and
kept. Whatever is not in this list is the same in both, and is held to that by running the same tests on both.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from itertools import count
from typing import Final

_TEXT: Final = re.compile(r"('(?:[^']|'')*'|\"[^\"]*\")")
_Change = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]


def _fields(match: re.Match[str]) -> str:
    column, paths = match[1], re.findall(r"'\$\.(\w+)'", match[2])
    if len(paths) == 1:
        return f"soar_field({column}, '{paths[0]}')"
    names = ", ".join(f"'{path}'" for path in paths)
    return f"soar_fields({column}, ARRAY[{names}])"


_CHANGES: Final[tuple[_Change, ...]] = (
    # A list of ids as one value: as an array, so that the planner counts on few and takes the index.
    (
        re.compile(r"\bIN \(SELECT value FROM json_each\(\?\)\)"),
        "= ANY(ARRAY(SELECT jsonb_array_elements_text(CAST(? AS jsonb))))",
    ),
    (re.compile(r"\bNOT = ANY\("), "<> ALL("),
    (
        re.compile(r"json_group_array\(json_array\(([^()]*)\)\)"),
        r"CAST(coalesce(json_agg(json_build_array(\1)), '[]') AS text)",
    ),
    (re.compile(r"json_extract\(([\w.]+), ((?:'\$\.\w+'(?:, )?)+)\)"), _fields),
    (re.compile(r"([\w.?]+) GLOB ([\w.?]+)"), r"soar_glob(\1, \2)"),
    (re.compile(r"\bIS \?"), "IS NOT DISTINCT FROM ?"),
    # There it keeps the planner off an index; PostgreSQL has statistics of its own.
    (re.compile(r"(?<=[ (])\+(?=[a-z_]+ )"), ""),
)

FUNCTIONS: Final = (
    # JSON is kept as text, because a sender's text may hold what JSONB refuses; such a text has no fields here.
    """CREATE OR REPLACE FUNCTION soar_field(text, text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE WHEN strpos($1, '\\u0000') = 0 THEN CAST($1 AS json) ->> $2 END $$""",
    """CREATE OR REPLACE FUNCTION soar_fields(text, text[]) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CAST(json_agg(CASE WHEN strpos($1, '\\u0000') = 0 THEN CAST($1 AS json) -> name END ORDER BY place) AS text)
    FROM unnest($2) WITH ORDINALITY AS wanted(name, place) $$""",
    """CREATE OR REPLACE FUNCTION soar_glob(text, text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT $1 LIKE replace(replace(replace(replace(replace(replace(
        $2, '\\', '\\\\'), '%', '\\%'), '_', '\\_'), '*', '%'), '?', '_'), '[[]', '[') $$""",
)
"""Defined with the tables."""


@lru_cache(maxsize=4096)
def for_postgres(sql: str) -> str:
    """The statement in PostgreSQL's words, its parameters numbered."""
    for pattern, words in _CHANGES:
        sql = pattern.sub(words, sql)
    number = count(1)
    parts = _TEXT.split(sql)
    for place in range(0, len(parts), 2):  # what stands in quotes is nobody's parameter
        parts[place] = re.sub(r"\?", lambda _: f"${next(number)}", parts[place])
    return "".join(parts)
