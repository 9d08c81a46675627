"""The way to a system that does not speak HTTP: a socket, held to the allow-list of the call it is opened in."""

from __future__ import annotations

import asyncio
import socket
from typing import Any, Final

from soar.connector.trail import current_trail
from soar.errors import Refused, Unavailable

_PATIENCE: Final = 5.0
"""Seconds one address may take; the next one of the name may be better."""


async def dial(host: str, port: int) -> socket.socket:
    """A connected socket for a protocol of the connector's own; whoever asks for it closes it.

    Raises:
        Refused: the host, or every address that it leads to, is off the connection's allow-list.
        Unavailable: nothing answers there; nothing was sent.
    """
    trail = current_trail.get()
    if trail is None:
        raise Refused("a connection outside a call: a connector may only connect while it is called")
    trail.check_real()
    trail.egress.check_host(host)
    targets = await _targets(host, port)
    allowed = [target for target in targets if trail.egress.may_dial(host, str(target[4][0]))]
    if not allowed:
        raise Refused(trail.egress.refusal(host, str(targets[0][4][0])))
    return await _first(allowed, f"{host}:{port}")


async def _targets(host: str, port: int) -> list[tuple[Any, ...]]:
    try:
        found = await asyncio.get_running_loop().getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise Unavailable(f"the name '{host}' cannot be looked up ({error.strerror or error})") from error
    if not found:
        raise Unavailable(f"the name '{host}' leads nowhere")
    return list(found)


async def _first(targets: list[tuple[Any, ...]], place: str) -> socket.socket:
    reasons = []
    for family, kind, protocol, _, address in targets:
        try:
            return await _connected(socket.socket(family, kind, protocol), address)
        except TimeoutError:
            reasons.append(f"{address[0]}: no answer within {_PATIENCE:g} s")
        except OSError as error:
            reasons.append(f"{address[0]}: {error.strerror or error}")
    raise Unavailable(f"no connection to {place} ({'; '.join(reasons)}); nothing was sent")


async def _connected(made: socket.socket, address: Any) -> socket.socket:
    made.setblocking(False)
    try:
        async with asyncio.timeout(_PATIENCE):
            await asyncio.get_running_loop().sock_connect(made, address)
    except BaseException:  # also when the call is cut off: nobody else would close it
        made.close()
        raise
    return made
