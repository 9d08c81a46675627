"""`soar playbooks`: what is loaded from the folder."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path
from typing import Final

import typer

from soar.cli.loading import load
from soar.cli.output import Column, emit, say, table
from soar.cli.shared import Config, Json, database, run
from soar.errors import Conflict, DefinitionError
from soar.store import Store, is_postgres, serving_process

group = typer.Typer(no_args_is_help=True, help="The playbooks of the folder.")


PATIENCE: Final = 30.0
"""Seconds a running server gets to take the playbooks up."""
_LOOK: Final = 0.1


@group.command("reload")
def reload(config: Config = None) -> None:
    """Have the running server take up the files as they are now, all of them or none."""
    loaded = load(config)
    if loaded.errors or loaded.catalog is None:
        raise DefinitionError(loaded.errors)
    run(_reload(config, loaded.catalog.digest))
    say(f"{len(loaded.catalog.playbooks)} playbooks are in use now")


async def _reload(config: Path | None, digest: str) -> None:
    async with database(config) as (settings, store):
        before = await store.playbooks.latest()
        process = await _ask(settings.database, store)
        for _ in range(round(PATIENCE / _LOOK)):
            kept = await store.playbooks.latest()
            anew = before is None or (kept is not None and kept.loaded > before.loaded)
            if kept is not None and kept.digest == digest and anew:
                return
            await asyncio.sleep(_LOOK)
        raise Conflict(f"{process} has not taken them up after {PATIENCE:.0f} s; its log says why")


async def _ask(database: str, store: Store) -> str:
    """Ask whoever serves it to take the files up; who that is.

    Raises:
        Conflict: nobody does.
    """
    nobody = "no server runs on this database; `soar serve` loads the playbooks when it starts"
    if is_postgres(database):
        now = await store.now()
        if not await store.processes.alive(now):
            raise Conflict(nobody)
        await store.processes.ask_reload(now)
        return "a process of this database"
    process = serving_process(database)
    if process is None:
        raise Conflict(nobody)
    os.kill(process, signal.SIGHUP)
    return f"process {process}"


@group.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """The playbooks that hold."""
    loaded = load(config)
    books = list(loaded.catalog.playbooks.values()) if loaded.catalog else []
    if json:
        emit([{"id": one.id, "name": one.name, "digest": one.digest, "file": one.location.file} for one in books])
        return
    rows = [(one.id, one.name, one.location.file) for one in books]
    columns = [Column("ID"), Column("NAME", flexible=True), Column("FILE", flexible=True)]
    table(columns, rows, empty="no playbooks; `soar check` says why")
