"""`soar slack`: what Slack needs to know of this server."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import emit
from soar.cli.shared import Config, Json
from soar.config import load_settings
from soar.errors import ConfigError

group = typer.Typer(no_args_is_help=True, help="The Slack app through which people are asked.")


@group.command()
def manifest(
    socket_mode: Annotated[
        bool, typer.Option("--socket-mode", help="Answers are fetched: no way in is needed.")
    ] = False,
    url: Annotated[str | None, typer.Option("--url", help="This server's address; else `public_url`.")] = None,
    name: Annotated[str, typer.Option("--name", help="What the app is called.")] = "SOAR",
    config: Config = None,
    json: Json = False,
) -> None:
    """The manifest to make the Slack app from (docs/slack.md)."""
    import yaml

    from connectors.slack.manifest import INTERACTIONS
    from connectors.slack.manifest import manifest as made

    if socket_mode and url is not None:
        raise UsageFault("--socket-mode needs no --url: nothing is sent to this server; leave one of them out")
    if not 0 < len(name) <= 35:
        raise UsageFault("--name has 1 to 35 characters; Slack takes no others")
    address = None if socket_mode else f"{_address(url, config)}{INTERACTIONS}"
    written = made(name, request_url=address)
    if json:
        emit(written)
    else:
        sys.stdout.write(yaml.safe_dump(written, sort_keys=False, allow_unicode=True))


def _address(url: str | None, config: Config) -> str:
    """Where Slack reaches this server, without what follows it."""
    given = url or _public_url(config)
    if given is None:
        raise UsageFault(
            "where does Slack reach this server? Give --url https://..., set `public_url` in soar.yaml, or use"
            " --socket-mode, which needs no way in"
        )
    if not given.startswith("https://"):
        raise UsageFault(f"Slack sends answers to https addresses only, and {given} is none; see --socket-mode")
    return given.rstrip("/")


def _public_url(config: Config) -> str | None:
    try:
        return load_settings(config).public_url
    except ConfigError:
        if config is not None:
            raise
        return None
