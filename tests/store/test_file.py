"""The file: its schema, its one engine, its copies, and who may read it."""

from __future__ import annotations

import asyncio
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from soar.errors import ConfigError, Conflict, NotFound, SchemaOutOfDate, StoreBusy, StoreUnavailable
from soar.store import Store, engine_lock, schema, upgrade
from tests.store.given import NOW, ROOT, child, execution, opening, outputs, raw_alert


@pytest.fixture
def url(tmp_path: Path) -> str:
    """One file: what is told of here is no server's."""
    return f"sqlite:///{tmp_path / 'soar.db'}"


SCHEMAS = Path(__file__).with_name("schemas")

NEXT = '''
"""A revision of the future."""
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    op.execute("ALTER TABLE executions ADD COLUMN site TEXT")
    op.execute("UPDATE executions SET site = 'lan'")
    {more}
'''


def dump(path: Path) -> str:
    """The schema of a file, as text to be compared."""
    with sqlite3.connect(path) as db:
        found = db.execute("SELECT sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'")
        texts = sorted((" ".join(row[0].split()) for row in found), key=lambda one: ("INDEX" in one[:19], one))
    db.close()
    return "".join(f"{text};\n" for text in texts)


def sql(path: Path, statement: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as db:
        rows = db.execute(statement).fetchall()
    db.close()
    return rows


@pytest.fixture
def future(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A program whose schema is one revision further; its folder of migrations."""
    folder = tmp_path / "migrations"
    shutil.copytree(schema.MIGRATIONS, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "versions" / "r0005_next.py").write_text(NEXT.format(more=""))
    monkeypatch.setattr(schema, "MIGRATIONS", folder)
    monkeypatch.setattr(schema, "REVISIONS", ["0001", "0002", "0003", "0004", "0005"])
    return folder


async def made(url: str) -> Path:
    """A database of today with something in it."""
    store = await Store.open(url)
    await store.executions.open(execution())
    await store.close()
    return store.path


async def test_a_new_file_has_the_schema_on_record(url: str) -> None:
    """Who changes `tables` writes a revision, and records its schema beside the others."""
    path = await made(url)
    assert dump(path) == (SCHEMAS / f"{schema.REVISIONS[-1]}.sql").read_text()


def test_there_is_a_migration_for_every_schema() -> None:
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(schema.MIGRATIONS))
    revisions = [one.revision for one in ScriptDirectory.from_config(config).walk_revisions()]
    assert revisions[::-1] == schema.REVISIONS
    assert [path.stem for path in sorted(SCHEMAS.glob("*.sql"))] == schema.REVISIONS


@pytest.mark.parametrize("revision", schema.REVISIONS)
def test_every_schema_there_was_is_brought_to_this_one(revision: str, tmp_path: Path) -> None:
    path = tmp_path / "old.db"
    with sqlite3.connect(path) as db:
        db.executescript((SCHEMAS / f"{revision}.sql").read_text())
        db.execute("INSERT INTO alembic_version VALUES (?)", (revision,))
    db.close()
    assert upgrade(f"sqlite:///{path}") == (revision, schema.REVISIONS[-1])
    assert dump(path) == (SCHEMAS / f"{schema.REVISIONS[-1]}.sql").read_text()


async def test_an_old_schema_is_refused_naming_the_command(url: str, request: pytest.FixtureRequest) -> None:
    path = await made(url)
    request.getfixturevalue("future")
    with pytest.raises(SchemaOutOfDate, match=r"soar\.db: it has schema 0004, .* run `soar db upgrade`"):
        await Store.open(url)
    assert "site" not in dump(path)


async def test_an_old_schema_is_upgraded_with_its_rows(url: str, request: pytest.FixtureRequest) -> None:
    path = await made(url)
    request.getfixturevalue("future")
    assert upgrade(url) == ("0004", "0005")
    assert upgrade(url) == ("0005", "0005")
    assert sql(path, "SELECT site FROM executions") == [("lan",)]
    store = await Store.open(url)
    assert len((await store.executions.page()).items) == 1
    await store.close()


async def test_open_can_upgrade_too(url: str, request: pytest.FixtureRequest) -> None:
    path = await made(url)
    request.getfixturevalue("future")
    store = await Store.open(url, upgrade=True)
    await store.close()
    assert sql(path, "SELECT version_num FROM alembic_version") == [("0005",)]


async def test_an_upgrade_that_fails_half_way_leaves_nothing(url: str, request: pytest.FixtureRequest) -> None:
    path = await made(url)
    future: Path = request.getfixturevalue("future")
    more = 'op.execute("ALTER TABLE nobody ADD COLUMN x TEXT")'
    (future / "versions" / "r0005_next.py").write_text(NEXT.format(more=more))
    before = dump(path)
    with pytest.raises(StoreUnavailable, match=r"no such table: nobody.*nothing was changed"):
        upgrade(url)
    assert dump(path) == before
    assert sql(path, "SELECT version_num FROM alembic_version") == [("0004",)]


async def test_a_newer_schema_is_refused(url: str) -> None:
    path = await made(url)
    sql(path, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(SchemaOutOfDate, match="written by a newer soar"):
        await Store.open(url)
    with pytest.raises(SchemaOutOfDate, match="written by a newer soar"):
        upgrade(url)


async def test_another_programs_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.db"
    sql(path, "CREATE TABLE customers (id)")
    with pytest.raises(StoreUnavailable, match="another program's database"):
        await Store.open(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="another program's database"):
        upgrade(f"sqlite:///{path}")
    assert dump(path) == "CREATE TABLE customers (id);\n"


async def test_what_is_no_database_says_so(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("not a database, only some text\n" * 100)
    with pytest.raises(StoreUnavailable, match="no SQLite database; check `database`"):
        await Store.open(f"sqlite:///{path}")
    with pytest.raises(StoreUnavailable, match="cannot be created"):
        await Store.open(f"sqlite:///{path}/below/soar.db")


@pytest.mark.parametrize("url", ["sqlite:///", "sqlite:///:memory:"])
async def test_urls_that_name_no_file(url: str) -> None:
    with pytest.raises(ConfigError, match="names no file"):
        await Store.open(url)


@pytest.mark.parametrize("url", ["soar.db", "mysql://host/soar", ""])
async def test_urls_of_no_database_we_know(url: str) -> None:
    with pytest.raises(ConfigError, match=r"no kind of database; write sqlite:///soar\.db, or postgresql://"):
        await Store.open(url)


async def test_a_file_that_is_not_there_is_not_made_unasked(url: str, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="there is no database"):
        await Store.open(url, create=False)
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(StoreUnavailable, match="no such file"):
        upgrade(url)


async def test_the_file_is_its_owners_alone(url: str, tmp_path: Path) -> None:
    store = await Store.open(url)
    await store.alerts.keep([raw_alert("a")])
    with engine_lock(url):
        modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    await store.close()
    assert set(modes) == {"soar.db", "soar.db-wal", "soar.db-shm", "soar.db.engine"}
    assert set(modes.values()) == {0o600}


async def test_every_commit_is_on_disk_before_it_is_said(store: Store) -> None:
    mode = await store._writer.outside(
        lambda db: [db.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    )
    assert mode == ["wal", 2]


async def test_a_name_with_every_odd_character(tmp_path: Path) -> None:
    store = await Store.open(f"sqlite:///{tmp_path}/a b%20c?d#e.db")
    assert len(await store.alerts.keep([raw_alert("a")])) == 1
    await store.close()
    assert (tmp_path / "a b%20c?d#e.db").exists()


# S42: one engine per file


async def test_s42_a_second_engine_is_refused_and_the_first_named(url: str) -> None:
    code = "import sys; from soar.store import engine_lock\nwith engine_lock(sys.argv[1]): print('mine')"
    with engine_lock(url):
        with pytest.raises(StoreBusy, match=f"process {os.getpid()} is its engine already"), engine_lock(url):
            pass
        other = await child(code, url)
        _, errors = await other.communicate()
        assert f"process {os.getpid()} is its engine already" in errors.decode()
        with pytest.raises(StoreBusy):
            await asyncio.to_thread(upgrade, (await made(url)) and url)
    assert await outputs([await child(code, url)]) == ["mine\n"]


async def test_s42_the_lock_ends_with_its_process_however_that_ends(url: str) -> None:
    code = (
        "import sys, time; from soar.store import engine_lock\n"
        "with engine_lock(sys.argv[1]): print('mine', flush=True); sys.stdin.read()"
    )
    other = await child(code, url, stdin=subprocess.PIPE)
    assert other.stdout is not None
    assert await other.stdout.readline() == b"mine\n"
    with pytest.raises(StoreBusy, match=f"process {other.pid} "), engine_lock(url):
        pass
    other.kill()
    await other.communicate()
    with engine_lock(url):
        pass


async def test_s42_another_link_to_the_file_is_the_same_file(url: str, tmp_path: Path) -> None:
    await made(url)
    (tmp_path / "link.db").symlink_to(tmp_path / "soar.db")
    with engine_lock(url), pytest.raises(StoreBusy), engine_lock(f"sqlite:///{tmp_path / 'link.db'}"):
        pass


async def test_s42_what_another_process_writes_is_noticed(url: str, store: Store) -> None:
    await store.executions.open(execution())
    assert await store.changed() is False  # its own writes are no news
    other = await Store.open(url)
    assert await store.changed() is False
    await other.alerts.keep([raw_alert("a")])
    await other.close()
    assert await store.changed() is True
    assert await store.changed() is False


# Copies


async def test_a_backup_is_taken_while_the_store_is_written(store: Store, tmp_path: Path) -> None:
    raws = [raw_alert(str(number)) for number in range(50)]
    await store.alerts.keep(raws[:25])
    writing = [asyncio.ensure_future(store.alerts.keep([raw])) for raw in raws[25:]]
    target = tmp_path / "copy.db"
    await store.backup(target)
    await asyncio.gather(*writing)

    copy = await Store.open(f"sqlite:///{target}")
    kept = await copy.alerts.unprocessed()
    assert {raw.id for raw in raws[:25]} <= {raw.id for raw in kept} <= {raw.id for raw in raws}
    assert (await copy.alerts.counts()).received == len(kept)
    await copy.alerts.open([opening(raws[0], "contain")])
    await copy.close()
    assert target.stat().st_mode & 0o777 == 0o600


async def test_a_backup_overwrites_nothing_and_leaves_nothing_half(store: Store, tmp_path: Path) -> None:
    there = tmp_path / "there.db"
    there.write_text("mine")
    with pytest.raises(Conflict, match="there is a file of that name"):
        await store.backup(there)
    assert there.read_text() == "mine"
    with pytest.raises(StoreUnavailable, match=r"cannot be created .Not a directory.; choose another place"):
        await store.backup(there / "below" / "copy.db")
    assert [path.name for path in tmp_path.glob("*.partial")] == []


# Tokens and versions


async def test_tokens_are_known_by_their_hash_alone(store: Store) -> None:
    token = await store.tokens.create("ci", "reader", "hash-1", NOW)
    assert await store.tokens.verify("hash-1") == token
    assert await store.tokens.verify("hash-2") is None
    with pytest.raises(Conflict, match="token 'ci': there is one of that name"):
        await store.tokens.create("ci", "admin", "hash-3", NOW)
    revoked = await store.tokens.revoke("ci", NOW + 5)
    assert revoked.revoked_at == NOW + 5
    assert await store.tokens.verify("hash-1") is None
    assert await store.tokens.revoke(token.id, NOW + 9) == revoked
    assert await store.tokens.list() == [revoked]
    with pytest.raises(NotFound):
        await store.tokens.revoke("nobody", NOW)


async def test_an_execution_finds_its_version_after_any_edit(store: Store) -> None:
    assert await store.playbooks.latest() is None
    await store.playbooks.keep([("contain", "d1", "contain.yaml", "one")], "c1")
    await store.playbooks.keep([("contain", "d2", "contain.yaml", "two")], "c2")
    assert await store.playbooks.source("d1") == ("contain.yaml", "one")
    assert await store.playbooks.source("d2") == ("contain.yaml", "two")
    latest = await store.playbooks.latest()
    assert latest is not None
    assert (latest.digest, latest.members) == ("c2", (("contain", "d2"),))
    with pytest.raises(NotFound, match="was never loaded"):
        await store.playbooks.source("d3")


async def test_a_rollback_is_the_latest_again(store: Store) -> None:
    for digest in ("c1", "c2", "c1"):
        await store.playbooks.keep([("contain", digest, "contain.yaml", digest)], digest)
    latest = await store.playbooks.latest()
    assert latest is not None
    assert latest.digest == "c1"


def test_a_file_that_is_up_to_date_needs_no_toolkit(tmp_path: Path) -> None:
    """Half a second of every start, and of every command."""
    code = (
        "import asyncio, sys; from soar.store import Store\n"
        "async def main():\n"
        "    store = await Store.open(sys.argv[1]); await store.close()\n"
        "asyncio.run(main()); print(sorted({'sqlalchemy', 'sqlmodel', 'alembic'} & set(sys.modules)))"
    )
    url = f"sqlite:///{tmp_path / 'soar.db'}"
    run = [sys.executable, "-c", code, url]
    first, second = (subprocess.run(run, cwd=ROOT, capture_output=True, text=True, check=True).stdout for _ in "12")
    assert (first, second) == ("['sqlalchemy', 'sqlmodel']\n", "[]\n")
