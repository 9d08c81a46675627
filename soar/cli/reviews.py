"""`soar reviews`: what was approved by breaking the glass, until somebody else has looked at it."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.approval.review import close_review
from soar.cli.failure import UsageFault
from soar.cli.output import Column, emit, fields, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, person, run
from soar.cli.text import moment, short
from soar.clock import SystemClock
from soar.model.review import Review
from soar.playbook import Staff
from soar.store import Page, Store
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="What one person approved alone, for others to look at.")
STATES = ("open", "closed", "all")

Which = Annotated[str, typer.Argument(metavar="REVIEW", help="Its id, or a unique part of it.")]


@group.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    status: Annotated[str, typer.Option("--status", help=f"One of {', '.join(STATES)}.")] = "open",
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """What nobody else has looked at yet."""
    if status not in STATES:
        raise UsageFault(f"there is no state '{status}'; it is one of {', '.join(STATES)}")

    async def work() -> Page[Review]:
        async with database(config) as (_, store):
            state = None if status == "all" else status
            return await store.reviews.page(state, cursor, limit)  # type: ignore[arg-type]

    page = run(work())
    if json:
        emit({"items": [views.review(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("STATE"), Column("BY"), Column("WHEN"), Column("WHAT", wraps=True)]
    rows = [(short(one.id), one.state, one.by, moment(one.opened_at), one.message) for one in page.items]
    table(columns, rows, empty="nothing waits for a review")


@group.command()
def show(review: Which, config: Config = None, json: Json = False) -> None:
    """One review: who approved what alone, why, and what was found. `soar approvals show` tells what was done."""

    async def work() -> Review:
        async with database(config) as (_, store):
            return await _find(store, review)

    one = run(work())
    shown = views.review(one)
    if json:
        emit(shown)
        return
    fields((name, value) for name, value in shown.items() if value is not None)


@group.command()
def close(
    review: Which,
    finding: Annotated[str, typer.Option("--finding", help="What you have looked at, and whether it was right.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Say what you found, as the person of your token (SOAR_TOKEN, or asked for); not by who broke the glass."""

    async def work() -> Review:
        async with database(config) as (settings, store):
            who = await person(store, settings)
            one = await _find(store, review)
            return await close_review(store, Staff.of(settings), one.id, who, finding, SystemClock().now())

    one = run(work())
    if json:
        emit(views.review(one))
        return
    say(f"{short(one.id)}  {one.state}  {one.message}")


async def _find(store: Store, review: str) -> Review:
    return await find(review, store.reviews.get, lambda cursor: store.reviews.page(None, cursor, 200), "review")
