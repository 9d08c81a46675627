"""`soar connectors`: what can be acted on, and whether it works."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from soar.cli.output import Column, emit, fields, heading, say, table
from soar.cli.shared import Config, Json, run
from soar.config import load_settings
from soar.connector.base import Health
from soar.connector.registry import ConnectorDescription, ConnectorRegistry
from soar.definitions import Definitions
from soar.errors import ConfigError

group = typer.Typer(no_args_is_help=True, help="Connectors and connections.")


def _registry(config: Config) -> ConnectorRegistry:
    """With the user's own connectors where there is a configuration, else the shipped ones alone."""
    try:
        return ConnectorRegistry.load([load_settings(config).connectors])
    except ConfigError:
        if config is not None:
            raise
        return ConnectorRegistry.load([])


@group.command("list")
def list_(config: Config = None, json: Json = False) -> None:
    """The connectors there are, with their actions."""
    registry = _registry(config)
    described = [registry.describe(name) for name in registry.names]
    if json:
        emit([{"name": one.name, "actions": [action.name for action in one.actions]} for one in described])
        return
    rows = [(one.name, ", ".join(action.name for action in one.actions)) for one in described]
    table([Column("CONNECTOR"), Column("ACTIONS", wraps=True)], rows, empty="no connectors")


@group.command()
def show(
    name: Annotated[str, typer.Argument(help="The connector.")], config: Config = None, json: Json = False
) -> None:
    """One connector: its settings, and its actions with parameters, results, risk and way back."""
    described = _registry(config).describe(name)
    if json:
        emit(_shown(described))
        return
    say(described.summary)
    heading("settings")
    _say_schema(described.settings)
    for action in described.actions:
        heading(f"{action.name}: {action.summary}")
        kind = "changes" if action.changes else "reads"
        fields([("kind", kind), ("risk", action.risk), ("undo", action.undo), ("verifies", action.verifies or None)])
        _say_schema(action.params)


def _say_schema(schema: Any) -> None:
    needed = set(schema.get("required", ()))
    pairs = [
        (f"  {key}{' (needed)' if key in needed else ''}", entry.get("description") or entry.get("type", ""))
        for key, entry in schema.get("properties", {}).items()
    ]
    fields(pairs)


def _shown(described: ConnectorDescription) -> dict[str, Any]:
    return {
        "name": described.name,
        "summary": described.summary,
        "settings": described.settings,
        "actions": [
            {
                "name": one.name,
                "summary": one.summary,
                "changes": one.changes,
                "risk": one.risk,
                "undo": one.undo,
                "verifies": one.verifies,
                "params": one.params,
                "result": one.result,
            }
            for one in described.actions
        ],
    }


@group.command()
def test(
    connection: Annotated[str, typer.Argument(help="A connection of soar.yaml.")],
    config: Config = None,
    json: Json = False,
) -> int:
    """Ask one connection whether it works; exit 1 when it does not."""
    settings = load_settings(config)

    async def work() -> Health:
        connections = Definitions.read(settings).connections
        connections.view(connection)
        try:
            await connections.start()
            return await connections.health(connection)
        finally:
            await connections.close()

    health = run(work())
    if json:
        emit({"connection": connection, "ok": health.ok, "detail": health.detail})
    else:
        say(f"{connection}: {'works' if health.ok else 'does not work'}; {health.detail}")
    return 0 if health.ok else 1
