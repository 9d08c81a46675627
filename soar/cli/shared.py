"""What every command does the same way: settings, the database, ids, one event loop."""

from __future__ import annotations

import asyncio
import getpass
import hashlib
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Annotated, Any, Final, TypeVar

import typer

from soar.cli.failure import UsageFault
from soar.config import Settings, load_settings
from soar.database import open_store
from soar.errors import NotAllowed, NotFound
from soar.store import Page, Store

T = TypeVar("T")

Config = Annotated[Path | None, typer.Option("--config", help="The configuration; else SOAR_CONFIG, else ./soar.yaml.")]
Json = Annotated[bool, typer.Option("--json", help="JSON on stdout, and nothing else.")]
Limit = Annotated[int, typer.Option("--limit", min=1, max=200, help="Rows at most.")]
Cursor = Annotated[str | None, typer.Option("--cursor", help="Where the last list ended.")]

TOKEN: Final = "SOAR_TOKEN"  # noqa: S105 # the name of a variable, no token
"""The variable of the environment that holds a person's token."""

_PAGES: Final = 20
"""Pages of 200 rows that a shortened id is looked for in."""


def run(work: Coroutine[Any, Any, T]) -> T:
    """Run one command's work to its end."""
    return asyncio.run(work)


@asynccontextmanager
async def database(config: Path | None) -> AsyncIterator[tuple[Settings, Store]]:
    """The settings and the open database, beside a server that may be running."""
    settings = load_settings(config)
    store = await open_store(settings, create=False)
    try:
        yield settings, store
    finally:
        await store.close()


async def find(
    given: str, get: Callable[[str], Awaitable[T]], page: Callable[[str | None], Awaitable[Page[Any]]], what: str
) -> T:
    """The row of that id; a unique beginning or end of an id is enough.

    Raises:
        NotFound: there is none, or there are several; then they are named.
    """
    try:
        return await get(given)
    except NotFound:
        matches = await _candidates(given, page)
    if len(matches) == 1:
        return await get(matches[0])
    if matches:
        raise UsageFault(f"{what} '{given}' could be any of {', '.join(matches[:5])}; give more of the id")
    raise NotFound(f"there is no {what} '{given}'; `soar {what}s list` shows them")


async def _candidates(given: str, page: Callable[[str | None], Awaitable[Page[Any]]]) -> list[str]:
    cursor: str | None = None
    found: list[str] = []
    for _ in range(_PAGES):
        rows = await page(cursor)
        found += [row.id for row in rows.items if row.id.startswith(given) or row.id.endswith(given)]
        cursor = rows.next_cursor
        if cursor is None:
            break
    return found


async def person(store: Store, settings: Settings) -> str:
    """Whose token SOAR_TOKEN holds, or is typed in: requests are answered by people, not by terminals.

    Raises:
        NotAllowed: there is no token, or it is nobody's.
    """
    given = os.environ.get(TOKEN, "") or (getpass.getpass("your token: ") if sys.stdin.isatty() else "")
    if not given:
        raise NotAllowed(f"set {TOKEN} to a token of your own; `soar token create --person NAME` makes one")
    token = await store.tokens.verify(hashlib.sha256(given.strip().encode()).hexdigest())
    if token is None:
        raise NotAllowed("this token is unknown or was revoked; `soar token create --person NAME` makes one")
    if token.person is None:
        raise NotAllowed(f"'{token.name}' is a program's token; answer with one of your own, made with --person NAME")
    if token.person not in settings.people:
        raise NotAllowed(f"this token is of '{token.person}', who is no longer in `people` of soar.yaml")
    return token.person


async def operator_of(store: Store, settings: Settings) -> str:
    """Who sits at this terminal: the person of SOAR_TOKEN, else the user of the machine."""
    return f"person:{await person(store, settings)}" if os.environ.get(TOKEN) else operator()


def operator() -> str:
    """Who sits at this terminal, as the history names them."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):
        return "cli:unknown"
