"""`soar audit` and `soar budgets`: what was done by whom, and how much more may be."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.cli.output import Column, emit, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, run
from soar.cli.text import moment
from soar.clock import SystemClock
from soar.store import AuditEntry, BudgetView, ChainState, Page
from soar.web import views

audit = typer.Typer(no_args_is_help=True, help="The audit trail.")


@audit.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    subject: Annotated[str | None, typer.Option("--subject", help="approval:ID, execution:ID, switch:all ...")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """The newest entries."""

    async def work() -> Page[AuditEntry]:
        async with database(config) as (_, store):
            return await store.audit.page(subject, cursor, limit)

    page = run(work())
    if json:
        emit({"items": [views.audit_entry(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("WHEN"), Column("WHO", flexible=True), Column("WHAT"), Column("ABOUT", flexible=True)]
    rows = [(moment(one.at), one.actor, one.action, one.subject) for one in page.items]
    table(columns, rows, empty="no entries")


@audit.command()
def verify(config: Config = None, json: Json = False) -> int:
    """Walk the chain of hashes; exit 1 where an entry was changed or is missing."""

    async def work() -> ChainState:
        async with database(config) as (_, store):
            return await store.audit.verify()

    found = run(work())
    if json:
        emit({"sealed": found.sealed, "unsealed": found.unsealed, "broken_at": found.broken_at})
    elif found.broken_at is None:
        say(f"{found.sealed} entries in an unbroken chain; {found.unsealed} not chained yet")
    else:
        say(f"entry {found.broken_at} was changed, or one before it is missing; {found.sealed} before it hold")
    return 0 if found.broken_at is None else 1


def budgets(config: Config = None, json: Json = False) -> None:
    """How much of each blast-radius budget is used."""

    async def work() -> list[BudgetView]:
        async with database(config) as (_, store):
            return await store.budgets.list(SystemClock().now())

    found = run(work())
    if json:
        emit({"items": [views.budget(one) for one in found], "next_cursor": None})
        return
    columns = [Column("BUDGET", flexible=True), Column("USED", "right"), Column("OF", "right"), Column("FULL SINCE")]
    rows = [(one.budget, one.used, one.limit, moment(one.full_since)) for one in found]
    table(columns, rows, empty="no budget was used yet")
