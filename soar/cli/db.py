"""`soar db`: the schema, backups."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Annotated

import typer

from soar.cli.output import say
from soar.cli.shared import Config, database, run
from soar.config import load_settings
from soar.errors import Conflict, NotFound
from soar.store import PostgresOptions, Store, is_postgres
from soar.store import upgrade as upgrade_schema

group = typer.Typer(no_args_is_help=True, help="The database: schema, backup, restore.")


@group.command()
def upgrade(config: Config = None) -> None:
    """Bring the schema to this version; no server may run on a file meanwhile."""
    settings = load_settings(config)
    before, after = upgrade_schema(settings.database, PostgresOptions(**settings.postgres.model_dump()))
    say(f"the schema is at {after}" if before == after else f"upgraded from {before or 'nothing'} to {after}")


@group.command()
def backup(to: Annotated[Path, typer.Argument(help="A file that is not there yet.")], config: Config = None) -> None:
    """Copy the database as it stands at this moment, while it is in use."""

    async def work() -> None:
        async with database(config) as (_, store):
            await store.backup(to)

    run(work())
    say(f"wrote {to}")


@group.command()
def restore(
    source: Annotated[Path, typer.Argument(help="A backup.")],
    config: Config = None,
) -> None:
    """Put a backup in the place of a database that is not there (move the old one away first)."""
    url = load_settings(config).database
    if is_postgres(url):
        raise Conflict("a PostgreSQL database is restored with its own tools: pg_restore")
    target = Path(url.removeprefix("sqlite:///"))
    if not source.exists():
        raise NotFound(f"{source}: there is no such backup")
    if target.exists():
        raise Conflict(f"{target}: there is a database; move it away first, nothing is overwritten")
    shutil.copyfile(source, target)
    target.chmod(0o600)
    run(_opens(url))
    say(f"restored {target}")


async def _opens(url: str) -> None:
    await (await Store.open(url, create=False)).close()


@group.command()
def status(config: Config = None) -> None:
    """Whether the database can be opened and written."""

    async def work() -> str:
        async with database(config) as (settings, store):
            await store.writable()
            return settings.database

    say(f"{run(work())}: the schema is this version's, and it can be written")
