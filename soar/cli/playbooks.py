"""`soar playbooks`: what is loaded from the folder."""

from __future__ import annotations

import typer

from soar.cli.loading import load
from soar.cli.output import Column, emit, table
from soar.cli.shared import Config, Json

group = typer.Typer(no_args_is_help=True, help="The playbooks of the folder.")


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
