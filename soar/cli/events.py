"""`soar events`: telling the engine that something happened."""

from __future__ import annotations

import json as json_
import re
from typing import Annotated, Any

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import emit, say
from soar.cli.shared import Config, Json, database, operator_of, run
from soar.clock import SystemClock
from soar.ids import derived_id, new_id
from soar.model.trigger import ENGINE_EVENTS, EVENT_NAME
from soar.store.units import Audit, Event

group = typer.Typer(no_args_is_help=True, help="Events for triggers, and for executions that wait.")


@group.command()
def send(
    name: Annotated[str, typer.Argument(help="Its name, such as payout.reviewed.")],
    data: Annotated[str, typer.Option("--data", help="A JSON object.")] = "{}",
    identity: Annotated[str | None, typer.Option("--id", help="Sent twice under one id, it happened once.")] = None,
    config: Config = None,
    json: Json = False,
) -> None:
    """Say that something happened; a running server acts on it within a second."""
    if re.fullmatch(EVENT_NAME, name) is None or name.partition(".")[0] in ENGINE_EVENTS:
        raise UsageFault(f"'{name}' is no name for an event; it is words joined by dots, none of the engine's own")

    async def work(content: dict[str, Any]) -> Event:
        async with database(config) as (settings, store):
            by, now = await operator_of(store, settings), SystemClock().now()
            event = Event(new_id() if identity is None else derived_id("event", by, identity), name, content, now)
            await store.events.add([event])
            await store.audit.add(Audit(by, "event.told", f"event:{event.id}", now, {"name": name}))
            return event

    event = run(work(_object(data)))
    if json:
        emit({"id": event.id, "name": event.name})
        return
    say(f"{event.id}  {event.name}")


def _object(text: str) -> dict[str, Any]:
    try:
        content = json_.loads(text)
    except json_.JSONDecodeError as error:
        raise UsageFault(f"--data is not JSON ({error}); give an object such as '{{\"case\": 7}}'") from None
    if not isinstance(content, dict):
        raise UsageFault("--data holds no JSON object; give one such as '{\"case\": 7}'")
    return content
