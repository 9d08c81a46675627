"""What is PostgreSQL's own: names in its words, connections that end, one queue for a database."""

from __future__ import annotations

import asyncio

import psycopg
import pytest

from soar.errors import CommitUnknown, ConfigError, StoreUnavailable
from soar.store import PostgresOptions, Store
from soar.store.dialect import for_postgres
from tests.store.given import raw_alert


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        ("SELECT a FROM t WHERE b = ? AND c = '?'", "SELECT a FROM t WHERE b = $1 AND c = '?'"),
        (
            "DELETE FROM t WHERE id IN (SELECT value FROM json_each(?)) AND x < ?",
            "DELETE FROM t WHERE id = ANY(ARRAY(SELECT jsonb_array_elements_text(CAST($1 AS jsonb)))) AND x < $2",
        ),
        (
            "SELECT 1 WHERE d NOT IN (SELECT value FROM json_each(?))",
            "SELECT 1 WHERE d <> ALL(ARRAY(SELECT jsonb_array_elements_text(CAST($1 AS jsonb))))",
        ),
        ("SELECT 1 WHERE name GLOB ?", "SELECT 1 WHERE soar_glob(name, $1)"),
        ("SELECT 1 WHERE a IS ? AND +state = ?", "SELECT 1 WHERE a IS NOT DISTINCT FROM $1 AND state = $2"),
        ("SELECT json_extract(a.data, '$.verdict')", "SELECT soar_field(a.data, 'verdict')"),
        ("SELECT json_extract(d, '$.a', '$.b')", "SELECT soar_fields(d, ARRAY['a', 'b'])"),
    ],
)
def test_what_is_called_otherwise(ours: str, theirs: str) -> None:
    assert for_postgres(ours) == theirs


async def cut(url: str) -> None:
    """End every connection to that database but the one that says so."""

    def work() -> None:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(
                "SELECT pg_terminate_backend(pid, 1000) FROM pg_stat_activity"
                " WHERE datname = current_database() AND pid <> pg_backend_pid()"
            )

    await asyncio.to_thread(work)


async def test_connections_that_were_cut_are_opened_again(soar_postgres_url: str) -> None:
    store = await Store.open(soar_postgres_url)
    try:
        await store.alerts.keep([raw_alert("a")])
        assert len(await store.alerts.unprocessed()) == 1
        for key in "bc":  # twice: what was mended once must not be forgotten
            await cut(soar_postgres_url)
            for work in (store.alerts.unprocessed(), store.alerts.keep([raw_alert(key)])):
                with pytest.raises(StoreUnavailable):
                    await work
            await store.alerts.keep([raw_alert(key)])
            assert raw_alert(key).dedupe_key in {one.dedupe_key for one in await store.alerts.unprocessed()}
    finally:
        await store.close()


async def test_s41_a_commit_whose_connection_is_lost_is_neither_a_yes_nor_a_no(
    soar_postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = await Store.open(soar_postgres_url)
    commit = store.database.commit

    def lost(connection: object) -> None:
        with psycopg.connect(soar_postgres_url, autocommit=True) as other:
            (pid,) = (connection.raw.info.backend_pid,)  # type: ignore[attr-defined]
            other.execute("SELECT pg_terminate_backend(%s, 1000)", (pid,))
        commit(connection)  # type: ignore[arg-type]

    try:
        monkeypatch.setattr(store.database, "commit", lost)
        with pytest.raises((CommitUnknown, StoreUnavailable)):
            await store.alerts.keep([raw_alert("a")])
        monkeypatch.setattr(store.database, "commit", commit)
        assert (await store.alerts.keep([raw_alert("a")]))[0].duplicate is False
    finally:
        await store.close()


async def test_a_database_keeps_the_queue_it_was_made_with(soar_postgres_url: str) -> None:
    with pytest.raises(ConfigError, match=r"was made with 'pgqueuer', not 'procrastinate'"):
        await Store.open(soar_postgres_url, postgres=PostgresOptions(queue="procrastinate"))


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("postgresql://soar@127.0.0.1:1/soar", "check that the server is up"),
        ("postgresql://soar@127.0.0.1/", "names no database"),
        ("postgresql://soar:secret@127.0.0.1:1/soar", "soar@127"),
    ],
)
async def test_what_cannot_be_reached_says_so_without_its_password(url: str, says: str) -> None:
    with pytest.raises((StoreUnavailable, ConfigError), match=says) as caught:
        await Store.open(url)
    assert "secret" not in str(caught.value)
