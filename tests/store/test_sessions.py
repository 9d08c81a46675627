"""Who is signed in to the pages: by a hash, for a while, as long as the token is good; forms count once."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from soar.store import Session, Store, rows
from tests.store.given import NOW

LONG_AGO = NOW - 7_200_000


async def opened(store: Store, cookie: str = "c1", **fields: Any) -> Session:
    """A sign-in by a token of ana's."""
    names = {token.name for token in await store.tokens.list()}
    token = await store.tokens.create(f"ana-{len(names)}", "person", f"hash-{len(names)}", NOW, person="ana")
    session = replace(Session("ana", token.id, NOW, NOW + 60_000), **fields)
    await store.sessions.open(cookie, session)
    return session


async def counted(store: Store, table: str) -> int:
    return await store._reader.run(lambda db: int(db.execute(f"SELECT count(*) FROM {table}").fetchone()[0]))


async def test_a_session_is_found_until_its_time_is_over(store: Store) -> None:
    session = await opened(store)
    assert await store.sessions.find("c1", NOW + 59_999) == session
    assert await store.sessions.find("c1", NOW + 60_000) is None
    assert await store.sessions.find("c2", NOW) is None


async def test_a_session_ends_by_signing_out_and_with_its_token(store: Store) -> None:
    await opened(store, "c1")
    await opened(store, "c2")
    await store.sessions.close("c1")
    assert await store.sessions.find("c1", NOW) is None
    assert await store.sessions.find("c2", NOW) is not None
    await store.tokens.revoke("ana-1", NOW)
    assert await store.sessions.find("c2", NOW) is None


async def test_a_form_is_spent_once(store: Store) -> None:
    assert not await store.sessions.was_spent("n1")
    assert await store.sessions.spend("n1", NOW + 1)
    assert not await store.sessions.spend("n1", NOW + 1)
    assert await store.sessions.was_spent("n1")


async def test_each_sign_in_forgets_some_of_what_is_over(store: Store) -> None:
    await opened(store, "current")
    await store.sessions.spend("current", NOW + 60_000)

    def fill(db: Any) -> None:
        columns = ("sha256", "person", "token_id", "created_at", "expires_at")
        rows.insert(db, "sessions", columns, [(f"old{n}", "ana", "t", LONG_AGO, LONG_AGO + 1) for n in range(700)])
        rows.insert(db, "used_forms", ("nonce", "expires_at"), [(f"old{n}", LONG_AGO) for n in range(700)])

    await store._writer.run(fill)
    await opened(store, "second")
    assert (await counted(store, "sessions"), await counted(store, "used_forms")) == (202, 201), "a batch, not all"
    await opened(store, "third")
    assert (await counted(store, "sessions"), await counted(store, "used_forms")) == (3, 1)
    assert await store.sessions.find("current", NOW) is not None
    assert await store.sessions.was_spent("current")
