"""`soar containments` and `soar lift`: what is contained now, and taking it back early."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.cli.output import Column, block, emit, fields, heading, note, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, operator_of, run
from soar.cli.text import moment, short
from soar.clock import SystemClock
from soar.model.containment import Containment
from soar.model.execution import Execution
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
        (short(one.id), _state(one), one.target, f"{one.connection}.{one.action}", moment(one.expires_at) or "a person")
        for one in page.items
    ]
    table(columns, rows, empty="nothing is contained")


def _state(one: Containment) -> str:
    return one.state if one.missing_since is None or one.state != "held" else "missing"


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

    async def work() -> tuple[Containment, Execution | None]:
        async with database(config) as (_, store):
            one = await _find(store, containment)
            lifting = views.lift_id(one) if one.state == "stuck" else None
            return one, None if lifting is None else await store.executions.get(lifting)

    one, failed = run(work())
    shown = views.containment(one)
    if json:
        emit(shown)
        return
    holds = shown.pop("holds", [])
    fields(shown.items())
    heading("held by")
    block(holds)
    if failed is not None:
        say(f"its lift did not succeed: {(failed.error or {}).get('message', failed.state)}", style="red")
        note(f"`soar lift {short(one.id)} --reason R` tries again; with `--by-hand` it says that you took it back")


def lift(
    containment: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")],
    by_hand: Annotated[
        bool, typer.Option("--by-hand", help="Its lift is stuck, and you took it back in the system yourself.")
    ] = False,
    config: Config = None,
) -> None:
    """Take a containment back now. A running server does it within a second."""

    async def work() -> Containment:
        async with database(config) as (settings, store):
            one = await _find(store, containment)
            ledger, by = store.containments, await operator_of(store, settings)
            return await (ledger.lift_by_hand if by_hand else ledger.lift)(one.id, by, reason, SystemClock().now())

    one = run(work())
    if by_hand:
        say(f"{one.target}: lifted by hand")
        return
    say(f"{one.target}: {one.state}; the engine takes it back, `soar containments show {short(one.id)}` tells")
