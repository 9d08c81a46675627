"""`soar executions`: what was carried out, step by step."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soar.cli.output import Column, block, emit, fields, heading, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, run
from soar.cli.text import moment, short
from soar.engine import view
from soar.errors import NotFound, PlaybookError
from soar.model.execution import Execution, StepExecution
from soar.model.playbook import Playbook
from soar.model.severity import SEVERITIES
from soar.playbook import parse_playbook
from soar.store import ExecutionFilter, Page, Store
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="Executions and their history.")


@group.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    status: Annotated[str | None, typer.Option("--status", help="queued, running, parked, succeeded, failed.")] = None,
    playbook: Annotated[str | None, typer.Option("--playbook", help="Of this playbook.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", help=f"One of {', '.join(SEVERITIES)}.")] = None,
    alert: Annotated[str | None, typer.Option("--alert", help="Opened by this alert (whole id).")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """The newest executions."""
    filters = ExecutionFilter(
        status=status,  # type: ignore[arg-type]
        playbook=playbook,
        severity=severity,  # type: ignore[arg-type]
        alert=alert,
    )

    async def work() -> Page[Execution]:
        async with database(config) as (_, store):
            return await store.executions.page(filters, cursor, limit)

    page = run(work())
    if json:
        emit({"items": [views.execution(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("OPENED"), Column("STATUS"), Column("PLAYBOOK", flexible=True), Column("WAITS FOR")]
    rows = [
        (short(one.id), moment(one.opened_at), one.state, one.playbook_id, one.awaiting or "") for one in page.items
    ]
    table(columns, rows, empty="no executions")


@group.command()
def show(
    execution: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """One execution with every step's input, output and attempts."""

    async def work() -> tuple[Execution, list[StepExecution]]:
        async with database(config) as (_, store):
            one = await find(
                execution,
                store.executions.get,
                lambda cursor: store.executions.page(ExecutionFilter(), cursor, 200),
                "execution",
            )
            return one, await steps_of(store, one)

    one, steps = run(work())
    shown = views.execution(one)
    shown["steps"] = views.steps(steps)
    if json:
        emit(shown)
        return
    fields((name, value) for name, value in shown.items() if name not in ("steps", "error"))
    if one.error:
        say(f"error  {one.error.get('step')}: {one.error.get('kind')}: {one.error.get('message')}", style="red")
    for step in shown["steps"]:
        _say_step(step)


async def steps_of(store: Store, one: Execution) -> list[StepExecution]:
    """The steps of an execution, in the order of the version it is pinned to."""
    return view.steps(await _pinned(store, one), await store.executions.facts(one.id))


async def _pinned(store: Store, one: Execution) -> Playbook | None:
    try:
        file, text = await store.playbooks.source(one.playbook_digest)
        return parse_playbook(text, file)
    except (NotFound, PlaybookError):
        return None


def _say_step(step: dict[str, Any]) -> None:
    heading(f"{step['path']}  {step['status']}  {step['action'] or step['kind']}")
    for name in ("input", "output", "error"):
        if step[name]:
            say(f"  {name}")
            block(step[name])
    for attempt in step["attempts"]:
        only = "shown only, " if attempt["simulated"] else ""
        say(f"  try {attempt['number']}: {only}{attempt['state']} {attempt['started_at'] or ''} {attempt['message']}")
        said = attempt["guardrail"]
        if said is not None:
            say(f"  policy would say: {'; '.join([said['verdict'], *said['reasons']])}")
