"""Columns all tables share."""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import BigInteger, Integer, Text, text
from sqlmodel import Field

_SEQ: Final = BigInteger().with_variant(Integer, "sqlite")
"""SQLite's row number must be declared INTEGER; elsewhere 32 bits are not enough."""


def seq_column() -> Any:
    """The order in which rows were committed."""
    return Field(default=None, primary_key=True, sa_type=_SEQ)


_TEXT: Final = Text().with_variant(Text(collation="C"), "postgresql")
"""Compared byte by byte, as SQLite does: an order that no upgrade of the server's locales changes."""


def text_column(**options: Any) -> Any:
    return Field(sa_type=_TEXT, **options)


def instant_column(**options: Any) -> Any:
    """Milliseconds since 1970."""
    return Field(sa_type=BigInteger, **options)


def number_column(value: int = 0) -> Any:
    """A number that the database fills in: a bulk insert need not speak of it."""
    return Field(default=value, sa_column_kwargs={"server_default": text(str(value))})


def where(condition: str) -> dict[str, Any]:
    """The rows an index is about, for both databases."""
    return {"sqlite_where": text(condition), "postgresql_where": text(condition)}
