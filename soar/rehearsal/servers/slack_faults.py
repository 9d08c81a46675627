"""What can go wrong with calls, told beforehand: for the next one, the next few, or those of one method."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from soar.rehearsal.servers.slack_limits import SlackRefused


class Fault:
    """One call's fault; an empty one is none.

    `{"slow": seconds}` before anything is done; `{"status", "body", "headers"}` and nothing is done; `{"error": code}`
    as Slack words it; `{"hang": seconds}` and `{"drop": true}` once it is done, so that the answer is late or lost.
    """

    def __init__(self, given: Mapping[str, Any]) -> None:
        self._given = given

    async def before(self) -> web.Response | None:
        """Wait, or give the answer that is all there will be."""
        given = self._given
        if "slow" in given:
            await asyncio.sleep(given["slow"])
        if "status" not in given:
            return None
        body = given.get("body", {"ok": False, "error": "ratelimited"})
        return web.json_response(body, status=given["status"], headers=given.get("headers", {}))

    def checked(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments, unless they are refused whatever they say. Raises SlackRefused."""
        if "error" in self._given:
            raise SlackRefused(self._given["error"])
        return arguments

    async def after(self, request: web.Request) -> None:
        """What was asked is done; lose the answer to it."""
        if "hang" in self._given:
            await asyncio.sleep(self._given["hang"])
        if self._given.get("drop") and request.transport:
            request.transport.abort()


class Faults:
    """Those still to come, first come first served."""

    def __init__(self) -> None:
        self._waiting: list[dict[str, Any]] = []

    def add(self, given: dict[str, Any]) -> None:
        """One more; `times` calls have it (1), of `method` if that is said. An earlier one for the same calls goes."""
        self._waiting = [one for one in self._waiting if one.get("method") != given.get("method")]
        if given.get("times", 1) > 0:
            self._waiting.append({"times": 1, **given})

    def next(self, method: str) -> Fault:
        """The fault of this call."""
        for fault in self._waiting:
            if fault.get("method", method) == method and (method != "link" or "method" in fault):
                fault["times"] -= 1
                self._waiting = [one for one in self._waiting if one["times"] > 0]
                return Fault(fault)
        return Fault({})
