"""`soar alerts` and `soar explain`: what came in, and why it did or did not fire."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soar.cli.output import Column, block, emit, fields, heading, say, table
from soar.cli.shared import Config, Cursor, Json, Limit, database, find, run
from soar.cli.text import moment, short
from soar.ingest.match import explain as explained
from soar.model.alert import Match
from soar.model.severity import SEVERITIES
from soar.playbook import parse_playbook
from soar.store import AlertFilter, Page, Store, StoredAlert
from soar.web import views

group = typer.Typer(no_args_is_help=True, help="Alerts that came in.")


@group.command("list")
def list_(
    config: Config = None,
    json: Json = False,
    source: Annotated[str | None, typer.Option("--source", help="From this source.")] = None,
    status: Annotated[str | None, typer.Option("--status", help="received, matched, unmatched or failed.")] = None,
    severity: Annotated[str | None, typer.Option("--severity", help=f"One of {', '.join(SEVERITIES)}.")] = None,
    limit: Limit = 50,
    cursor: Cursor = None,
) -> None:
    """The newest alerts."""
    filters = AlertFilter(source=source, status=status, severity=severity)  # type: ignore[arg-type]

    async def work() -> Page[Any]:
        async with database(config) as (_, store):
            return await store.alerts.page(filters, cursor, limit)

    page = run(work())
    if json:
        emit({"items": [views.alert_line(one) for one in page.items], "next_cursor": page.next_cursor})
        return
    columns = [Column("ID"), Column("RECEIVED"), Column("SEVERITY"), Column("STATE"), Column("TITLE", flexible=True)]
    rows = [
        (short(one.id), moment(one.received_at), views.severity(one.severity_id), one.state, one.title or one.error)
        for one in page.items
    ]
    table(columns, rows, empty="no alerts")


async def _find(store: Store, alert: str) -> StoredAlert:
    return await find(alert, store.alerts.get, lambda cursor: store.alerts.page(AlertFilter(), cursor, 200), "alert")


@group.command()
def show(
    alert: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """One alert with all its fields."""

    async def work() -> StoredAlert:
        async with database(config) as (_, store):
            return await _find(store, alert)

    stored = views.alert_whole(run(work()))
    if json:
        emit(stored)
        return
    raw = stored.pop("raw", None)
    fields((name, value) for name, value in stored.items() if not isinstance(value, dict))
    heading("raw")
    block(raw)


@group.command()
def raw(alert: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")], config: Config = None) -> None:
    """The body as it was kept, as text that is safe to show."""

    async def work() -> bytes:
        async with database(config) as (_, store):
            found = await _find(store, alert)
            return (await store.alerts.raw(found.id)).body

    say(run(work()).decode("utf-8", "replace"))


def explain(
    alert: Annotated[str, typer.Argument(help="Its id, or a unique part of it.")],
    config: Config = None,
    json: Json = False,
) -> None:
    """Why each playbook did or did not fire on an alert."""

    async def work() -> tuple[StoredAlert, list[Match]]:
        async with database(config) as (_, store):
            stored = await _find(store, alert)
            return stored, await _explained(store, stored)

    stored, matches = run(work())
    if json:
        emit({"alert": stored.id, "state": stored.state, "matches": [views.match(match) for match in matches]})
        return
    say(f"{stored.id}  {stored.state}  {(stored.alert.title if stored.alert else stored.error) or ''}")
    for match in matches:
        heading(f"{match.playbook_id}: {match.outcome}")
        for line in _reasons(match.trace):
            say(f"  {line}")


async def _explained(store: Store, stored: StoredAlert) -> list[Match]:
    """What is on record, and the rest worked out anew from the same alert and the same versions."""
    matches = {match.playbook_id: match for match in await store.alerts.matches(stored.id)}
    if stored.alert is not None:
        for playbook_id, digest in await store.alerts.catalog(stored.id):
            if playbook_id not in matches:
                file, text = await store.playbooks.source(digest)
                matches[playbook_id] = explained(stored.alert, parse_playbook(text, file))
    return [matches[name] for name in sorted(matches)]


def _reasons(trace: dict[str, Any]) -> list[str]:
    lines = [str(trace[key]) for key in ("reason", "error", "by_hand") if key in trace]
    for name, selection in trace.get("selections", {}).items():
        lines.append(f"{name}: {'held' if selection['held'] else 'did not hold'}")
        tests = selection["tests"]
        flat = [test for one in tests for test in (one if isinstance(one, list) else [one])]
        for test in flat:
            value = "the field is missing" if test.get("missing") else repr(test.get("value"))
            mark = test.get("error") or ("yes" if test.get("held") else "no")
            lines.append(f"  {test['test']} {test['wanted']}: {value} -> {mark}")
    return lines
