"""`soar worker`: the engine alone, as one of several on a PostgreSQL database."""

from __future__ import annotations

import asyncio
import re
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from soar.cli.failure import UsageFault
from soar.cli.output import note
from soar.cli.shared import Config
from soar.config import Settings, load_settings
from soar.errors import ConfigError
from soar.role import DEFAULT_ZONE, Role
from soar.store import is_postgres

if TYPE_CHECKING:
    from soar.runtime import Runtime

_DEFAULT = "default"


def command(
    zone: Annotated[
        list[str] | None,
        typer.Option("--zone", help="A zone whose calls it makes; several times for several. Default: `default`."),
    ] = None,
    listen: Annotated[
        str | None, typer.Option("--listen", help="HOST:PORT for /healthz, /readyz and /metrics; without it, no port.")
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
    if listen is not None and not re.fullmatch(r".+:\d{1,5}", listen):
        raise UsageFault(f"--listen {listen}: write host and port, such as 127.0.0.1:8081")
    return run_worker(settings, _zones(zone or [_DEFAULT], settings), listen)


def run_worker(settings: Settings, zones: tuple[str, ...], listen: str | None = None) -> int:
    """Work with these settings until a signal; the exit code."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_work(settings, zones, listen))


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


async def _work(settings: Settings, zones: tuple[str, ...], listen: str | None) -> int:
    from soar.runtime import Runtime
    from soar.telemetry import configure_logging

    stopped = asyncio.Event()
    runtime = await Runtime.build(settings, role=Role("worker", zones))
    configure_logging(runtime.masker.mask)
    try:
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stopped.set)
        async with _watched(runtime, listen):
            await runtime.start()
            note(f"soar: working in {', '.join(name or _DEFAULT for name in zones)}")
            await stopped.wait()
    finally:
        await runtime.stop()
    return 0


@asynccontextmanager
async def _watched(runtime: Runtime, listen: str | None) -> AsyncIterator[None]:
    """Answer those who ask whether it lives, where it is to listen at all."""
    if listen is None:
        yield
        return
    import uvicorn

    from soar.web.app import create_worker_app
    from soar.web.server import listener_at, uvicorn_config

    listener = listener_at(listen)
    host, port = listener.getsockname()[:2]
    server = uvicorn.Server(uvicorn_config(create_worker_app(runtime), host, port, stop_grace=1))
    serving = asyncio.create_task(server._serve(sockets=[listener]))
    try:
        yield
    finally:
        server.should_exit = True
        await asyncio.gather(serving, return_exceptions=True)
