"""`soar serve`: web server, engine and timers in one process."""

from __future__ import annotations

import asyncio
import socket

from soar.cli.output import note
from soar.cli.shared import Config
from soar.config import Settings, load_settings


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
    from soar.web.server import uvicorn_config

    runtime = await Runtime.build(settings)
    configure_logging(runtime.masker.mask)
    try:
        listener = _listen(settings)
        await runtime.start()
        note(f"soar: serving {len(runtime.loaded.playbooks)} playbooks on http://{settings.listen}")
        app = create_app(runtime)
        host, port = settings.address
        server = uvicorn.Server(uvicorn_config(app, host, port, stop_grace=settings.execution.stop_grace))
        await server.serve(sockets=[listener])
    finally:
        await runtime.stop()
    return 0


def _listen(settings: Settings) -> socket.socket:
    """Bind before anything starts: an address that is taken is said at once."""
    host, port = settings.address
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        error.filename = settings.listen
        raise
    return listener
