"""`soar questions` and `soar answer`: outcomes that only a person can tell."""

from __future__ import annotations

from typing import Annotated

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import Column, emit, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, operator, run
from soar.cli.text import moment, short
from soar.clock import SystemClock
from soar.model.execution import Question
from soar.store import Page
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="Calls of which nobody knows whether they happened.")
ANSWERS = {"happened": "happened", "again": "again", "give-up": "give_up"}


@group.command("list")
def list_(config: Config = None, json: Json = False, limit: Limit = 50, cursor: Cursor = None) -> None:
    """The open questions."""

    async def work() -> Page[Question]:
        async with database(config) as (_, store):
            return await store.questions.page("open", cursor, limit)

    page = run(work())
    if json:
        emit({"items": [views.question(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("ASKED"), Column("ACTION"), Column("WHAT IS KNOWN", wraps=True)]
    rows = [(short(one.id), moment(one.opened_at), one.action, one.message) for one in page.items]
    table(columns, rows, empty="no open questions")


def answer(
    question: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    told: Annotated[str, typer.Argument(metavar="ANSWER", help="happened, again or give-up.")],
    reason: Annotated[str, typer.Option("--reason", help="How you know; it stands in the history.")],
    config: Config = None,
) -> None:
    """Say what became of a call: it happened, do it again (with the same key), or give up."""
    if told not in ANSWERS:
        raise UsageFault(f"'{told}' is no answer; it is one of {', '.join(ANSWERS)}")

    async def work() -> Question:
        async with database(config) as (_, store):
            one = await find(
                question, store.questions.get, lambda cursor: store.questions.page(None, cursor, 200), "question"
            )
            chosen = ANSWERS[told]
            return await store.questions.answer(one.id, chosen, operator(), reason, SystemClock().now())  # type: ignore[arg-type]

    one = run(work())
    say(f"{one.action} of execution {short(one.execution_id)}: {told}")
