"""`soar serve`: web server, engine and timers in one process."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING

from soar.cli.output import note
from soar.cli.shared import Config
from soar.config import Settings, load_settings
from soar.role import Role

if TYPE_CHECKING:
    import uvicorn

    from soar.runtime import Runtime


def command(config: Config = None) -> int:
    """Take alerts and carry out playbooks until told to stop (SIGTERM, Ctrl-C)."""
    return run_server(load_settings(config))


def run_server(settings: Settings) -> int:
    """Serve with these settings; the exit code."""
    import uvloop

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(settings))


async def _serve(settings: Settings) -> int:
    import uvicorn

    from soar.runtime import Runtime
    from soar.telemetry import configure_logging
    from soar.web.app import create_app
    from soar.web.server import listener_at, uvicorn_config

    runtime = await Runtime.build(settings, role=Role("serve"))
    configure_logging(runtime.masker.mask)
    try:
        listener = listener_at(settings.listen)
        _reload_on_hangup(runtime)  # before anybody can learn from the lock that this process takes it
        await runtime.start(serving=True)
        note(f"soar: serving {len(runtime.loaded.playbooks)} playbooks on http://{settings.listen}")
        app = create_app(runtime)
        host, port = settings.address
        server = uvicorn.Server(uvicorn_config(app, host, port, stop_grace=settings.execution.stop_grace))
        _stop_on_signals(server)
        # Not `serve`: it raises the signal again at its end, before our own work is put in order.
        await server._serve(sockets=[listener])
    finally:
        await runtime.stop()
    return 0


def _stop_on_signals(server: uvicorn.Server) -> None:
    """SIGTERM and Ctrl-C end the server in order; a second one hurries it."""

    def stop() -> None:
        server.force_exit = server.should_exit
        server.should_exit = True

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop)


def _reload_on_hangup(runtime: Runtime) -> None:
    """SIGHUP takes up the playbooks as their files are now, as `soar playbooks reload` does."""
    under_way: set[asyncio.Task[None]] = set()

    def begin() -> None:
        task = asyncio.create_task(runtime.reload_quietly())
        under_way.add(task)
        task.add_done_callback(under_way.discard)

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)
