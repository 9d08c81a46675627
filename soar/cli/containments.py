"""`soar containments` and `soar lift`: what is contained now, and taking it back early."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.cli.output import Column, block, emit, fields, heading, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, operator, run
from soar.cli.text import moment, short
from soar.clock import SystemClock
from soar.model.containment import Containment
from soar.store import ContainmentFilter, Page, Store
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="What is contained: by whom, why, until when.")


@group.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    everything: Annotated[bool, typer.Option("--all", help="Those that are over too.")] = False,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """What is contained now."""

    async def work() -> Page[Containment]:
        async with database(config) as (_, store):
            filters = ContainmentFilter(current=None if everything else True)
            return await store.containments.page(filters, cursor, limit)

    page = run(work())
    if json:
        emit({"items": [views.containment(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("STATE"), Column("TARGET", flexible=True), Column("BY"), Column("UNTIL")]
    rows = [
        (short(one.id), one.state, one.target, f"{one.connection}.{one.action}", moment(one.expires_at) or "a person")
        for one in page.items
    ]
    table(columns, rows, empty="nothing is contained")


async def _find(store: Store, containment: str) -> Containment:
    return await find(
        containment,
        store.containments.get,
        lambda cursor: store.containments.page(ContainmentFilter(), cursor, 200),
        "containment",
    )


@group.command()
def show(
    containment: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """One containment with who holds it."""

    async def work() -> Containment:
        async with database(config) as (_, store):
            return await _find(store, containment)

    shown = views.containment(run(work()))
    if json:
        emit(shown)
        return
    holds = shown.pop("holds", [])
    fields(shown.items())
    heading("held by")
    block(holds)


def lift(
    containment: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")],
    config: Config = None,
) -> None:
    """Take a containment back now. A running server does it within a second."""

    async def work() -> Containment:
        async with database(config) as (_, store):
            one = await _find(store, containment)
            return await store.containments.lift(one.id, operator(), reason, SystemClock().now())

    one = run(work())
    say(f"{one.target}: {one.state}; the engine takes it back, `soar containments show {short(one.id)}` tells")
