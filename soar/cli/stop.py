"""`soar stop`: the stop buttons, for everything, one connection or one playbook."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import Column, emit, say, table
from soar.cli.shared import Config, Json, database, operator_of, run
from soar.cli.text import moment
from soar.clock import SystemClock
from soar.config import load_settings
from soar.definitions import Definitions
from soar.model.switch import Switch, scope_of
from soar.web import views


def command(
    scope: Annotated[
        str | None, typer.Argument(help="all, connection:NAME or playbook:ID; without it, what is stopped is listed.")
    ] = None,
    reason: Annotated[str | None, typer.Option("--reason", help="Why; it stands in the history.")] = None,
    release: Annotated[bool, typer.Option("--release", help="Let it go on.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Hold changing calls back, in every process within a second, until somebody releases them."""
    if scope is None:
        _list(config, json)
        return
    if not (reason or "").strip():
        raise UsageFault("say why with --reason: whoever finds everything stopped wants to know")
    _check(scope, config, release)

    async def work(why: str) -> Switch:
        async with database(config) as (settings, store):
            by, now = await operator_of(store, settings), SystemClock().now()
            turn = store.switches.clear if release else store.switches.set
            return await turn(scope, by, why, now)

    switch = run(work(reason or ""))
    if json:
        emit(views.switch(switch))
        return
    say(f"{scope}: {'released' if release else 'stopped'}")


def _list(config: Config, json: bool) -> None:
    async def work() -> list[Switch]:
        async with database(config) as (_, store):
            return await store.switches.list()

    found = run(work())
    if json:
        emit({"items": [views.switch(one) for one in found], "next_cursor": None})
        return
    columns = [Column("STOPPED"), Column("BY"), Column("SINCE"), Column("WHY", wraps=True)]
    table(columns, [(one.scope, one.by, moment(one.at), one.reason) for one in found], empty="nothing is stopped")


def _check(scope: str, config: Config, release: bool) -> None:
    """A button that holds nothing would be believed; one that is pressed can always be released."""
    if release or scope == "all":
        return
    found = Definitions.read(load_settings(config))
    try:
        scope_of(scope, found.connections.names, found.catalog().playbooks)
    except ValueError as error:
        raise UsageFault(str(error)) from None
