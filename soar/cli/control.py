"""`soar cancel`, `pause`, `resume` and `rerun`: what a person does to an execution."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import emit, note, say
from soar.cli.shared import Config, Json, database, find, operator_of, run
from soar.cli.text import short
from soar.clock import SystemClock
from soar.config import load_settings
from soar.engine import Rerun
from soar.model.execution import Execution
from soar.runtime import Runtime
from soar.store import ContainmentFilter, ExecutionFilter, Store
from soar.web import views

Which = Annotated[str, typer.Argument(metavar="EXECUTION", help="Its id, or a unique part of it.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; it stands in the history.")]
VERSIONS = ("original", "current")


async def _find(store: Store, execution: str) -> Execution:
    return await find(
        execution,
        store.executions.get,
        lambda cursor: store.executions.page(ExecutionFilter(), cursor, 200),
        "execution",
    )


def cancel(
    execution: Which,
    reason: Reason,
    undo: Annotated[
        bool | None, typer.Option("--undo/--keep", help="Take back what it contains, or keep that until it expires.")
    ] = None,
    config: Config = None,
) -> None:
    """End an execution before its time; calls under way end first."""

    async def work() -> tuple[Execution, bool]:
        async with database(config) as (settings, store):
            one = await _find(store, execution)
            decided = _undo(undo, await _holds(store, one.id))
            told = {"by": await operator_of(store, settings), "reason": reason, "undo": decided}
            await store.executions.tell(one.id, "cancel", told, SystemClock().now())
            return one, decided

    one, decided = run(work())
    kept = "what it contains is taken back" if decided else "what it contains stays until it expires"
    say(f"{short(one.id)}  {one.playbook_id}: it is cancelled, and {kept}")


async def _holds(store: Store, execution_id: str) -> list[str]:
    """What that execution contains now."""
    cursor: str | None = None
    found: list[str] = []
    while True:
        page = await store.containments.page(ContainmentFilter(current=True), cursor, 200)
        found += [one.target for one in page.items if any(hold.execution_id == execution_id for hold in one.holds)]
        cursor = page.next_cursor
        if cursor is None:
            return found


def _undo(said: bool | None, held: list[str]) -> bool:
    """What was said, or is asked where something is contained."""
    if said is not None or not held:
        return bool(said)
    what = ", ".join(held[:5]) + (f" and {len(held) - 5} more" if len(held) > 5 else "")
    if not sys.stdin.isatty():
        raise UsageFault(f"it contains {what}; say --undo to take that back, or --keep to hold it until it expires")
    return typer.confirm(f"it contains {what}; take that back?", default=False)


def pause(execution: Which, reason: Reason, config: Config = None) -> None:
    """Have an execution start no new calls; its timers and its deadline go on."""
    _tell("pause", execution, reason, config)


def resume(execution: Which, reason: Reason, config: Config = None) -> None:
    """Let a paused execution go on."""
    _tell("resume", execution, reason, config)


def _tell(kind: Literal["pause", "resume"], execution: str, reason: str, config: Config) -> None:
    async def work() -> Execution:
        async with database(config) as (settings, store):
            one = await _find(store, execution)
            told: dict[str, Any] = {"by": await operator_of(store, settings), "reason": reason}
            await store.executions.tell(one.id, kind, told, SystemClock().now())
            return one

    one = run(work())
    say(f"{short(one.id)}  {one.playbook_id}: {kind}d")


def rerun(
    execution: Which,
    step: Annotated[str | None, typer.Option("--from", metavar="STEP", help="Begin at this step.")] = None,
    failed_items: Annotated[bool, typer.Option("--failed-items", help="Only items of that loop that failed.")] = False,
    version: Annotated[str, typer.Option("--version", help="original or current.")] = "original",
    again: Annotated[bool, typer.Option("--again", help="Make changes that succeeded once more.")] = False,
    config: Config = None,
    json: Json = False,
) -> None:
    """Run an execution again; what succeeded is not done twice. A running server carries it out."""
    if version not in VERSIONS:
        raise UsageFault(f"there is no version '{version}'; it is one of {', '.join(VERSIONS)}")

    async def work() -> Execution:
        runtime = await Runtime.build(load_settings(config))
        try:
            one = await _find(runtime.store, execution)
            if version == "current":
                await runtime.keep_versions(runtime.loaded.catalog)
            by = await operator_of(runtime.store, runtime.settings)
            asked = Rerun(by, step, failed_items=failed_items, again=again)
            return await runtime.rerun(one.id, asked, version)  # type: ignore[arg-type]
        finally:
            await runtime.store.close()

    one = run(work())
    if json:
        emit(views.execution(one))
        return
    say(f"{one.id}  {one.playbook_id}: runs again")
    note(f"`soar executions show {short(one.id)}` tells")
