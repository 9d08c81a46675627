"""The stop switches as this process knows them, looked up before every call (S19)."""

from __future__ import annotations

from collections.abc import Mapping

from soar.model.switch import Switch
from soar.store import Store


class StopSwitches:
    """A copy of the rows; `refresh` brings it up to date."""

    def __init__(self) -> None:
        self._set: Mapping[str, Switch] = {}

    async def refresh(self, store: Store) -> bool:
        """Read the rows; True when one was released, so that what it held can go on."""
        found = {switch.scope: switch for switch in await store.switches.list()}
        released = bool(self._set.keys() - found.keys())
        self._set = found
        return released

    def reason(self, connection: str, playbook: str | None) -> str | None:
        """Why calls through that connection, of that playbook, are held; None when they are not."""
        if not self._set:
            return None
        for scope in ("all", f"connection:{connection}", f"playbook:{playbook}"):
            switch = self._set.get(scope)
            if switch is not None:
                return f"stopped by {switch.by}: {switch.reason}"
        return None

    def paused(self, playbook: str) -> str | None:
        """Why nothing new opens for that playbook; None when it may. Where all is stopped, what opens waits."""
        switch = self._set.get(f"playbook:{playbook}")
        return None if switch is None else f"stopped by {switch.by}: {switch.reason}"
