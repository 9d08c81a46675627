"""`soar worker`: the engine alone, as one of several on a PostgreSQL database."""

from __future__ import annotations

import asyncio
import signal
from typing import Annotated

import typer

from soar.cli.output import note
from soar.cli.shared import Config
from soar.config import Settings, load_settings
from soar.errors import ConfigError
from soar.role import DEFAULT_ZONE, Role
from soar.store import is_postgres

_DEFAULT = "default"


def command(
    zone: Annotated[
        list[str] | None,
        typer.Option("--zone", help="A zone whose calls it makes; several times for several. Default: `default`."),
    ] = None,
    config: Config = None,
) -> int:
    """Carry out playbooks beside other processes, until told to stop (SIGTERM, Ctrl-C)."""
    settings = load_settings(config)
    if not is_postgres(settings.database):
        raise ConfigError(
            f"database: {settings.database}: one file has one engine, that of `soar serve`; several processes need "
            "a PostgreSQL database: postgresql://user@host/soar"
        )
    return run_worker(settings, _zones(zone or [_DEFAULT], settings))


def run_worker(settings: Settings, zones: tuple[str, ...]) -> int:
    """Work with these settings until a signal; the exit code."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(settings, zones))


def _zones(given: list[str], settings: Settings) -> tuple[str, ...]:
    """Their names as connections give them.

    Raises:
        ConfigError: no connection is in a zone of that name.
    """
    known = {one.zone for one in settings.connections.values() if one.zone} | {_DEFAULT}
    for name in given:
        if name not in known:
            raise ConfigError(
                f"--zone {name}: no connection of soar.yaml is in it; there are: {', '.join(sorted(known))}"
            )
    return tuple(dict.fromkeys(DEFAULT_ZONE if name == _DEFAULT else name for name in given))


async def _work(settings: Settings, zones: tuple[str, ...]) -> int:
    from soar.runtime import Runtime
    from soar.telemetry import configure_logging

    stopped = asyncio.Event()
    runtime = await Runtime.build(settings, role=Role("worker", zones))
    configure_logging(runtime.masker.mask)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        await runtime.start()
        note(f"soar: working in {', '.join(name or _DEFAULT for name in zones)}")
        await stopped.wait()
    finally:
        await runtime.stop()
    return 0
