"""`soar approvals`, `soar approve` and `soar deny`: what waits for a person, and a person's word on it."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.approval import Word, decide, described
from soar.approval.glass import CLOSED
from soar.cli.failure import UsageFault
from soar.cli.output import Column, block, emit, fields, heading, note, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, person, run
from soar.cli.text import moment, short
from soar.clock import SystemClock
from soar.definitions import Definitions
from soar.model.approval import Approval, Decision
from soar.model.message import Message
from soar.playbook import Staff
from soar.store import Page, Store
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="Requests to people before something is done.")
STATES = ("open", "asking", "asked", "approved", "denied", "expired", "voided", "withdrawn", "all")

Which = Annotated[str, typer.Argument(metavar="APPROVAL", help="Its id, or a unique part of it.")]


@group.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    status: Annotated[str, typer.Option("--status", help=f"One of {', '.join(STATES)}.")] = "open",
    execution: Annotated[str | None, typer.Option("--execution", help="Of this execution (whole id).")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """What waits for a person."""
    if status not in STATES:
        raise UsageFault(f"there is no state '{status}'; it is one of {', '.join(STATES)}")

    async def work() -> Page[Approval]:
        async with database(config) as (_, store):
            state = None if status == "all" else status
            return await store.approvals.page(state, execution, cursor, limit)  # type: ignore[arg-type]

    page = run(work())
    if json:
        emit({"items": [views.approval(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("STATE"), Column("PLAYBOOK"), Column("QUESTION", wraps=True), Column("UNTIL")]
    rows = [(short(one.id), one.state, one.playbook_id, one.message, moment(one.due_at)) for one in page.items]
    table(columns, rows, empty="nothing waits for a person")


async def _find(store: Store, approval: str) -> Approval:
    return await find(
        approval, store.approvals.get, lambda cursor: store.approvals.page(None, None, cursor, 200), "approval"
    )


@group.command()
def show(approval: Which, config: Config = None, json: Json = False) -> None:
    """One request: what would be done, to what, until when, and who has said what."""

    async def work() -> tuple[Approval, list[Message]]:
        async with database(config) as (_, store):
            found = await _find(store, approval)
            return found, await store.messages.of(found.id)

    one, told_to = run(work())
    if json:
        emit(views.approval(one) | {"messages": [views.message(message) for message in told_to]})
        return
    shown = views.approval(one)
    told = ("id", "status", "playbook_id", "execution_id", "path", "requester", "asked_at", "due_at", "on_timeout")
    fields([("question", one.message), *((name, shown[name]) for name in told)])
    fields([("may answer", described(one.approvers)), ("needed", one.approvers.required), ("digest", one.digest)])
    for item in one.shown:
        heading(f"{item.get('action')}  {item.get('effect', '')}")
        fields((name, item[name]) for name in ("target", "risk", "undo") if item.get(name))
        block(item.get("values", {}))
        if item.get("open"):
            say("  known only later:")
            block(item["open"])
    for vote in one.votes:
        alone = ", glass broken" if vote.evidence.get("break_glass") else ""
        say(f"{vote.person}: {vote.decision} by {vote.channel}{alone}, {moment(vote.at)}  {vote.reason}")
    for message in told_to:
        if message.kind == "request":
            say(f"{message.destination}: {message.state}  {message.error or ''}".rstrip())


def approve(
    approval: Which,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")] = "",
    break_glass: Annotated[
        bool, typer.Option("--break-glass", help="At once and alone, if policy lets you; it is told and reviewed.")
    ] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say yes, as the person of your token (SOAR_TOKEN, or asked for)."""
    _decide(approval, "approve", reason, config, json, break_glass=break_glass)


def deny(
    approval: Which,
    reason: Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Say no, as the person of your token (SOAR_TOKEN, or asked for)."""
    _decide(approval, "deny", reason, config, json)


def _decide(
    approval: str, decision: Decision, reason: str, config: Config, json: bool, *, break_glass: bool = False
) -> None:
    async def work() -> Approval:
        async with database(config) as (settings, store):
            who = await person(store, settings)
            one = await _find(store, approval)
            word = Word(who, decision, "cli", reason, break_glass=break_glass)
            glass = Definitions.read(settings).glass() if break_glass else CLOSED
            return await decide(store, Staff.of(settings), one.id, word, SystemClock().now(), glass)

    one = run(work())
    if json:
        emit(views.approval(one))
        return
    yeses = sum(vote.decision == "approve" for vote in one.votes)
    say(f"{short(one.id)}  {one.state}  {one.message}")
    if one.settled_at is None:
        note(f"{yeses} of {one.approvers.required} have said yes; it waits for more")
